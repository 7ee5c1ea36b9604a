/** Policies for every pod of the namespace, and those that speak of entities. */
import {hostToPod, podToHost, podToHostPort} from '../../scenarios/host.ts'
import {clientToClient, podToPod} from '../../scenarios/pod-to-pod.ts'
import {podToService} from '../../scenarios/service.ts'
import {podToCidr, podToWorld} from '../../scenarios/world.ts'
import {cnp, knp, labels, tcpPorts, toDns} from '../../workloads/policies.ts'
import {always, isOnOneNode, isToOwnNode, isToWorld, not, policyTest} from './words.ts'

const everyPod = {endpointSelector: {}}
const clients = {endpointSelector: labels({kind: 'client'})}

const worldPorts = (last?: number) => [...tcpPorts(80, last), ...tcpPorts(443)]

export const allPolicies = [
  policyTest({
    name: 'allow-all-except-world',
    summary: 'a policy that allows the cluster leaves everything in it open, and the world closed',
    policies: [
      cnp('allow-all-except-world', {
        ...everyPod,
        ingress: [{fromEntities: ['cluster']}],
        egress: [{toEntities: ['cluster']}],
      }),
    ],
    scenarios: [podToPod, clientToClient, podToService, podToHostPort, podToHost, hostToPod, podToCidr],
    deniedWhen: (action, context) => isToWorld(action, context) && !action.to.name.startsWith('service '),
  }),
  policyTest({
    name: 'all-ingress-deny',
    summary: 'an empty rule isolates pods from one another, and leaves the way out open',
    policies: [cnp('all-ingress-deny', {...everyPod, ingress: [{}]})],
    scenarios: [podToPod, podToCidr],
    deniedWhen: not(isToWorld),
  }),
  policyTest({
    name: 'all-ingress-deny-knp',
    summary: 'the same by a NetworkPolicy without rules',
    policies: [knp('all-ingress-deny-knp', {podSelector: {}, policyTypes: ['Ingress']})],
    scenarios: [podToPod, podToCidr],
    deniedWhen: not(isToWorld),
  }),
  policyTest({
    name: 'all-egress-deny',
    summary: 'nobody gets out: to no pod, no name, no address',
    policies: [cnp('all-egress-deny', {...everyPod, egress: [{}]})],
    scenarios: [podToPod, podToWorld, podToCidr],
    deniedWhen: always,
  }),
  policyTest({
    name: 'all-egress-deny-knp',
    summary: 'the same by a NetworkPolicy without rules',
    policies: [knp('all-egress-deny-knp', {podSelector: {}, policyTypes: ['Egress']})],
    scenarios: [podToPod, podToWorld, podToCidr],
    deniedWhen: always,
  }),
  policyTest({
    name: 'all-entities-deny',
    summary: 'a deny of everybody, in both directions',
    policies: [
      cnp('all-entities-deny', {
        ...everyPod,
        ingressDeny: [{fromEntities: ['all']}],
        egressDeny: [{toEntities: ['all']}],
      }),
    ],
    scenarios: [podToPod, podToCidr],
    deniedWhen: always,
  }),
  policyTest({
    name: 'cluster-entity',
    summary: 'clients that may talk to the cluster reach its pods and nobody else',
    policies: [cnp('cluster-entity', {...clients, egress: [{toEntities: ['cluster']}]})],
    scenarios: [podToPod, podToCidr],
    deniedWhen: isToWorld,
  }),
  policyTest({
    name: 'host-entity-egress',
    summary: 'clients that may talk to the host reach their own node and no other',
    policies: [cnp('host-entity-egress', {...clients, egress: [{toEntities: ['host']}]})],
    scenarios: [podToHost],
    deniedWhen: not(isToOwnNode),
  }),
  policyTest({
    name: 'host-entity-ingress',
    summary: 'pods that nobody may talk to but the host are reached by their own node alone',
    policies: [cnp('host-entity-ingress', {...everyPod, ingress: [{fromEntities: ['host']}]})],
    scenarios: [hostToPod],
    deniedWhen: not(isOnOneNode),
  }),
  ...[undefined, 4096].map((last) =>
    policyTest({
      name: `to-entities-world${last === undefined ? '' : '-port-range'}`,
      summary: `clients that may talk to the world${last === undefined ? '' : ', by a range of ports,'} reach no pod`,
      policies: [
        cnp('to-entities-world', {...clients, egress: [{toEntities: ['world'], toPorts: worldPorts(last)}, toDns]}),
      ],
      scenarios: [podToWorld, podToCidr, podToPod],
      deniedWhen: not(isToWorld),
    }),
  ),
]
