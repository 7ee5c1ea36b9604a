/** Host policies: whom nodes let in, and whom they may talk to. They run alone, for every node is concerned. */

import {needsHostFirewall} from '../../requirements.ts'
import {hostToPod, podToHost} from '../../scenarios/host.ts'
import {ccnp, labels} from '../../workloads/policies.ts'
import {both, type Condition, isFrom, isOnOneNode, isTo, isToOwnNode, not, policyTest} from './words.ts'

const everyNode = {nodeSelector: {}}
/** Everybody who is no pod: nodes, their health, the API server, and the world, which others depend on meanwhile. */
const noPods = ['host', 'remote-node', 'health', 'kube-apiserver', 'ingress', 'unmanaged', 'init', 'world']
/** pods of other namespaces than those of the test */
const elsewhere = (namespace: string) => ({
  matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: 'NotIn', values: [namespace]}],
})

/** With an overlay a pod that talks to another node does so in the name of its own. */
const isSeenAsItself: Condition = (action, context) =>
  context.features.tunnel === undefined || isToOwnNode(action, context)

export const hostPolicies = [
  policyTest({
    name: 'host-firewall-ingress',
    summary: 'nodes that let one client in and not the other',
    requires: [needsHostFirewall],
    sequential: true,
    policies: [
      ccnp('host-firewall-ingress', ({namespace}) => ({
        ...everyNode,
        ingress: [
          {fromEntities: noPods},
          {fromEndpoints: [elsewhere(namespace)]},
          {fromEndpoints: [labels({name: 'client2', 'k8s:io.kubernetes.pod.namespace': namespace})]},
        ],
      })),
    ],
    scenarios: [podToHost],
    deniedWhen: both(not(isFrom('name', 'client2')), isSeenAsItself),
  }),
  policyTest({
    name: 'host-firewall-egress',
    summary: 'nodes that may talk to one echo pod and not to the other, but always to their own',
    requires: [needsHostFirewall],
    sequential: true,
    policies: [
      ccnp('host-firewall-egress', ({namespace}) => ({
        ...everyNode,
        egress: [
          {toEntities: noPods},
          {toEndpoints: [elsewhere(namespace)]},
          {toEndpoints: [labels({name: 'echo-same-node', 'k8s:io.kubernetes.pod.namespace': namespace})]},
        ],
      })),
    ],
    scenarios: [hostToPod],
    deniedWhen: both(isTo('name', 'echo-other-node'), not(isOnOneNode)),
  }),
]
