/** Who may reach whom, said by the receiver. */

import {needsOutsideAddress} from '../../requirements.ts'
import {outsideToPod} from '../../scenarios/outside.ts'
import {clientToClient, podToPod} from '../../scenarios/pod-to-pod.ts'
import type {TestContext} from '../../test.ts'
import {cnp, echoRequests, knp, labels, tcpPorts} from '../../workloads/policies.ts'
import {always, isFrom, isTo, not, policyTest} from './words.ts'

const otherClient = labels({other: 'client'})
const echoes = labels({kind: 'echo'})
const clients = labels({kind: 'client'})
const fromOtherClient = isFrom('other', 'client')

const echoIngress = cnp('echo-ingress', {
  endpointSelector: echoes,
  ingress: [{fromEndpoints: [otherClient], toPorts: tcpPorts(8080)}],
})

export const ingressPolicies = [
  policyTest({
    name: 'echo-ingress',
    summary: 'echo pods are reached by the client that a label names',
    policies: [echoIngress],
    scenarios: [podToPod],
    deniedWhen: not(fromOtherClient),
  }),
  policyTest({
    name: 'echo-ingress-knp',
    summary: 'the same by a NetworkPolicy',
    policies: [
      knp('echo-ingress-knp', {
        podSelector: echoes,
        ingress: [{from: [{podSelector: otherClient}], ports: [{port: 8080, protocol: 'TCP'}]}],
      }),
    ],
    scenarios: [podToPod],
    deniedWhen: not(fromOtherClient),
  }),
  policyTest({
    name: 'client-ingress',
    summary: 'one client is reached by the other, and none but that',
    policies: [cnp('client-ingress', {endpointSelector: clients, ingress: [{fromEndpoints: [otherClient]}]})],
    scenarios: [clientToClient],
    deniedWhen: not(fromOtherClient),
  }),
  policyTest({
    name: 'client-ingress-knp',
    summary: 'the same by a NetworkPolicy',
    policies: [knp('client-ingress-knp', {podSelector: clients, ingress: [{from: [{podSelector: otherClient}]}]})],
    scenarios: [clientToClient],
    deniedWhen: not(fromOtherClient),
  }),
  policyTest({
    name: 'client-ingress-icmp',
    summary: 'echo requests are allowed by their type',
    policies: [
      cnp('client-ingress-icmp', {
        endpointSelector: clients,
        ingress: [{fromEndpoints: [otherClient], icmps: echoRequests}],
      }),
    ],
    scenarios: [clientToClient],
    deniedWhen: not(fromOtherClient),
  }),
]

const outsideCidrs = ({outside}: TestContext) =>
  Object.values(outside?.addresses ?? {})
    .filter((address) => address !== '')
    .map((address) => `${address}/${address.includes(':') ? 128 : 32}`)

/** These run alone: meanwhile the outside knows the way to pods. */
export const fromOutsidePolicies = [
  policyTest({
    name: 'all-ingress-deny-from-outside',
    summary: 'isolated pods are not reached from outside',
    sequential: true,
    policies: [cnp('all-ingress-deny-from-outside', {endpointSelector: {}, ingress: [{}]})],
    scenarios: [outsideToPod],
    deniedWhen: always,
  }),
  policyTest({
    name: 'echo-ingress-from-outside',
    summary: 'a rule for a client does not let the outside in',
    sequential: true,
    policies: [echoIngress],
    scenarios: [outsideToPod],
    deniedWhen: isTo('kind', 'echo'),
  }),
  policyTest({
    name: 'from-cidr-host-netns',
    summary: 'a prefix lets the machine outside in that has an address of it',
    sequential: true,
    requires: [needsOutsideAddress],
    policies: [
      (context) => cnp('from-cidr', {endpointSelector: echoes, ingress: [{fromCIDR: outsideCidrs(context)}]})(context),
    ],
    scenarios: [outsideToPod, podToPod],
    deniedWhen: ({from}) => from.name !== 'outside',
  }),
]
