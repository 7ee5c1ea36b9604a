import {declareErrors} from '../runtime/errors.ts'

export const {CRD_NOT_ESTABLISHED, OPERATOR_CONFIG_CONFLICT, OPERATOR_FLAG_INVALID, OPERATOR_ADDRESS_IN_USE} =
  declareErrors({
    CRD_NOT_ESTABLISHED: {
      what: 'the custom resource definition {name} is not served: {detail}',
      advice: 'with skip-crd-creation install manifests/crds first; otherwise see kubectl describe crd {name}',
    },
    OPERATOR_CONFIG_CONFLICT: {
      what: 'configuration keys of the operator do not fit together: {detail}',
      advice:
        'correct the values in the ConfigMap cilium-config (or the Helm values behind it), then restart the operator',
    },
    OPERATOR_FLAG_INVALID: {
      what: 'unknown flag {flag}',
      advice: 'cilium-operator --config-dir=DIR [--KEY=VALUE ...]; keys are those of the ConfigMap cilium-config',
    },
    OPERATOR_ADDRESS_IN_USE: {
      what: 'cannot listen on {address}: {detail}',
      advice: 'free the address, or choose another with {key}',
    },
  })
