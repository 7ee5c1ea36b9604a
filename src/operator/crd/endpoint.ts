import {ageColumn, type Kind} from './kind.ts'
import {boolean, describe, int64, integer, list, map, object, oneWordOf, required, string} from './schema.ts'
import {endpointNetworking, namedPort} from './shared.ts'

const allowedIdentities = list(
  object({
    identity: int64(),
    'identity-labels': map(string()),
    'dest-port': integer(),
    protocol: integer(),
  }),
)

const directionPolicy = object({
  enforcing: required(boolean()),
  allowed: allowedIdentities,
  denied: allowedIdentities,
  removing: allowedIdentities,
  adding: allowedIdentities,
  state: describe('enforcing, non-enforcing or disabled', string()),
})

const controller = object({
  name: string(),
  configuration: object({'error-retry': boolean(), 'error-retry-base': string(), interval: string()}),
  status: object({
    'consecutive-failure-count': int64(),
    'failure-count': int64(),
    'last-failure-msg': string(),
    'last-failure-timestamp': string(),
    'last-success-timestamp': string(),
    'success-count': int64(),
  }),
  uuid: string(),
})

const encryption = object({key: integer()})

const status = object({
  id: describe('number of the endpoint on its node', int64()),
  controllers: list(controller),
  'external-identifiers': object({
    'cni-attachment-id': string(),
    'container-id': string(),
    'container-name': string(),
    'docker-endpoint-id': string(),
    'docker-network-id': string(),
    'k8s-namespace': string(),
    'k8s-pod-name': string(),
    'pod-name': string(),
  }),
  health: object({bpf: string(), connected: boolean(), overallHealth: string(), policy: string()}),
  identity: object({id: int64(), labels: list(string())}),
  log: list(object({code: oneWordOf('ok', 'failed'), message: string(), state: string(), timestamp: string()})),
  networking: endpointNetworking,
  encryption,
  policy: object({ingress: directionPolicy, egress: directionPolicy}),
  state: oneWordOf(
    'creating',
    'waiting-for-identity',
    'not-ready',
    'waiting-to-regenerate',
    'regenerating',
    'restoring',
    'ready',
    'disconnecting',
    'disconnected',
    'invalid',
  ),
  'named-ports': list(namedPort),
  'service-account': string(),
})

export const ciliumEndpoint: Kind = {
  kind: 'CiliumEndpoint',
  singular: 'ciliumendpoint',
  plural: 'ciliumendpoints',
  shortNames: ['cep', 'ciliumep'],
  scope: 'Namespaced',
  categories: ['cilium'],
  versions: [{name: 'v2'}],
  hasStatus: false,
  columns: [
    {name: 'Security Identity', type: 'integer', jsonPath: '.status.identity.id'},
    {name: 'Ingress Enforcement', type: 'string', jsonPath: '.status.policy.ingress.state', priority: 1},
    {name: 'Egress Enforcement', type: 'string', jsonPath: '.status.policy.egress.state', priority: 1},
    {name: 'Endpoint State', type: 'string', jsonPath: '.status.state'},
    {name: 'IPv4', type: 'string', jsonPath: '.status.networking.addressing[0].ipv4'},
    {name: 'IPv6', type: 'string', jsonPath: '.status.networking.addressing[0].ipv6'},
  ],
  description: 'A pod as the network sees it: identity, addresses, state. Written by the agent of its node.',
  schema: object({status}),
}

export const ciliumIdentity: Kind = {
  kind: 'CiliumIdentity',
  singular: 'ciliumidentity',
  plural: 'ciliumidentities',
  shortNames: ['ciliumid'],
  scope: 'Cluster',
  categories: ['cilium'],
  versions: [{name: 'v2'}],
  hasStatus: true,
  columns: [
    {name: 'Namespace', type: 'string', jsonPath: '.metadata.labels.io\\.kubernetes\\.pod\\.namespace'},
    ageColumn,
  ],
  description: 'A number that stands for a set of labels in the whole cluster. Its name is the number.',
  schema: object({
    'security-labels': required(describe('the labels, with their source: "k8s:app" and its value', map(string()))),
  }),
}
