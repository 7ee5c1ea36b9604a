/**
 * Random clusters and policies from a small vocabulary, so that rules and peers meet often. All objects are valid:
 * what is refused has tests of its own.
 */
import type {Random} from './random.ts'
import {
  isPod,
  type Party,
  type PolicyObject,
  partiesOf,
  type Question,
  type Subject,
  type World,
  type WorldNode,
  type WorldPod,
} from './world.ts'

const namespaces = ['a', 'b', 'c']
const apps = ['web', 'db', 'api']
const portNames = ['http', 'dns', 'metrics']
const ports = [53, 80, 443, 8080, 8081, 8090, 9100]
const prefixes4 = [
  ...['0.0.0.0/0', '10.0.0.0/8', '10.0.1.0/24', '10.0.1.4/30', '203.0.113.0/24', '203.0.113.0/28', '203.0.113.7/32'],
  ...['198.51.100.0/24', '198.51.100.128/25', '172.16.0.0/12', '172.16.0.2/32'],
]
const prefixes6 = [
  ...['::/0', 'fd00::/8', 'fd00:1::/64', '2001:db8::/32', '2001:db8:1::/48', '2001:db8:1::7/128', 'fc00:f::/64'],
]

export function generateWorld(random: Random): World {
  const pods = namespaces.flatMap((namespace, n) => {
    const all = Array.from({length: 1 + random.below(3)}, (_, i) => generatePod(random, namespace, n, i))
    // twins have one identity, and not always the same ports
    const {labels, serviceAccount} = all[0]!
    return all.map((pod, i) => (i > 0 && random.chance(0.5) ? {...pod, labels, serviceAccount} : pod))
  })
  const nodes: WorldNode[] = ['n1', 'n2', 'n3'].map((name, i) => ({
    name,
    local: i === 0,
    apiServer: i === 1,
    labels: {role: random.pick(['infra', 'worker']), 'kubernetes.io/hostname': name},
    ips: [`172.16.0.${i + 1}`, `fc00:f::${i + 1}`],
  }))
  const nodeSelectors = random.chance(0.85)
  return {
    nodeSelectors,
    cluster: random.chance(0.2) ? 'east' : 'default',
    mode: random.chance(0.05) ? 'always' : 'default',
    cidrMatchesNodes: random.chance(0.2),
    namespaces: {a: {team: 'x', env: 'prod'}, b: {team: 'y', env: 'prod'}, c: {team: 'x'}},
    pods,
    nodes,
    outside: ['203.0.113.7', '203.0.113.200', '198.51.100.129', '8.8.8.8', '2001:db8:1::7', '2001:db8:2::1', '2600::1'],
    cidrGroups: [
      {name: 'partners', labels: {zone: 'p'}, cidrs: random.some([...prefixes4, ...prefixes6], 0, 4)},
      {name: 'lab', labels: {zone: 'l'}, cidrs: random.some([...prefixes4, ...prefixes6], 1, 3)},
    ],
    services: [
      {namespace: 'a', name: 'web', labels: {kind: 'front'}, selector: {app: 'web'}, backends: []},
      {namespace: 'b', name: 'ext', labels: {kind: 'back'}, backends: ['203.0.113.7', '172.16.0.2', '2001:db8:1::7']},
      {namespace: 'b', name: 'none', labels: {kind: 'back'}, selector: {}, backends: []},
    ],
    ...(random.chance(0.5) ? {failsafe: {apiServer: 6443, health: 4240}} : {}),
    policies: Array.from({length: 3 + random.below(6)}, (_, i) => generatePolicy(random, `p${i}`, nodeSelectors)),
  }
}

function generatePod(random: Random, namespace: string, n: number, i: number): WorldPod {
  const named = random.some(portNames, random.chance(0.2) ? 0 : 1, 3).map((name) => ({
    name,
    protocol: random.chance(0.8) ? ('TCP' as const) : ('UDP' as const),
    port: random.pick(ports),
  }))
  return {
    namespace,
    name: `pod${i}`,
    labels: {app: random.pick(apps), ...(random.chance(0.5) ? {tier: random.pick(['front', 'back'])} : {})},
    serviceAccount: random.pick(['default', 'robot']),
    ips: [`10.0.${n}.${4 + i}`, `fd00:${n}::${4 + i}`],
    ports: named,
  }
}

/** Of whom questions are asked. */
export function pickPod(random: Random, {pods}: World): Subject {
  return random.pick(pods)
}

/** The node that we look from. */
export function pickNode(_: Random, {nodes}: World): Subject {
  return nodes.find(({local}) => local)!
}

/** Every question of a few subjects; destination ports are those that rules speak of, and some beside. */
export function* generateQuestions(
  random: Random,
  world: World,
  count: number,
  pick: (random: Random, world: World) => Subject = pickPod,
): Generator<Question> {
  const parties = partiesOf(world)
  const outside = parties.filter(({kind}) => kind === 'outside')
  for (let i = 0; i < count; i++) {
    const subject = pick(random, world)
    const peer = random.pick(random.chance(0.3) ? outside : parties)
    const direction = random.pick(['ingress', 'egress'] as const)
    if (isExempt(subject, direction, peer)) continue
    const v6 = peer.ip.includes(':')
    const receiver = direction === 'ingress' ? subject : peer.kind === 'pod' ? peer.pod : undefined
    const named = receiver !== undefined && isPod(receiver) ? receiver.ports : []
    const [protocol, port] = random.choose<[number, number]>(
      [isPod(subject) ? 0 : 2, () => [6, random.pick([22, 4240, 6443, 10_250])]],
      [6, () => [6, random.chance(0.9) ? random.pick(ports) : random.below(65536)]],
      [3, () => [17, random.pick(ports)]],
      [1, () => [132, random.pick(ports)]],
      [named.length > 0 ? 5 : 0, () => namedQuestion(random.pick(named))],
      [5, () => (v6 ? [58, random.pick([128, 129, 2, 1])] : [1, random.pick([8, 0, 3, 13])])],
      [0.3, () => [47, 0]],
    )
    yield {subject, direction, peer, protocol, port}
  }
}

/** A pod always reaches itself, a node reaches its own pods and itself: no policy is asked. */
function isExempt(subject: Subject, direction: 'ingress' | 'egress', peer: Party): boolean {
  const localNode = peer.kind === 'node' && peer.node.local
  if (isPod(subject)) return (peer.kind === 'pod' && peer.pod === subject) || (localNode && direction === 'ingress')
  return localNode
}

function namedQuestion({protocol, port}: WorldPod['ports'][number]): [number, number] {
  return [protocol === 'TCP' ? 6 : 17, port]
}

function generatePolicy(random: Random, name: string, nodes: boolean): PolicyObject {
  return random.choose<PolicyObject>(
    [4, () => kubernetesPolicy(random, name)],
    [5, () => ciliumPolicy(random, name, 'CiliumNetworkPolicy', nodes)],
    [2, () => ciliumPolicy(random, name, 'CiliumClusterwideNetworkPolicy', nodes)],
    [2, () => hostPolicy(random, name, nodes)],
  )
}

function hostPolicy(random: Random, name: string, nodes: boolean): PolicyObject {
  const {endpointSelector: _, ...rest} = ciliumSpec(random, nodes)
  const spec = {nodeSelector: random.chance(0.4) ? {} : nodeSelector(random), ...rest}
  // refused for nodes
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
    for (const entry of rule.toPorts ?? []) delete entry.rules?.http
  }
  return {kind: 'CiliumClusterwideNetworkPolicy', metadata: {name}, spec}
}

function nodeSelector(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [3, () => ({matchLabels: {role: random.pick(['infra', 'worker'])}})],
    [1, () => ({matchLabels: {'kubernetes.io/hostname': random.pick(['n1', 'n2'])}})],
    [1, () => ({matchExpressions: [{key: 'k8s:role', operator: 'NotIn', values: ['infra']}]})],
    [1, () => ({matchExpressions: [{key: 'reserved:host', operator: 'Exists'}]})],
    // selects pods when the two are mixed up
    [1, () => ({matchLabels: {app: random.pick(apps)}})],
  )
}

/** Of the other end: what a key without a source means is another thing here. */
function peerNodeSelector(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [4, () => ({matchLabels: {role: random.pick(['infra', 'worker'])}})],
    [1, () => ({matchLabels: {'kubernetes.io/hostname': random.pick(['n1', 'n2', 'n3'])}})],
    [1, () => ({matchExpressions: [{key: 'role', operator: random.pick(['NotIn', 'In']), values: ['infra']}]})],
    [1, () => ({matchExpressions: [{key: 'role', operator: 'DoesNotExist'}]})],
    [1, () => ({matchLabels: {'any:role': random.pick(['infra', 'worker'])}})],
    [0.5, () => ({matchLabels: {'io.cilium.k8s.policy.cluster': random.pick(['default', 'east'])}})],
    // a pod's label is none of a node's
    [0.5, () => ({matchLabels: {'k8s:app': random.pick(apps)}})],
    [0.5, () => ({})],
  )
}

function kubernetesPolicy(random: Random, name: string): PolicyObject {
  const spec: PolicyObject = {podSelector: random.chance(0.6) ? {} : labelSelector(random)}
  if (random.chance(0.7)) spec.ingress = list(random, 0, 3, () => kubernetesRule(random, 'from'))
  if (random.chance(0.6)) spec.egress = list(random, 0, 3, () => kubernetesRule(random, 'to'))
  if (random.chance(0.5)) spec.policyTypes = random.some(['Ingress', 'Egress'], 1, 2)
  return {kind: 'NetworkPolicy', metadata: {name, namespace: random.pick(namespaces)}, spec}
}

function kubernetesRule(random: Random, field: 'from' | 'to'): PolicyObject {
  const rule: PolicyObject = {}
  if (random.chance(0.75)) rule[field] = list(random, random.chance(0.1) ? 0 : 1, 3, () => kubernetesPeer(random))
  if (random.chance(0.55)) rule.ports = list(random, random.chance(0.1) ? 0 : 1, 3, () => kubernetesPort(random))
  return rule
}

function kubernetesPeer(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [2, () => ({podSelector: random.chance(0.3) ? {} : labelSelector(random)})],
    [2, () => ({namespaceSelector: random.chance(0.3) ? {} : namespaceSelector(random)})],
    [2, () => ({podSelector: labelSelector(random), namespaceSelector: namespaceSelector(random)})],
    [4, () => ({ipBlock: cidrWithExcept(random, false)})],
  )
}

function kubernetesPort(random: Random): PolicyObject {
  const protocol = random.choose<PolicyObject>(
    [4, () => ({})],
    [3, () => ({protocol: 'TCP'})],
    [3, () => ({protocol: 'UDP'})],
    [1, () => ({protocol: 'SCTP'})],
  )
  return random.choose<PolicyObject>(
    [4, () => ({...protocol, port: random.pick(ports)})],
    [
      3,
      () => ({
        ...protocol,
        port: random.pick([53, 80, 8000]),
        endPort: random.pick([8000, 8090, 65535]),
      }),
    ],
    [8, () => ({...protocol, port: random.pick(portNames)})],
    [1, () => ({...protocol, protocol: protocol.protocol ?? 'TCP'})],
  )
}

function ciliumPolicy(random: Random, name: string, kind: string, nodes: boolean): PolicyObject {
  const metadata = kind === 'CiliumNetworkPolicy' ? {name, namespace: random.pick(namespaces)} : {name}
  if (random.chance(0.8)) return {kind, metadata, spec: ciliumSpec(random, nodes)}
  return {kind, metadata, specs: [ciliumSpec(random, nodes), ciliumSpec(random, nodes)]}
}

function ciliumSpec(random: Random, nodes: boolean): PolicyObject {
  const spec: PolicyObject = {endpointSelector: random.chance(0.5) ? {} : tagSelector(random)}
  const sections = random.some(['ingress', 'egress', 'ingressDeny', 'egressDeny', 'ingress', 'egress'], 2, 4)
  for (const section of sections) {
    const direction = section.startsWith('ingress') ? 'ingress' : 'egress'
    spec[section] = list(random, 1, 3, () => ciliumRule(random, direction, section.endsWith('Deny'), nodes))
  }
  if (random.chance(0.2)) {
    spec.enableDefaultDeny = {}
    if (random.chance(0.7)) spec.enableDefaultDeny.ingress = random.chance(0.4)
    if (random.chance(0.7)) spec.enableDefaultDeny.egress = random.chance(0.4)
  }
  return spec
}

function ciliumRule(random: Random, direction: 'ingress' | 'egress', deny: boolean, nodes: boolean): PolicyObject {
  if (random.chance(0.04)) return {}
  const at = direction === 'ingress' ? 'from' : 'to'
  const rule = random.choose<PolicyObject>(
    [
      4,
      () => ({
        [`${at}Endpoints`]: list(random, random.chance(0.1) ? 0 : 1, 2, () =>
          random.chance(0.25) ? {} : tagSelector(random),
        ),
      }),
    ],
    [2, () => ({[`${at}CIDR`]: list(random, random.chance(0.1) ? 0 : 1, 3, () => prefix(random))})],
    [4, () => ({[`${at}CIDRSet`]: list(random, 1, 2, () => cidrSetItem(random))})],
    [3, () => ({[`${at}Entities`]: random.some(entities, random.chance(0.1) ? 0 : 1, 2)})],
    [direction === 'egress' ? 4 : 0, () => ({toServices: [serviceItem(random)]})],
    [!deny && direction === 'egress' ? 0.3 : 0, () => ({toFQDNs: [{matchName: 'example.com'}]})],
    [nodes ? 6 : 0, () => ({[`${at}Nodes`]: list(random, 1, 2, () => peerNodeSelector(random))})],
    [4, () => ({})],
  )
  random.choose<void>(
    [3, () => {}],
    [
      5,
      () =>
        void (rule.toPorts = list(random, random.chance(0.05) ? 0 : 1, 2, () => ciliumPorts(random, deny, direction))),
    ],
    [5, () => void (rule.icmps = list(random, 1, 1, () => ({fields: list(random, 1, 3, () => icmpField(random))})))],
  )
  if (!deny && random.chance(0.06)) rule.authentication = {mode: random.pick(['required', 'disabled'])}
  return rule
}

const entities = [
  ...['all', 'world', 'cluster', 'cluster-mesh', 'host', 'remote-node', 'kube-apiserver', 'none', 'health'],
  ...['world', 'cluster', 'remote-node', 'world-ipv4', 'world-ipv6'],
]

function ciliumPorts(random: Random, deny: boolean, direction: string): PolicyObject {
  const entry: PolicyObject = {ports: list(random, random.chance(0.05) ? 0 : 1, 3, () => ciliumPort(random))}
  if (!deny && random.chance(0.12)) {
    entry.rules = random.choose<PolicyObject>(
      [2, () => ({http: [{method: 'GET'}]})],
      [1, () => (direction === 'egress' ? {dns: [{matchPattern: '*'}]} : {http: []})],
      [1, () => ({})],
    )
  }
  return entry
}

function ciliumPort(random: Random): PolicyObject {
  const protocol = random.choose<PolicyObject>(
    [3, () => ({})],
    [3, () => ({protocol: 'TCP'})],
    [2, () => ({protocol: 'UDP'})],
    [1, () => ({protocol: 'ANY'})],
    [0.5, () => ({protocol: 'SCTP'})],
  )
  return random.choose<PolicyObject>(
    [4, () => ({...protocol, port: String(random.pick(ports))})],
    [
      4,
      () => ({
        ...protocol,
        port: String(random.pick([53, 80, 1000, 8000])),
        endPort: random.pick([8080, 8090, 9000, 65535]),
      }),
    ],
    [8, () => ({...protocol, port: random.pick([...portNames, 'HTTP'])})],
    [1, () => ({...protocol, ...(random.chance(0.5) ? {port: '0'} : {})})],
  )
}

function icmpField(random: Random): PolicyObject {
  return random.chance(0.5)
    ? {
        ...(random.chance(0.5) ? {family: 'IPv4'} : {}),
        type: random.pick([8, 0, 'EchoRequest', 'EchoReply', 'Timestamp', '3']),
      }
    : {family: 'IPv6', type: random.pick([128, 129, 'EchoRequest', 'PacketTooBig', 1])}
}

function cidrSetItem(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [4, () => cidrWithExcept(random, true)],
    [1, () => ({cidrGroupRef: random.pick(['partners', 'lab', 'missing'])})],
    [
      1,
      () => ({
        cidrGroupSelector: random.chance(0.3) ? {} : {matchLabels: {zone: random.pick(['p', 'l'])}},
        except: random.some(
          [...prefixes4, ...prefixes6].filter((p) => !p.endsWith('/0')),
          0,
          2,
        ),
      }),
    ],
  )
}

function cidrWithExcept(random: Random, equal: boolean): PolicyObject {
  const nested: Record<string, string[]> = {
    '0.0.0.0/0': ['10.0.0.0/8', '203.0.113.0/24', '172.16.0.0/12', '203.0.113.7/32'],
    '10.0.0.0/8': ['10.0.1.0/24', '10.0.1.4/30'],
    '203.0.113.0/24': ['203.0.113.0/28', '203.0.113.7/32', ...(equal ? ['203.0.113.0/24'] : [])],
    '198.51.100.0/24': ['198.51.100.128/25'],
    '::/0': ['fd00::/8', '2001:db8::/32', '2001:db8:1::7/128'],
    'fd00::/8': ['fd00:1::/64'],
    '2001:db8::/32': ['2001:db8:1::/48'],
  }
  if (random.chance(0.2)) return {cidr: prefix(random)}
  const cidr = random.pick(Object.keys(nested))
  return {cidr, except: random.some(nested[cidr]!, random.chance(0.1) ? 0 : 1, 2)}
}

function serviceItem(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [
      2,
      () => ({
        k8sService: {
          serviceName: random.pick(['web', 'ext', 'none', 'missing']),
          ...(random.chance(0.6) ? {namespace: random.pick(['a', 'b'])} : {}),
        },
      }),
    ],
    [
      1,
      () => ({
        k8sServiceSelector: {
          selector: {matchLabels: {kind: random.pick(['front', 'back'])}},
          ...(random.chance(0.6) ? {namespace: random.pick(['a', 'b'])} : {}),
        },
      }),
    ],
  )
}

function prefix(random: Random): string {
  return random.pick(random.chance(0.5) ? prefixes4 : prefixes6)
}

function labelSelector(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [3, () => ({matchLabels: {app: random.pick(apps)}})],
    [1, () => ({matchLabels: {app: random.pick(apps), tier: random.pick(['front', 'back'])}})],
    [
      1,
      () => ({
        matchExpressions: [{key: 'app', operator: random.pick(['In', 'NotIn']), values: random.some(apps, 1, 2)}],
      }),
    ],
    [1, () => ({matchExpressions: [{key: 'tier', operator: random.pick(['Exists', 'DoesNotExist'])}]})],
  )
}

function namespaceSelector(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [2, () => ({matchLabels: {team: random.pick(['x', 'y'])}})],
    [1, () => ({matchExpressions: [{key: 'env', operator: random.pick(['Exists', 'DoesNotExist'])}]})],
    [1, () => ({matchExpressions: [{key: 'team', operator: random.pick(['In', 'NotIn']), values: ['x']}]})],
  )
}

/** Selectors of Cilium's kinds: label keys may name a source, a namespace, or something reserved. */
function tagSelector(random: Random): PolicyObject {
  return random.choose<PolicyObject>(
    [5, () => labelSelector(random)],
    [1, () => ({matchLabels: {'k8s:app': random.pick(apps)}})],
    [2, () => ({matchLabels: {'k8s:io.kubernetes.pod.namespace': random.pick(namespaces)}})],
    [1, () => ({matchLabels: {'io.kubernetes.pod.namespace': random.pick(namespaces), app: random.pick(apps)}})],
    [1, () => ({matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': random.pick(['x', 'y'])}})],
    [1, () => ({matchLabels: {'io.cilium.k8s.policy.serviceaccount': 'robot'}})],
    [1, () => ({matchLabels: {'io.cilium.k8s.policy.cluster': random.pick(['default', 'east'])}})],
    [
      0.7,
      () => ({
        matchExpressions: [{key: `reserved:${random.pick(['host', 'remote-node', 'world-ipv4'])}`, operator: 'Exists'}],
      }),
    ],
    [
      0.5,
      () => ({
        matchExpressions: [{key: 'io.kubernetes.pod.namespace', operator: 'NotIn', values: [random.pick(namespaces)]}],
      }),
    ],
  )
}

function list<T>(random: Random, least: number, most: number, make: () => T): T[] {
  return Array.from({length: least + random.below(most - least + 1)}, make)
}
