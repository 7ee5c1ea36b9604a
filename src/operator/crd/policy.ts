/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: one shape, and who a policy may select. */
import {ageColumn, type Kind} from './kind.ts'
import {
  atLeastOne,
  boolean,
  describe,
  exactlyOne,
  type Fields,
  int32,
  int64,
  integer,
  list,
  listByKey,
  map,
  object,
  oneWordOf,
  required,
  rules,
  type Schema,
  string,
} from './schema.ts'
import {cidr, dateTime, labelSelector, portNumber, secretReference, serviceName} from './shared.ts'

const entities = [
  'all',
  'world',
  'world-ipv4',
  'world-ipv6',
  'cluster',
  'cluster-mesh',
  'host',
  'init',
  'ingress',
  'unmanaged',
  'remote-node',
  'health',
  'none',
  'kube-apiserver',
] as const

const icmpTypeNames = [
  ...[
    'EchoReply',
    'DestinationUnreachable',
    'Redirect',
    'Echo',
    'EchoRequest',
    'RouterAdvertisement',
    'RouterSelection',
  ],
  ...['TimeExceeded', 'ParameterProblem', 'Timestamp', 'TimestampReply', 'Photuris', 'ExtendedEchoRequest'],
  ...[
    'ExtendedEchoReply',
    'PacketTooBig',
    'MulticastListenerQuery',
    'MulticastListenerReport',
    'MulticastListenerDone',
  ],
  ...['RouterSolicitation', 'NeighborSolicitation', 'NeighborAdvertisement', 'RedirectMessage', 'RouterRenumbering'],
  ...['ICMPNodeInformationQuery', 'ICMPNodeInformationResponse', 'InverseNeighborDiscoverySolicitation'],
  ...['InverseNeighborDiscoveryAdvertisement', 'HomeAgentAddressDiscoveryRequest', 'HomeAgentAddressDiscoveryReply'],
  ...['MobilePrefixSolicitation', 'MobilePrefixAdvertisement', 'DuplicateAddressRequestCodeSuffix'],
  'DuplicateAddressConfirmationCodeSuffix',
]

const icmps = list(
  object({
    fields: list(
      object({
        family: oneWordOfWithDefault('IPv4', 'IPv6'),
        type: required({
          'x-kubernetes-int-or-string': true,
          anyOf: [{type: 'integer'}, {type: 'string'}],
          minimum: 0,
          maximum: 255,
          pattern: `^([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]|${icmpTypeNames.join('|')})$`,
          description: 'number or name of the ICMP type',
        }),
      }),
      {maxItems: 40},
    ),
  }),
)

const cidrSet = list(
  object(
    {
      cidr,
      cidrGroupRef: string({
        maxLength: 253,
        pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
        description: 'name of a CiliumCIDRGroup',
      }),
      cidrGroupSelector: describe('labels of CiliumCIDRGroups', labelSelector),
      except: describe('prefixes inside that are left out', list(cidr)),
    },
    exactlyOne('cidr', 'cidrGroupRef', 'cidrGroupSelector'),
  ),
)

const groups = list(
  object({
    aws: object({
      labels: map(string()),
      securityGroupsIds: list(string()),
      securityGroupsNames: list(string()),
      region: string(),
    }),
  }),
)

const port = object({
  port: describe(
    'number or name; absent or 0 means all ports of the protocol',
    string({pattern: `^(${portNumber}|${serviceName})$`}),
  ),
  endPort: describe('last port of a range that begins at `port`', int32({minimum: 0, maximum: 65535})),
  protocol: describe(
    'ANY when absent: TCP, UDP and SCTP',
    oneWordOf('TCP', 'UDP', 'SCTP', 'VRRP', 'IGMP', 'GRE', 'IPIP', 'IPV6', 'ESP', 'AH', 'ANY'),
  ),
})

const tlsContext = object({
  secret: required(secretReference),
  trustedCA: string(),
  certificate: string(),
  privateKey: string(),
})

const dnsName = {maxLength: 255, pattern: '^([-a-zA-Z0-9_]+[.]?)+$'}
const dnsPattern = {maxLength: 255, pattern: '^([-a-zA-Z0-9_*]+[.]?)+$'}
const dnsMatch = object(
  {matchName: string(dnsName), matchPattern: string(dnsPattern)},
  exactlyOne('matchName', 'matchPattern'),
)

const httpRule = object({
  path: describe('extended regular expression, anchored at both ends', string()),
  method: describe('extended regular expression, anchored at both ends', string()),
  host: describe('extended regular expression, anchored at both ends', string()),
  headers: describe('"Name: value", or "Name" for any value', list(string())),
  headerMatches: list(
    object({
      mismatch: describe(
        'what happens when the header differs; refuse when absent',
        oneWordOf('LOG', 'ADD', 'DELETE', 'REPLACE'),
      ),
      name: required(string({minLength: 1})),
      secret: secretReference,
      value: string(),
    }),
  ),
})

/** Kept although it is refused today: a field that the API server drops would turn a filter into an allowance. */
const kafkaRule = object({
  role: oneWordOf('produce', 'consume'),
  apiKey: string(),
  apiVersion: string(),
  clientID: string(),
  topic: string({maxLength: 255}),
})

/** @param never a field that has no meaning in this direction: refused, for one that is dropped would widen the rule */
const toPorts = (never: {readonly entry?: string; readonly rule?: string}) =>
  list(
    object(
      {
        ports: list(port, {maxItems: 40}),
        terminatingTLS: tlsContext,
        originatingTLS: tlsContext,
        serverNames: list(string(dnsPattern), {minItems: 1, 'x-kubernetes-list-type': 'set'}),
        listener: object({
          envoyConfig: required(
            object({
              kind: oneWordOf('CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig'),
              name: required(string({minLength: 1})),
            }),
          ),
          name: required(string({minLength: 1})),
          priority: integer({minimum: 1, maximum: 100}),
        }),
        rules: object(
          {
            http: list(httpRule),
            dns: list(dnsMatch),
            kafka: list(kafkaRule),
            l7proto: string(),
            l7: list(map(string())),
          },
          {...exactlyOne('http', 'dns', 'kafka', 'l7proto'), ...without(never.rule)},
        ),
      },
      without(never.entry),
    ),
  )
const ingressPorts = toPorts({entry: 'listener', rule: 'dns'})
const egressPorts = toPorts({})

function without(field: string | undefined): Partial<Schema> {
  return field === undefined ? {} : {not: {required: [field]}}
}

/** Deny rules end at layer 4. */
const toPortsDeny = list(object({ports: list(port, {maxItems: 40})}))

const authentication = object({mode: required(oneWordOf('disabled', 'required', 'test-always-fail'))})

const toServices = list(
  object(
    {
      k8sServiceSelector: object({selector: required(labelSelector), namespace: string()}),
      k8sService: object({serviceName: required(string({minLength: 1})), namespace: string()}),
    },
    exactlyOne('k8sService', 'k8sServiceSelector'),
  ),
)

/** Who the other end may be. The kinds exclude one another within one rule. */
function peers(direction: 'from' | 'to'): Fields {
  return {
    [`${direction}Endpoints`]: describe('endpoints by label; an empty list selects none', list(labelSelector)),
    [`${direction}Requires`]: describe('no longer supported', list(string(), {maxItems: 0})),
    [`${direction}CIDR`]: describe('addresses outside the cluster', list(cidr)),
    [`${direction}CIDRSet`]: describe('addresses outside the cluster, with exceptions or by group', cidrSet),
    [`${direction}Entities`]: list(oneWordOf(...entities)),
    [`${direction}Groups`]: groups,
    [`${direction}Nodes`]: describe('nodes by label', list(labelSelector)),
  }
}

const ingressRule: Fields = {...peers('from'), icmps}
const egressRule: Fields = {...peers('to'), toServices, icmps}

const portsOrIcmps = [
  '!(has(self.toPorts) && has(self.icmps))',
  'toPorts and icmps exclude one another in one rule',
] as const

/**
 * Several kinds of peers in one rule have no agreed meaning. The API server estimates what a rule may cost over a list
 * of any length and refuses expensive ones, hence the halves instead of one sum.
 */
function oneKindOfPeer(...fields: readonly string[]): readonly (readonly [string, string])[] {
  const message = `only one of ${fields.join(', ')} in one rule`
  const halves = [fields.slice(0, fields.length / 2), fields.slice(fields.length / 2)] as const
  const sum = (half: readonly string[]) => half.map((field) => `(has(self.${field}) ? 1 : 0)`).join(' + ')
  const any = (half: readonly string[]) => half.map((field) => `has(self.${field})`).join(' || ')
  return [
    [`${sum(halves[0])} <= 1`, message],
    [`${sum(halves[1])} <= 1`, message],
    [`!((${any(halves[0])}) && (${any(halves[1])}))`, message],
  ]
}

const ingressPeers = oneKindOfPeer(
  'fromEndpoints',
  'fromCIDR',
  'fromCIDRSet',
  'fromEntities',
  'fromGroups',
  'fromNodes',
)
const egressPeers = oneKindOfPeer(
  ...['toEndpoints', 'toCIDR', 'toCIDRSet', 'toEntities'],
  ...['toGroups', 'toNodes', 'toServices', 'toFQDNs'],
)

interface RuleChecks {
  /** for rules of `spec`; those of `specs` would exceed what the API server lets rules cost */
  readonly ingress: Partial<Schema>
  readonly egress: Partial<Schema>
  readonly rule: Partial<Schema>
}

const rule = (checks: RuleChecks) =>
  object(
    {
      endpointSelector: describe('the endpoints that the rule is for; {} selects all', labelSelector),
      nodeSelector: describe('the nodes that the rule is for', labelSelector),
      ingress: list(object({...ingressRule, toPorts: ingressPorts, authentication}, checks.ingress)),
      ingressDeny: list(object({...ingressRule, toPorts: toPortsDeny}, rules(portsOrIcmps))),
      egress: list(
        object(
          {
            ...egressRule,
            toPorts: egressPorts,
            toFQDNs: describe('names that DNS answers gave', list(dnsMatch)),
            authentication,
          },
          checks.egress,
        ),
      ),
      egressDeny: list(object({...egressRule, toPorts: toPortsDeny}, rules(portsOrIcmps))),
      labels: list(object({key: required(string()), value: string(), source: string()})),
      enableDefaultDeny: describe(
        'whether what no rule allows is denied; per direction, true when it has rules',
        object({ingress: boolean(), egress: boolean()}),
      ),
      description: string(),
      log: object({
        value: string({maxLength: 32, pattern: '^\\PC*$', description: 'shown with flows that the rule decided'}),
      }),
    },
    {
      ...exactlyOne('endpointSelector', 'nodeSelector'),
      ...atLeastOne('ingress', 'ingressDeny', 'egress', 'egressDeny'),
      ...checks.rule,
    },
  )

const status = object({
  derivativePolicies: map(
    object({
      ok: boolean(),
      error: string(),
      lastUpdated: dateTime,
      localPolicyRevision: int64(),
      enforcing: boolean(),
      annotations: map(string()),
    }),
  ),
  conditions: listByKey(
    'type',
    object({
      type: required(string()),
      status: required(string()),
      lastTransitionTime: dateTime,
      reason: string(),
      message: string(),
    }),
  ),
})

/** @param checks what holds for every rule of the kind */
const policy = (checks: Partial<Schema>) =>
  object(
    {
      spec: describe(
        'one rule',
        rule({
          ingress: rules(portsOrIcmps, ...ingressPeers),
          egress: rules(portsOrIcmps, ...egressPeers),
          rule: checks,
        }),
      ),
      specs: describe(
        'several rules',
        list(rule({ingress: rules(portsOrIcmps), egress: rules(portsOrIcmps), rule: checks})),
      ),
      status,
    },
    rules(['has(self.spec) || has(self.specs)', 'a policy needs spec or specs']),
  )

const validColumn = {name: 'Valid', type: 'string', jsonPath: ".status.conditions[?(@.type=='Valid')].status"} as const

export const ciliumNetworkPolicy: Kind = {
  kind: 'CiliumNetworkPolicy',
  singular: 'ciliumnetworkpolicy',
  plural: 'ciliumnetworkpolicies',
  shortNames: ['cnp', 'ciliumnp'],
  scope: 'Namespaced',
  categories: ['cilium', 'ciliumpolicy'],
  versions: [{name: 'v2'}],
  hasStatus: true,
  columns: [ageColumn, validColumn],
  description: 'Who may talk to whom, for the endpoints of one namespace.',
  schema: policy(
    rules([
      '!has(self.nodeSelector)',
      'nodeSelector belongs to CiliumClusterwideNetworkPolicy: a policy of a namespace cannot select nodes',
    ]),
  ),
}

export const ciliumClusterwideNetworkPolicy: Kind = {
  kind: 'CiliumClusterwideNetworkPolicy',
  singular: 'ciliumclusterwidenetworkpolicy',
  plural: 'ciliumclusterwidenetworkpolicies',
  shortNames: ['ccnp'],
  scope: 'Cluster',
  categories: ['cilium', 'ciliumpolicy'],
  versions: [{name: 'v2'}],
  hasStatus: true,
  columns: [validColumn],
  description: 'Who may talk to whom, for endpoints of all namespaces or for nodes.',
  schema: policy({}),
}

function oneWordOfWithDefault(...values: readonly [string, ...string[]]): Schema {
  return {...oneWordOf(...values), default: values[0]}
}
