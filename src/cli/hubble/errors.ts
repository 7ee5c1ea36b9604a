import {declareErrors} from '../../runtime/errors.ts'
import {declareUsageErrors} from '../errors.ts'

export const {
  HUBBLE_UNREACHABLE,
  HUBBLE_TLS_MISMATCH,
  HUBBLE_NOT_SERVING,
  HUBBLE_UNIMPLEMENTED,
  HUBBLE_REFUSED,
  HUBBLE_INPUT_INVALID,
  HUBBLE_SERVICE_MISSING,
  HUBBLE_SERVICE_EMPTY,
  HUBBLE_RELAY_SECRET,
} = declareErrors({
  HUBBLE_UNREACHABLE: {
    what: 'nobody answers at {server}: {detail}',
    advice: 'add -P to forward the relay\'s port, run "cilium hubble port-forward" beside, or give --server',
  },
  HUBBLE_TLS_MISMATCH: {
    what: '{server} and this program do not agree about TLS: {detail}',
    advice: 'add --tls with --tls-ca-cert-files, or leave it out for a server without TLS',
  },
  HUBBLE_NOT_SERVING: {
    what: '{server} says of itself that it cannot be asked',
    advice: 'look at the logs of hubble-relay and cilium',
  },
  HUBBLE_UNIMPLEMENTED: {
    what: '{server} does not offer this: {detail}',
    advice:
      'agent events are known to the nodes (--server unix:///var/run/cilium/hubble.sock in the agent), nodes to the relay',
  },
  HUBBLE_REFUSED: {what: '{server} refuses: {detail}', advice: 'correct the filters or flags that it names'},
  HUBBLE_INPUT_INVALID: {
    what: 'line {line} of {file} is no flow: {detail}',
    advice: 'give lines as "hubble observe -o json" prints them',
  },
  HUBBLE_SERVICE_MISSING: {
    what: 'there is no Service {service} in the namespace {namespace}',
    advice: 'run "{enable}", or give the namespace of Cilium',
  },
  HUBBLE_SERVICE_EMPTY: {
    what: 'no pod of {service} is ready in the namespace {namespace}',
    advice: 'see "cilium status" and the logs of {service}',
  },
  HUBBLE_RELAY_SECRET: {
    what: 'the relay speaks TLS, and its authority cannot be had from the Secret {namespace}/{secret}: {detail}',
    advice:
      'give --tls-ca-cert-files, or ask for the right to read that Secret; policy commands take flows from --input-file, too',
  },
})

export const {HUBBLE_FLAGS_CONFLICT, HUBBLE_FLAG_VALUE, HUBBLE_TLS_REQUIRED} = declareUsageErrors({
  HUBBLE_FLAGS_CONFLICT: {what: '{flags} cannot be combined', advice: 'leave one of them out'},
  HUBBLE_FLAG_VALUE: {what: '--{flag}: {detail}', advice: 'give {expected}'},
  HUBBLE_TLS_REQUIRED: {
    what: 'transport layer security required: {detail}',
    advice: 'add --tls, or write --server tls://HOST:PORT',
  },
})
