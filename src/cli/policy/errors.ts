import {declareErrors} from '../../runtime/errors.ts'
import {declareUsageErrors} from '../errors.ts'

export const {POLICY_END_INVALID, POLICY_PORT_INVALID, POLICY_LABEL_INVALID} = declareUsageErrors({
  POLICY_END_INVALID: {
    what: '"{text}" is no end of a connection',
    advice: 'give NAMESPACE/POD, POD, node/NAME, svc/NAMESPACE/NAME or an address',
  },
  POLICY_PORT_INVALID: {
    what: '"{text}" is no port',
    advice: 'give a port such as 80, 53/UDP, 8 of ICMP as 8/ICMP, or 128/ICMPv6',
  },
  POLICY_LABEL_INVALID: {what: '"{text}" is no label', advice: 'give labels such as app=web or k8s:app=web'},
})

export const {POLICY_END_UNKNOWN, POLICY_FILE_INVALID, POLICY_UNKNOWN} = declareErrors({
  POLICY_END_UNKNOWN: {
    what: 'there is no {kind} {name}',
    advice: 'see kubectl get {kind} -A; a pod without a namespace is looked for in all of them',
  },
  POLICY_FILE_INVALID: {
    what: '{file} holds no policies: {detail}',
    advice: 'give a file with NetworkPolicy or Cilium policies',
  },
  POLICY_UNKNOWN: {what: 'there is no policy {name}', advice: 'see cilium policy list'},
})
