/** All state of the agent between reflectors, engines and reconcilers. Every table can be printed (`dump`). */
import {Table} from '../../runtime/table.ts'
import type {L2PolicyRow} from '../l2/policy.ts'
import {
  type CidrGroupRow,
  type PolicyRow,
  type PolicyRuleRow,
  type PolicyServiceRow,
  policyKey,
} from '../policy/rows.ts'
import type {LocalRedirectRow} from '../service/local-redirect.ts'
import {type EndpointSliceRow, type FrontendRow, type ServiceRow, sameFrontend} from '../service/rows.ts'
import type {
  AddressRow,
  DeviceRow,
  EndpointRow,
  IdentityRow,
  LocalNodeRow,
  NamespaceRow,
  NodeRow,
  OwnNodeRow,
  PodRow,
  ProbeRow,
  RemoteEndpointRow,
  RouteRow,
} from './rows.ts'

export interface Tables {
  readonly pods: Table<PodRow, 'uid'>
  readonly namespaces: Table<NamespaceRow>
  readonly identities: Table<IdentityRow, 'labels'>
  /** of nodes that are told apart by labels: local numbers, and what 1 stands for */
  readonly nodeIdentities: Table<IdentityRow>
  readonly nodes: Table<NodeRow>
  readonly localNode: Table<LocalNodeRow>
  readonly ownNode: Table<OwnNodeRow>
  readonly remoteEndpoints: Table<RemoteEndpointRow>
  readonly addresses: Table<AddressRow>
  readonly endpoints: Table<EndpointRow, 'attachment' | 'container' | 'pod' | 'ip' | 'netns'>
  readonly routes: Table<RouteRow>
  readonly devices: Table<DeviceRow>
  readonly probes: Table<ProbeRow>
  readonly services: Table<ServiceRow>
  readonly endpointSlices: Table<EndpointSliceRow, 'service'>
  readonly frontends: Table<FrontendRow, 'service'>
  readonly policies: Table<PolicyRow>
  readonly cidrGroups: Table<CidrGroupRow>
  readonly policyServices: Table<PolicyServiceRow>
  readonly policyRules: Table<PolicyRuleRow>
  readonly l2Policies: Table<L2PolicyRow>
  readonly localRedirects: Table<LocalRedirectRow>
}

/** Empty tables. Those that Kubernetes feeds wait for their source, named by kind. */
export function createTables(): Tables {
  return {
    pods: new Table<PodRow, 'uid'>({
      name: 'pods',
      key: (pod) => `${pod.namespace}/${pod.name}`,
      indexes: {uid: (pod) => [pod.uid]},
      equal: sameJson,
      sources: ['pods'],
    }),
    namespaces: new Table<NamespaceRow>({
      name: 'namespaces',
      key: (namespace) => namespace.name,
      equal: sameJson,
      sources: ['namespaces'],
    }),
    identities: new Table<IdentityRow, 'labels'>({
      name: 'identities',
      key: (identity) => String(identity.id),
      indexes: {labels: (identity) => [identity.labels.canonical]},
      equal: (a, b) => a.id === b.id && a.marked === b.marked && a.labels.equals(b.labels),
      sources: ['ciliumidentities'],
    }),
    nodeIdentities: new Table<IdentityRow>({
      name: 'node-identities',
      key: (identity) => String(identity.id),
      equal: (a, b) => a.id === b.id && a.labels.equals(b.labels),
    }),
    nodes: new Table<NodeRow>({
      name: 'nodes',
      key: (node) => node.name,
      equal: sameJson,
      sources: ['ciliumnodes'],
    }),
    localNode: new Table<LocalNodeRow>({
      name: 'local-node',
      key: (node) => node.name,
      equal: sameJson,
      sources: ['node'],
    }),
    ownNode: new Table<OwnNodeRow>({name: 'own-node', key: (node) => node.name, equal: sameJson}),
    remoteEndpoints: new Table<RemoteEndpointRow>({
      name: 'remote-endpoints',
      key: (endpoint) => `${endpoint.namespace}/${endpoint.name}`,
      equal: sameJson,
      sources: ['ciliumendpoints'],
    }),
    addresses: new Table<AddressRow>({
      name: 'addresses',
      key: (address) => address.cidr.toString(),
      equal: sameAddress,
      sources: ['cluster'],
    }),
    endpoints: new Table<EndpointRow, 'attachment' | 'container' | 'pod' | 'ip' | 'netns'>({
      name: 'endpoints',
      key: (endpoint) => String(endpoint.id),
      indexes: {
        attachment: (endpoint) => [`${endpoint.containerId}:${endpoint.ifname}`],
        container: (endpoint) => [endpoint.containerId],
        pod: (endpoint) => [`${endpoint.namespace}/${endpoint.pod}`],
        ip: (endpoint) => [endpoint.ipv4, endpoint.ipv6].filter((ip) => ip !== undefined).map(String),
        netns: (endpoint) => [endpoint.netns],
      },
      sources: ['disk'],
    }),
    routes: new Table<RouteRow>({
      name: 'routes',
      key: (route) => route.destination.toString(),
      equal: sameJson,
      sources: ['nodes', 'endpoints'],
    }),
    devices: new Table<DeviceRow>({name: 'devices', key: (device) => device.name, equal: sameJson}),
    probes: new Table<ProbeRow>({
      name: 'probes',
      key: (probe) => `${probe.node} ${probe.kind} ${probe.ip} ${probe.protocol}`,
    }),
    services: new Table<ServiceRow>({
      name: 'services',
      key: (service) => `${service.namespace}/${service.name}`,
      equal: sameJson,
      sources: ['services'],
    }),
    endpointSlices: new Table<EndpointSliceRow, 'service'>({
      name: 'endpoint-slices',
      key: (slice) => `${slice.namespace}/${slice.name}`,
      indexes: {service: (slice) => [slice.service]},
      equal: sameJson,
      sources: ['endpointslices'],
    }),
    frontends: new Table<FrontendRow, 'service'>({
      name: 'frontends',
      key: (frontend) => frontend.key,
      indexes: {service: (frontend) => [`${frontend.namespace}/${frontend.name}`]},
      equal: sameFrontend,
      sources: ['services'],
    }),
    policies: new Table<PolicyRow>({
      name: 'policies',
      key: policyKey,
      equal: (a, b) => a.uid === b.uid && a.resourceVersion === b.resourceVersion && a.content === b.content,
      sources: ['networkpolicies', 'ciliumnetworkpolicies', 'ciliumclusterwidenetworkpolicies'],
    }),
    cidrGroups: new Table<CidrGroupRow>({
      name: 'cidr-groups',
      key: (group) => group.name,
      equal: sameJson,
      sources: ['ciliumcidrgroups'],
    }),
    policyServices: new Table<PolicyServiceRow>({
      name: 'policy-services',
      key: (service) => `${service.namespace}/${service.name}`,
      equal: sameJson,
      sources: ['services'],
    }),
    policyRules: new Table<PolicyRuleRow>({
      name: 'policy-rules',
      key: (rule) => String(rule.cookie),
      equal: sameJson,
    }),
    localRedirects: new Table<LocalRedirectRow>({
      name: 'local-redirect-policies',
      key: ({namespace, name}) => `${namespace}/${name}`,
      equal: sameJson,
    }),
    l2Policies: new Table<L2PolicyRow>({name: 'l2-announce-policies', key: ({name}) => name, equal: sameJson}),
  }
}

/** The table that a name stands for, for listings; undefined when there is none. */
export function tableNamed(tables: Tables, name: string): Table<unknown, string> | undefined {
  return Object.values(tables).find((table) => table.name === name) as Table<unknown, string> | undefined
}

/** Rows are plain values whose classes print themselves in one form: equal text is equal content. */
function sameJson(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}

function sameAddress(a: AddressRow, b: AddressRow): boolean {
  return (
    a.identity === b.identity &&
    a.cidrClass === b.cidrClass &&
    a.source === b.source &&
    a.owner === b.owner &&
    a.endpoint?.slot === b.endpoint?.slot &&
    a.endpoint?.generation === b.endpoint?.generation &&
    a.localHost === b.localHost &&
    a.remoteNode === b.remoteNode &&
    a.native === b.native &&
    String(a.tunnel) === String(b.tunnel)
  )
}
