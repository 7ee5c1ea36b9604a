/** Specs of policies that are refused: each with the field that is wrong, and why. */

export type InvalidSpec = readonly [name: string, spec: unknown, path: string, reason: RegExp]

export const invalidNetworkPolicies: readonly InvalidSpec[] = [
  ['no spec', undefined, 'spec', /missing/],
  ['an unknown field', {podSelector: {}, ingres: []}, 'spec.ingres', /unknown/],
  ['an unknown policy type', {policyTypes: ['ingress']}, 'spec.policyTypes[0]', /Ingress or Egress/],
  ['a peer that says nothing', {ingress: [{from: [{}]}]}, 'spec.ingress[0].from[0]', /must have/],
  ['a rule that is null', {ingress: [null]}, 'spec.ingress[0]', /object/],
  [
    'an ipBlock beside a selector',
    {ingress: [{from: [{podSelector: {}, ipBlock: {cidr: '10.0.0.0/8'}}]}]},
    'spec.ingress[0].from[0]',
    /excludes/,
  ],
  ['no prefix', {egress: [{to: [{ipBlock: {cidr: '10.0.0'}}]}]}, 'spec.egress[0].to[0].ipBlock.cidr', /prefix/],
  [
    'an exception outside',
    {egress: [{to: [{ipBlock: {cidr: '10.0.0.0/8', except: ['11.0.0.0/8']}}]}]},
    'spec.egress[0].to[0].ipBlock.except[0]',
    /inside/,
  ],
  [
    'an IPv4 prefix in IPv6 clothes',
    {egress: [{to: [{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}]}]},
    'spec.egress[0].to[0].ipBlock.cidr',
    /prefix/,
  ],
  ['port 0', {ingress: [{ports: [{port: 0}]}]}, 'spec.ingress[0].ports[0].port', /1 to 65535/],
  ['a range backwards', {ingress: [{ports: [{port: 80, endPort: 79}]}]}, 'spec.ingress[0].ports[0].endPort', /80 to/],
  [
    'a range by name',
    {ingress: [{ports: [{port: 'http', endPort: 9}]}]},
    'spec.ingress[0].ports[0].endPort',
    /numeric/,
  ],
  ['a range without begin', {ingress: [{ports: [{endPort: 9}]}]}, 'spec.ingress[0].ports[0].endPort', /needs port/],
  [
    'a protocol that has no ports',
    {ingress: [{ports: [{protocol: 'ICMP'}]}]},
    'spec.ingress[0].ports[0].protocol',
    /TCP/,
  ],
  ['a list that is none', {ingress: {}}, 'spec.ingress', /list/],
  [
    'an operator without values',
    {podSelector: {matchExpressions: [{key: 'a', operator: 'In', values: []}]}},
    'spec.podSelector.matchExpressions[0].values',
    /empty/,
  ],
]

export const invalidCiliumPolicies: readonly InvalidSpec[] = [
  ['no subject', {ingress: [{}]}, 'spec', /exactly one of endpointSelector/],
  ['nodes as subject', {nodeSelector: {}, ingress: [{}]}, 'spec.nodeSelector', /Clusterwide/],
  ['two subjects', {endpointSelector: {}, nodeSelector: {}, ingress: [{}]}, 'spec', /exactly one/],
  ['no rules', {endpointSelector: {}}, 'spec', /needs one of/],
  ['empty sections only', {endpointSelector: {}, ingress: [], egress: []}, 'spec', /needs one of/],
  [
    'a misspelt peer',
    {endpointSelector: {}, ingress: [{fromEndpoint: [{}]}]},
    'spec.ingress[0].fromEndpoint',
    /unknown/,
  ],
  [
    'two kinds of peers',
    {endpointSelector: {}, ingress: [{fromEndpoints: [{}], fromCIDR: ['10.0.0.0/8']}]},
    'spec.ingress[0]',
    /only one of/,
  ],
  [
    'two kinds of peers, one of them empty',
    {endpointSelector: {}, egress: [{toEndpoints: [], toEntities: ['all']}]},
    'spec.egress[0]',
    /only one of/,
  ],
  [
    'groups of a cloud',
    {endpointSelector: {}, egress: [{toGroups: [{aws: {}}]}]},
    'spec.egress[0].toGroups[0]',
    /cloud/,
  ],
  [
    'an unknown entity',
    {endpointSelector: {}, ingress: [{fromEntities: ['wrld']}]},
    'spec.ingress[0].fromEntities[0]',
    /entity/,
  ],
  [
    'requirements',
    {endpointSelector: {}, ingress: [{fromRequires: [{}]}]},
    'spec.ingress[0].fromRequires',
    /no longer/,
  ],
  [
    'nodes as peers without node labels',
    {endpointSelector: {}, ingress: [{fromNodes: [{}]}]},
    'spec.ingress[0].fromNodes[0]',
    /told apart/,
  ],
  [
    'ports beside ICMP types',
    {endpointSelector: {}, ingress: [{toPorts: [], icmps: []}]},
    'spec.ingress[0]',
    /exclude/,
  ],
  [
    'an ICMP type of the other family',
    {endpointSelector: {}, ingress: [{icmps: [{fields: [{type: 'PacketTooBig'}]}]}]},
    'spec.ingress[0].icmps[0].fields[0].type',
    /IPv4/,
  ],
  [
    'layer 7 rules in a deny',
    {endpointSelector: {}, ingressDeny: [{toPorts: [{ports: [{port: '80'}], rules: {http: [{}]}}]}]},
    'spec.ingressDeny[0].toPorts[0].rules',
    /unknown/,
  ],
  [
    'DNS rules on ingress',
    {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}]},
    'spec.ingress[0].toPorts[0].rules.dns',
    /egress only/,
  ],
  [
    'an exception outside its prefix',
    {endpointSelector: {}, egress: [{toCIDRSet: [{cidr: '10.0.0.0/8', except: ['2001:db8::/32']}]}]},
    'spec.egress[0].toCIDRSet[0].except[0]',
    /inside/,
  ],
  [
    'two sources of prefixes',
    {endpointSelector: {}, egress: [{toCIDRSet: [{cidr: '10.0.0.0/8', cidrGroupRef: 'g'}]}]},
    'spec.egress[0].toCIDRSet[0]',
    /exactly one/,
  ],
  [
    'a protocol that is off',
    {endpointSelector: {}, ingress: [{toPorts: [{ports: [{protocol: 'GRE'}]}]}]},
    'spec.ingress[0].toPorts[0].ports[0].protocol',
    /extended/,
  ],
  [
    'a service without a name',
    {endpointSelector: {}, egress: [{toServices: [{k8sService: {}}]}]},
    'spec.egress[0].toServices[0].k8sService.serviceName',
    /missing/,
  ],
  [
    'a log text with control characters',
    {endpointSelector: {}, ingress: [{}], log: {value: '\u001b[2J'}},
    'spec.log.value',
    /printable/,
  ],
]
