import {declareErrors} from '../../runtime/errors.ts'

export const {STATUS_EXEC_FAILED, STATUS_EXEC_UNREADABLE, STATUS_UNKNOWN} = declareErrors({
  STATUS_EXEC_FAILED: {
    what: '"{command}" in the agent pod printed nothing (exit code {exitCode}): {detail}',
    advice: "read the agent's log: kubectl -n kube-system logs -l k8s-app=cilium -c cilium-agent",
  },
  STATUS_EXEC_UNREADABLE: {
    what: '"{command}" in the agent pod did not answer with JSON: {detail}',
    advice: 'check that agent and command line have the same version: cilium version',
  },
  STATUS_UNKNOWN: {
    what: 'the state of the network could not be found out: {detail}',
    advice: 'check that the cluster can be reached and that Cilium is installed in namespace {namespace}',
  },
})
