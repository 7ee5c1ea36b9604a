/** Who may reach whom, said by the sender. */

import {needsCidrMatchesNodes} from '../../requirements.ts'
import {podToHost} from '../../scenarios/host.ts'
import {podToPod} from '../../scenarios/pod-to-pod.ts'
import {podToCidr} from '../../scenarios/world.ts'
import type {TestContext} from '../../test.ts'
import {cnp, knp, labels, tcpPorts} from '../../workloads/policies.ts'
import {both, isFrom, isTo, isToAddress, isToOwnNode, not, policyTest} from './words.ts'

const clients = labels({kind: 'client'})
const near = labels({name: 'echo-same-node'})
const toNear = isTo('name', 'echo-same-node')
const expression = (key: string, value: string) => ({matchExpressions: [{key, operator: 'In', values: [value]}]})
/** a label that service accounts give to their pods */
export const account = (name: string) => labels({'io.cilium.k8s.policy.serviceaccount': name})

/** The last port of the range twins; undefined: one port. */
export const ranges = [undefined, 8090] as const
export const twin = (name: string, last: number | undefined) => (last === undefined ? name : `${name}-port-range`)

export const egressPolicies = [
  policyTest({
    name: 'client-egress',
    summary: 'clients reach the echo pod that they may, and no other',
    policies: [
      cnp('client-egress', {endpointSelector: clients, egress: [{toEndpoints: [near], toPorts: tcpPorts(8080)}]}),
    ],
    scenarios: [podToPod],
    deniedWhen: not(toNear),
  }),
  policyTest({
    name: 'client-egress-knp',
    summary: 'the same by a NetworkPolicy',
    policies: [
      knp('client-egress-knp', {
        podSelector: clients,
        policyTypes: ['Egress'],
        egress: [{to: [{podSelector: near}], ports: [{port: 8080, protocol: 'TCP'}]}],
      }),
    ],
    scenarios: [podToPod],
    deniedWhen: not(toNear),
  }),
  ...ranges.flatMap((last) => [
    policyTest({
      name: twin('client-egress-expression', last),
      summary: 'expressions over labels choose both ends',
      policies: [
        cnp('client-egress-expression', {
          endpointSelector: expression('kind', 'client'),
          egress: [{toEndpoints: [expression('name', 'echo-same-node')], toPorts: tcpPorts(8080, last)}],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: not(toNear),
    }),
    policyTest({
      name: twin('client-egress-expression-knp', last),
      summary: 'the same by a NetworkPolicy',
      policies: [
        knp('client-egress-expression-knp', {
          podSelector: expression('kind', 'client'),
          policyTypes: ['Egress'],
          egress: [
            {
              to: [{podSelector: expression('name', 'echo-same-node')}],
              ports: [{port: 8080, protocol: 'TCP', ...(last === undefined ? {} : {endPort: last})}],
            },
          ],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: not(toNear),
    }),
    policyTest({
      name: twin('client-with-service-account-egress-to-echo', last),
      summary: 'a policy is for the pods of a service account',
      policies: [
        cnp('client-with-service-account', {
          endpointSelector: account('client2'),
          egress: [{toEndpoints: [near], toPorts: tcpPorts(8080, last)}],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: both(isFrom('name', 'client2'), not(toNear)),
    }),
    policyTest({
      name: twin('client-egress-to-echo-service-account', last),
      summary: 'clients reach the pods of a service account',
      policies: [
        cnp('client-egress-service-account', {
          endpointSelector: clients,
          egress: [{toEndpoints: [account('echo-same-node')], toPorts: tcpPorts(8080, last)}],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: not(toNear),
    }),
  ]),
]

/** Outside addresses that the exceptions of prefixes name. */
export const excepted = ({external}: TestContext) => [external.otherIp, external.otherIpv6]
export const hostPrefix = (address: string) => `${address}/${address.includes(':') ? 128 : 32}`
/** Everything but the excepted addresses. */
export const allButExcepted = ({external}: TestContext) => [
  {cidr: '0.0.0.0/0', except: [hostPrefix(external.otherIp)]},
  {cidr: '::/0', except: [hostPrefix(external.otherIpv6)]},
]

const nodeCidrs = ({nodes}: TestContext) =>
  nodes.flatMap(({status}) =>
    (status.addresses ?? []).filter(({type}) => type === 'InternalIP').map(({address}) => hostPrefix(address)),
  )

export const cidrPolicies = [
  policyTest({
    name: 'to-cidr-external',
    summary: 'a prefix with an exception: addresses outside, but not that one, and no pod',
    policies: [
      (context) => cnp('to-cidr', {endpointSelector: clients, egress: [{toCIDRSet: allButExcepted(context)}]})(context),
    ],
    scenarios: [podToCidr, podToPod],
    deniedWhen: (action, context) => action.to.peer !== undefined || isToAddress(excepted)(action, context),
  }),
  policyTest({
    name: 'to-cidr-external-knp',
    summary: 'the same by ipBlock, which means pods, too',
    policies: [
      (context) =>
        knp('to-cidr-knp', {
          podSelector: clients,
          policyTypes: ['Egress'],
          egress: [{to: allButExcepted(context).map((ipBlock) => ({ipBlock}))}],
        })(context),
    ],
    scenarios: [podToCidr, podToPod],
    deniedWhen: isToAddress(excepted),
  }),
  policyTest({
    name: 'pod-to-node-cidrpolicy',
    summary: 'prefixes mean nodes where that is configured',
    requires: [needsCidrMatchesNodes],
    policies: [
      (context) => cnp('to-node-cidr', {endpointSelector: clients, egress: [{toCIDR: nodeCidrs(context)}]})(context),
    ],
    scenarios: [podToHost, podToPod],
    deniedWhen: (action, context) => !isToOwnNode(action, context) && action.to.peer?.labels?.['kind'] === 'echo',
  }),
]
