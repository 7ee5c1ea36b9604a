import {declareErrors} from '../../runtime/errors.ts'
import {declareUsageErrors} from '../errors.ts'

export const {TEST_PATTERN_INVALID, TEST_UNKNOWN, TEST_FLAG_INVALID} = declareUsageErrors({
  TEST_PATTERN_INVALID: {
    what: '--test {pattern} is no regular expression: {reason}',
    advice: "write it like --test '/pod-to-cidr' or --test '!health'",
  },
  TEST_UNKNOWN: {what: 'no test matches {patterns}', advice: '{hint}'},
  TEST_FLAG_INVALID: {what: '--{flag} {text} cannot be read', advice: '{advice}'},
})

export const {
  TEST_AGENTS_MISSING,
  TEST_WORKLOAD_STUCK,
  TEST_NAMESPACE_FOREIGN,
  TEST_TIMED_OUT,
  TEST_CLEANUP_STUCK,
  TEST_FAMILIES_NONE,
  TEST_PROBE_FAILED,
  TEST_EXEC_TIMED_OUT,
  TEST_POLICY_LATE,
} = declareErrors({
  TEST_AGENTS_MISSING: {
    what: 'no agent runs in namespace {namespace}',
    advice: 'install the network first, and wait for it: cilium status --wait -n {namespace}',
  },
  TEST_WORKLOAD_STUCK: {what: '{workload} did not become ready in {waited}: {reason}', advice: '{advice}'},
  TEST_NAMESPACE_FOREIGN: {
    what: 'namespace {namespace} exists and was not made by this test',
    advice: 'name another one with --test-namespace',
  },
  TEST_TIMED_OUT: {
    what: 'the suite did not end in {timeout}',
    advice: 'raise --timeout, or choose fewer tests with --test',
  },
  TEST_CLEANUP_STUCK: {
    what: 'namespace {namespace} was not gone after {waited}',
    advice: 'look at what keeps it: kubectl get namespace {namespace} -o yaml',
  },
  TEST_EXEC_TIMED_OUT: {
    what: '{command} in {pod} did not end in {timeoutMs} ms',
    advice: 'check the kubelet of that node: kubectl exec into the pod by hand',
  },
  TEST_POLICY_LATE: {
    what: 'node {node} did not take {policies} after {waited}',
    advice: 'look at the agent of that node: cilium-dbg policy get, cilium-dbg status',
  },
  TEST_PROBE_FAILED: {what: '"{command}" in {pod} failed: {detail}', advice: 'run it by hand in that pod to see more'},
  TEST_FAMILIES_NONE: {
    what: 'the network has none of the address families {families}',
    advice: 'choose among those it has with --ip-families',
  },
})
