/** A deny beats every allow, wherever that stands. */
import {clientToClient, podToPod} from '../../scenarios/pod-to-pod.ts'
import {podToCidr} from '../../scenarios/world.ts'
import type {TestContext} from '../../test.ts'
import type {KubernetesObject} from '../../test-cluster.ts'
import {cnp, echoRequests, labels, tcpPorts} from '../../workloads/policies.ts'
import {account, excepted, hostPrefix, ranges, twin} from './egress.ts'
import {always, both, isFrom, isTo, isToAddress, policyTest} from './words.ts'

const clients = labels({kind: 'client'})
const echoes = labels({kind: 'echo'})
const otherClient = labels({other: 'client'})
const near = labels({name: 'echo-same-node'})
const toNear = isTo('name', 'echo-same-node')
const expression = (key: string, value: string) => ({matchExpressions: [{key, operator: 'In', values: [value]}]})

const allowIn = {ingress: [{fromEntities: ['all']}]}
const allowOut = {egress: [{toEntities: ['all']}]}

/** Everything outside but the excepted addresses is denied. */
const outsideBut = ({external}: TestContext) => [{cidr: hostPrefix(external.ip)}, {cidr: hostPrefix(external.ipv6)}]
const toFirst = isToAddress(({external}) => [external.ip, external.ipv6])

const cidrGroup =
  (name: string) =>
  (context: TestContext): KubernetesObject => ({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumCIDRGroup',
    metadata: {name: `${context.namespace}-${name}`, labels: {purpose: `${context.namespace}-${name}`}},
    spec: {externalCIDRs: outsideBut(context).map(({cidr}) => cidr)},
  })

export const denyPolicies = [
  policyTest({
    name: 'echo-ingress-from-other-client-deny',
    summary: 'of those whom a rule allows, one is denied',
    policies: [
      cnp('echo-allow', {endpointSelector: echoes, ingress: [{fromEndpoints: [clients]}]}),
      cnp('echo-deny', {
        endpointSelector: echoes,
        ingressDeny: [{fromEndpoints: [otherClient], toPorts: tcpPorts(8080)}],
      }),
    ],
    scenarios: [podToPod],
    deniedWhen: isFrom('other', 'client'),
  }),
  policyTest({
    name: 'client-ingress-from-other-client-icmp-deny',
    summary: 'echo requests of one client are denied by their type',
    policies: [
      cnp('client-icmp-deny', {
        endpointSelector: clients,
        ...allowIn,
        ingressDeny: [{fromEndpoints: [otherClient], icmps: echoRequests}],
      }),
    ],
    scenarios: [clientToClient],
    deniedWhen: isFrom('other', 'client'),
  }),
  policyTest({
    name: 'client-ingress-to-echo-named-port-deny',
    summary: 'a deny by the name of a port',
    policies: [
      cnp('named-port-deny', {
        endpointSelector: echoes,
        ...allowIn,
        ingressDeny: [{fromEndpoints: [otherClient], toPorts: tcpPorts('http-8080')}],
      }),
    ],
    scenarios: [podToPod],
    deniedWhen: isFrom('other', 'client'),
  }),
  ...ranges.flatMap((last) => [
    policyTest({
      name: twin('client-egress-to-echo-deny', last),
      summary: 'clients that may reach everybody are denied one echo pod',
      policies: [
        cnp('client-egress-deny', {
          endpointSelector: clients,
          ...allowOut,
          egressDeny: [{toEndpoints: [near], toPorts: tcpPorts(8080, last)}],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: toNear,
    }),
    policyTest({
      name: twin('client-egress-to-echo-expression-deny', last),
      summary: 'the same by expressions over labels',
      policies: [
        cnp('client-egress-expression-deny', {
          endpointSelector: expression('kind', 'client'),
          ...allowOut,
          egressDeny: [{toEndpoints: [expression('name', 'echo-same-node')], toPorts: tcpPorts(8080, last)}],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: toNear,
    }),
    policyTest({
      name: twin('client-with-service-account-egress-to-echo-deny', last),
      summary: 'the pods of a service account are denied one echo pod',
      policies: [
        cnp('service-account-deny', {
          endpointSelector: account('client2'),
          ...allowOut,
          egressDeny: [{toEndpoints: [near], toPorts: tcpPorts(8080, last)}],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: both(isFrom('name', 'client2'), toNear),
    }),
    policyTest({
      name: twin('client-egress-to-echo-service-account-deny', last),
      summary: 'clients are denied the pods of a service account',
      policies: [
        cnp('to-service-account-deny', {
          endpointSelector: clients,
          ...allowOut,
          egressDeny: [{toEndpoints: [account('echo-same-node')], toPorts: tcpPorts(8080, last)}],
        }),
      ],
      scenarios: [podToPod],
      deniedWhen: toNear,
    }),
  ]),
  policyTest({
    name: 'client-egress-to-cidr-deny',
    summary: 'of the outside one address is denied',
    policies: [
      (context) =>
        cnp('cidr-deny', {
          endpointSelector: clients,
          egress: [{toCIDR: ['0.0.0.0/0', '::/0']}],
          egressDeny: [{toCIDRSet: outsideBut(context)}],
        })(context),
    ],
    scenarios: [podToCidr],
    deniedWhen: toFirst,
  }),
  policyTest({
    name: 'client-egress-to-cidr-deny-default',
    summary: 'a deny isolates, too: what no rule allows is denied beside it',
    policies: [
      (context) =>
        cnp('cidr-deny-default', {
          endpointSelector: clients,
          egressDeny: [{toCIDRSet: outsideBut(context)}],
        })(context),
    ],
    scenarios: [podToCidr],
    deniedWhen: always,
  }),
  policyTest({
    name: 'client-egress-to-cidrgroup-deny',
    summary: 'prefixes of a group, named by the policy, are denied',
    policies: [
      cidrGroup('by-name'),
      (context) =>
        cnp('cidrgroup-deny', {
          endpointSelector: clients,
          egress: [{toCIDR: ['0.0.0.0/0', '::/0']}],
          egressDeny: [{toCIDRSet: [{cidrGroupRef: `${context.namespace}-by-name`}]}],
        })(context),
    ],
    scenarios: [podToCidr],
    deniedWhen: toFirst,
  }),
  policyTest({
    name: 'client-egress-to-cidrgroup-deny-by-label',
    summary: 'prefixes of groups that a label chooses are denied',
    policies: [
      cidrGroup('by-label'),
      (context) =>
        cnp('cidrgroup-deny-by-label', {
          endpointSelector: clients,
          egress: [{toCIDR: ['0.0.0.0/0', '::/0']}],
          egressDeny: [{toCIDRSet: [{cidrGroupSelector: labels({purpose: `${context.namespace}-by-label`})}]}],
        })(context),
    ],
    scenarios: [podToCidr],
    deniedWhen: both(toFirst, (action, context) => !isToAddress(excepted)(action, context)),
  }),
]
