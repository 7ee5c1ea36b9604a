import {declareErrors} from '../../runtime/errors.ts'
import {declareUsageErrors} from '../errors.ts'

export const {
  AGENT_UNREACHABLE,
  AGENT_REFUSED,
  AGENT_NOT_FOUND,
  AGENT_UNREADABLE,
  AGENT_UNHEALTHY,
  ENDPOINT_UNKNOWN,
  POLICY_WAIT_TIMEOUT,
} = declareErrors({
  AGENT_UNREACHABLE: {
    what: 'cilium: daemon unreachable at {host}: {detail}',
    advice: 'run this in the agent pod of a node, or name its socket with -H; "cilium-dbg bpf" works without an agent',
  },
  AGENT_REFUSED: {
    what: 'the agent answered {path} with {status}: {detail}',
    advice: "the agent's log says more",
  },
  AGENT_NOT_FOUND: {what: '{what} is not known to the agent', advice: '{advice}'},
  AGENT_UNREADABLE: {
    what: 'the answer of the agent to {path} cannot be read: {detail}',
    advice: 'check that this program and the agent have the same version: cilium-dbg version',
  },
  AGENT_UNHEALTHY: {what: '{detail}', advice: 'cilium-dbg status --verbose'},
  ENDPOINT_UNKNOWN: {what: 'the datapath has no endpoint {id}', advice: 'see cilium-dbg bpf policy list'},
  POLICY_WAIT_TIMEOUT: {
    what: 'endpoints {endpoints} have not reached policy revision {revision} in time',
    advice: 'see cilium-dbg endpoint list and the log of the agent',
  },
})

export const {ENDPOINT_ID_INVALID, OPTION_INVALID, HOST_INVALID} = declareUsageErrors({
  ENDPOINT_ID_INVALID: {
    what: '"{id}" names no endpoint',
    advice: 'give its number as in "cilium-dbg endpoint list", or prefix:id such as pod-name:NAMESPACE:POD',
  },
  OPTION_INVALID: {what: '"{text}" is not an option with a value', advice: 'write OPTION=VALUE, such as Debug=true'},
  HOST_INVALID: {what: '"{host}" is no address of an agent', advice: 'write unix:///PATH or tcp://HOST:PORT'},
})
