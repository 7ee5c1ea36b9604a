import {ageColumn, type Kind} from './kind.ts'
import {boolean, describe, integer, list, map, object, oneWordOf, required, type Schema, string} from './schema.ts'
import {cidr, labelSelector} from './shared.ts'

const ip = string()
const count = integer({minimum: 0})
const tags = map(string())
const allocations = map(object({owner: string(), resource: string()}))
const addressPair = object({ipv4: string(), ipv6: string()})
const releaseStates = map(oneWordOf('marked-for-release', 'ready-for-release', 'do-not-release', 'released'))

const eniSpec = object({
  'instance-type': string(),
  'first-interface-index': count,
  'security-groups': list(string()),
  'security-group-tags': tags,
  'subnet-ids': list(string()),
  'subnet-tags': tags,
  'node-subnet-id': string(),
  'vpc-id': string(),
  'availability-zone': string(),
  'exclude-interface-tags': tags,
  'delete-on-termination': boolean(),
  'use-primary-address': boolean(),
  'disable-prefix-delegation': boolean(),
})

const alibabaSpec = object({
  'instance-type': string(),
  'availability-zone': string(),
  'vpc-id': string(),
  'cidr-block': cidr,
  vswitches: list(string()),
  'vswitch-tags': tags,
  'security-groups': list(string()),
  'security-group-tags': tags,
})

const ipamSpec = object({
  pool: allocations,
  'ipv6-pool': allocations,
  pools: object({
    requested: list(
      object({
        pool: required(string({minLength: 1})),
        needed: object({'ipv4-addrs': integer(), 'ipv6-addrs': integer()}),
      }),
    ),
    allocated: list(
      object({
        pool: required(string({minLength: 1})),
        allowFirstIP: boolean(),
        allowLastIP: boolean(),
        cidrs: list(cidr),
      }),
    ),
  }),
  podCIDRs: describe(
    'prefixes that the pods of this node get their addresses from, at most one per family',
    list(cidr),
  ),
  'min-allocate': count,
  'max-allocate': count,
  'pre-allocate': count,
  'max-above-watermark': count,
  'static-ip-tags': tags,
})

const spec = object({
  'instance-id': string(),
  bootid: describe('changes with each boot of the node', string()),
  addresses: list(
    object({
      type: oneWordOf('Hostname', 'ExternalIP', 'InternalIP', 'ExternalDNS', 'InternalDNS', 'CiliumInternalIP'),
      ip,
    }),
  ),
  health: describe('addresses of the health endpoint', addressPair),
  ingress: describe('addresses of the ingress listener', addressPair),
  encryption: object({key: describe('index of the encryption key, 0 when none', integer())}),
  eni: eniSpec,
  azure: object({'interface-name': string()}),
  'alibaba-cloud': alibabaSpec,
  ipam: describe('written by the operator, but pools.requested', ipamSpec),
})

const eniStatus = map(
  object({
    id: string(),
    ip,
    mac: string(),
    'availability-zone': string(),
    description: string(),
    number: integer(),
    subnet: object({id: string(), cidr}),
    vpc: object({id: string(), 'primary-cidr': cidr, cidrs: list(cidr)}),
    addresses: list(ip),
    prefixes: list(cidr),
    'ipv6-prefixes': list(cidr),
    'security-groups': list(string()),
    tags,
    'public-ip': ip,
  }),
)

const azureInterface = object({
  id: string(),
  ip,
  name: string(),
  mac: string(),
  state: string(),
  addresses: list(object({ip, state: string()})),
  'security-group': string(),
  subnet: object({id: string(), cidr}),
  gateway: ip,
})

const alibabaStatus = map(
  object({
    'network-interface-id': string(),
    'mac-address': string(),
    type: string(),
    'instance-id': string(),
    'security-groupids': list(string()),
    vpc: object({'vpc-id': string(), cidr, 'ipv6-cidr': cidr, 'secondary-cidrs': list(cidr)}),
    'zone-id': string(),
    vswitch: object({'vswitch-id': string(), cidr, 'ipv6-cidr': cidr}),
    'primary-ip-address': ip,
    'private-ipsets': list(object({'private-ip-address': ip, primary: boolean()})),
    tags,
  }),
)

const status: Schema = object({
  eni: object({enis: eniStatus}),
  azure: object({interfaces: list(azureInterface)}),
  ipam: object({
    used: allocations,
    'ipv6-used': allocations,
    'pod-cidrs': map(object({status: oneWordOf('released', 'depleted', 'in-use')})),
    'operator-status': describe(
      'what keeps the operator from giving this node its prefixes; empty when nothing does',
      object({error: string()}),
    ),
    'release-ips': releaseStates,
    'release-ipv6s': releaseStates,
    'assigned-static-ip': string(),
  }),
  'alibaba-cloud': object({enis: alibabaStatus}),
})

export const ciliumNode: Kind = {
  kind: 'CiliumNode',
  singular: 'ciliumnode',
  plural: 'ciliumnodes',
  shortNames: ['cn', 'ciliumn'],
  scope: 'Cluster',
  categories: ['cilium'],
  versions: [{name: 'v2'}],
  hasStatus: true,
  columns: [
    {
      name: 'CiliumInternalIP',
      type: 'string',
      jsonPath: '.spec.addresses[?(@.type=="CiliumInternalIP")].ip',
      description: "the node's address inside the pod network",
    },
    {
      name: 'InternalIP',
      type: 'string',
      jsonPath: '.spec.addresses[?(@.type=="InternalIP")].ip',
      description: "the node's own address",
    },
    ageColumn,
  ],
  description: 'A node as its agent and the operator see it: addresses, prefixes for pods, boot.',
  schema: object({spec: required(spec), status}),
}

export const ciliumNodeConfig: Kind = {
  kind: 'CiliumNodeConfig',
  singular: 'ciliumnodeconfig',
  plural: 'ciliumnodeconfigs',
  shortNames: [],
  scope: 'Namespaced',
  categories: ['cilium'],
  versions: [{name: 'v2'}],
  hasStatus: false,
  columns: [],
  description:
    'Settings that differ on some nodes. Objects that select the same node apply in the order of their names.',
  schema: object({
    spec: required(
      object({
        defaults: required(describe('keys of cilium-config and their values on the selected nodes', map(string()))),
        nodeSelector: required(labelSelector),
      }),
    ),
  }),
}
