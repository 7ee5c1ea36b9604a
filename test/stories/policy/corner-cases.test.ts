/**
 * Kubernetes' corner cases of NetworkPolicy, each with the test that shows it. Most are stories beside this file; what
 * needs packets, flows or services is shown where those are tested.
 */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'

const root = join(import.meta.dirname, '../../..')
const stories = 'test/stories/policy/network-policy.yaml'

const cases: readonly (readonly [number: number, what: string, file: string, title: string])[] = [
  [1, 'a pod in the network of its node is nobody’s subject', stories, 'a pod in the network of its node is its node'],
  [2, 'nor a peer by its labels', stories, 'a pod in the network of its node is its node'],
  [3, 'a node reaches its own pods', 'test/bpf/verdict.test.ts', 'a node always reaches its own pods'],
  [4, 'another node is judged', stories, 'only the node of the pod is beyond policy, another node is not'],
  [5, 'no policy: all is allowed', stories, 'without a policy everything passes both ways'],
  [6, 'isolation is per direction', stories, 'isolation is per direction'],
  [7, 'policyTypes left out', stories, 'without policyTypes ingress is meant, and egress only when it has rules'],
  [
    8,
    'policyTypes of egress alone',
    stories,
    'an egress policy says nothing about ingress, even when it has ingress rules',
  ],
  [9, 'an empty list of rules', stories, 'an empty list of rules denies everything'],
  [10, 'an empty rule', stories, 'an empty rule allows everything, ICMP and SCTP included'],
  [11, 'an empty list of peers', stories, 'an empty list of peers is every peer, an empty list of ports every port'],
  [12, 'an empty list of ports', stories, 'an empty list of peers is every peer, an empty list of ports every port'],
  [13, 'the empty pod selector', stories, "the empty pod selector is every pod of the policy's namespace and no other"],
  [14, 'a pod selector alone', stories, "a pod selector alone means the policy's own namespace"],
  [
    15,
    'a namespace selector alone',
    stories,
    'a namespace selector alone means all pods of those namespaces, and nobody outside',
  ],
  [16, 'both in one peer', stories, 'both selectors in one peer must match'],
  [
    17,
    'the empty namespace selector',
    stories,
    'a namespace selector alone means all pods of those namespaces, and nobody outside',
  ],
  [18, 'ipBlock', stories, 'a prefix matches whatever has an address in it, pods and nodes too'],
  [19, 'its exceptions', stories, 'an exception takes away from its own item only'],
  [20, 'IPv4 is not IPv6', stories, 'all of IPv4 is not IPv6'],
  [21, 'a port without protocol', stories, 'a port without a protocol is TCP, a protocol without a port all its ports'],
  [22, 'a protocol without port', stories, 'a port without a protocol is TCP, a protocol without a port all its ports'],
  [23, 'a port name on the way in', stories, "a port name is the selected pod's own on the way in"],
  [24, 'and on the way out', stories, "and the peer's on the way out, also where pods of one identity differ"],
  [25, 'endPort', stories, 'a range of ports is inclusive at both ends'],
  [26, 'SCTP', stories, 'SCTP has ports of its own'],
  [27, 'ICMP', stories, 'ICMP is allowed by rules without ports alone'],
  [
    27,
    'errors about what is allowed',
    'test/bpf/icmp-error.test.ts',
    'related errors pass whatever the rules say about ICMP, but not when the flow itself may not',
  ],
  [28, 'replies', 'test/bpf/verdict.test.ts', "replies are not judged by the answerer's egress set"],
  [29, 'after the service', 'test/bpf/service.test.ts', 'policy judges the backend, not the service'],
  [
    30,
    'a pod and itself',
    'test/bpf/service.test.ts',
    'a pod that reaches itself sees the loopback address, whatever its policy says',
  ],
  [31, 'policies add up', stories, 'policies add up'],
  [
    32,
    'labels that change',
    'test/bpf/policy-life.test.ts',
    'a peer that was relabelled is judged by its new labels, and by the old ones when it gets them back',
  ],
  [
    33,
    'an address that another pod has by now',
    'test/bpf/policy-life.test.ts',
    'an address that another pod got is that pod',
  ],
  [
    34,
    'a source that is translated',
    'test/bpf/service.test.ts',
    'a backend on another node itself, or outside, sees the node as the client',
  ],
  [35, 'clients of a NodePort', 'test/bpf/nodeport.test.ts', 'policy judges the client'],
  [36, 'DNS', stories, 'DNS is not excepted from isolation'],
  [37, 'the name of a namespace', stories, 'a namespace is known by the label with its name'],
  [
    38,
    'no status',
    'test/unit/agent/reconcile/policy-refusals.test.ts',
    'a NetworkPolicy has no status: its event is all there is',
  ],
]

test('every corner case has a number', () => {
  expect([...new Set(cases.map(([number]) => number))]).toEqual(Array.from({length: 38}, (_, n) => n + 1))
})

test.each(cases)('%i: %s', (_number, _what, file, title) => {
  expect(readFileSync(join(root, file), 'utf8').replaceAll('’', "'")).toContain(title.replaceAll('’', "'"))
})
