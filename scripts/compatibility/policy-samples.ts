/** One policy for each field whose enforcement is worth a word in docs/reference/compatibility.md. */

export interface PolicySample {
  readonly field: string
  readonly kind: 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy'
  readonly spec: object
}

const everybody = {matchLabels: {}}
const port = (protocol: string, rest: object = {}) => ({ports: [{port: '80', protocol}], ...rest})

const ingress = (field: string, rule: object): PolicySample => ({
  field: `ingress.${field}`,
  kind: 'CiliumNetworkPolicy',
  spec: {endpointSelector: everybody, ingress: [rule]},
})
const egress = (field: string, rule: object): PolicySample => ({
  field: `egress.${field}`,
  kind: 'CiliumNetworkPolicy',
  spec: {endpointSelector: everybody, egress: [rule]},
})

export const policySamples: readonly PolicySample[] = [
  ingress('fromEndpoints', {fromEndpoints: [everybody]}),
  ingress('fromCIDR', {fromCIDR: ['192.0.2.0/24', '2001:db8::/32']}),
  ingress('fromCIDRSet.except', {fromCIDRSet: [{cidr: '192.0.2.0/24', except: ['192.0.2.1/32']}]}),
  ingress('fromCIDRSet.cidrGroupRef', {fromCIDRSet: [{cidrGroupRef: 'group'}]}),
  ingress('fromEntities', {fromEntities: ['cluster', 'host', 'world', 'kube-apiserver']}),
  ingress('fromNodes', {fromNodes: [everybody]}),
  ingress('fromGroups', {fromGroups: [{aws: {securityGroupsIds: ['sg-1']}}]}),
  ingress('toPorts (TCP, UDP, SCTP)', {toPorts: [port('TCP'), port('UDP'), port('SCTP')]}),
  ingress('toPorts.ports.endPort', {toPorts: [{ports: [{port: '80', endPort: 90, protocol: 'TCP'}]}]}),
  ingress('toPorts.ports.protocol: VRRP', {toPorts: [{ports: [{port: '0', protocol: 'VRRP'}]}]}),
  ingress('toPorts.rules.http', {toPorts: [port('TCP', {rules: {http: [{method: 'GET'}]}})]}),
  ingress('toPorts.rules.kafka', {toPorts: [port('TCP', {rules: {kafka: [{topic: 'a'}]}})]}),
  ingress('toPorts.terminatingTLS', {toPorts: [port('TCP', {terminatingTLS: {secret: {name: 'a'}}})]}),
  ingress('toPorts.serverNames', {toPorts: [port('TCP', {serverNames: ['example.org']})]}),
  ingress('icmps', {icmps: [{fields: [{family: 'IPv4', type: 8}]}]}),
  ingress('authentication', {fromEndpoints: [everybody], authentication: {mode: 'required'}}),
  {
    field: 'ingressDeny',
    kind: 'CiliumNetworkPolicy',
    spec: {endpointSelector: everybody, ingressDeny: [{fromEntities: ['world']}]},
  },
  {
    field: 'enableDefaultDeny',
    kind: 'CiliumNetworkPolicy',
    spec: {endpointSelector: everybody, enableDefaultDeny: {ingress: false}, ingress: [{}]},
  },
  egress('toServices', {toServices: [{k8sService: {serviceName: 'a', namespace: 'default'}}]}),
  egress('toFQDNs', {toFQDNs: [{matchName: 'example.org'}]}),
  egress('toPorts.rules.dns', {
    toPorts: [{ports: [{port: '53', protocol: 'UDP'}], rules: {dns: [{matchPattern: '*'}]}}],
  }),
  egress('toPorts.listener', {
    toPorts: [port('TCP', {listener: {envoyConfig: {name: 'a'}, name: 'b'}})],
  }),
  {
    field: 'nodeSelector',
    kind: 'CiliumClusterwideNetworkPolicy',
    spec: {nodeSelector: everybody, ingress: [{fromEntities: ['cluster']}]},
  },
]
