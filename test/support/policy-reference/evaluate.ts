/**
 * An evaluator of policies written from what their documentation says, one question at a time, straight over the
 * objects. It shares no code with the compiler on purpose, and it is slow on purpose: no index, no intermediate form.
 */
import {BlockList} from 'node:net'
import {
  isPod,
  type Party,
  type PolicyObject,
  type Question,
  type Subject,
  type World,
  type WorldNode,
  type WorldPod,
} from './world.ts'

/** What kinds of rule decided, for counting whether the tests meet each of them. */
export type Shape =
  | 'deny'
  | 'deny over allow'
  | 'port range'
  | 'named port'
  | 'cidr'
  | 'cidr with except'
  | 'cidr group'
  | 'entity'
  | 'icmp'
  | 'empty selector'
  | 'namespace selector'
  | 'any peer'
  | 'any port'
  | 'service'
  | 'node selector'
  | 'filter'
  | 'host policy'
  | 'failsafe'
  | 'default deny'
  | 'default allow'

export interface Decision {
  readonly allowed: boolean
  readonly shapes: readonly Shape[]
}

interface Tag {
  readonly source: string
  readonly key: string
  readonly value: string
}

type Found = Set<Shape> | undefined

/** May this pass? */
export function evaluate(world: World, question: Question): Decision {
  if (world.mode === 'never') return {allowed: true, shapes: ['default allow']}
  const {subject} = question
  const ofNode = !isPod(subject)
  // `always` is about pods
  let isolated = world.mode === 'always' && !ofNode
  let allow: Found
  let deny: Found
  let filter: Found
  for (const policy of world.policies) {
    if (policy.kind === 'NetworkPolicy') {
      if (ofNode || !kubernetesSelects(policy, subject)) continue
      const types: string[] = policy.spec.policyTypes ?? ['Ingress', ...(policy.spec.egress?.length ? ['Egress'] : [])]
      if (!types.includes(question.direction === 'ingress' ? 'Ingress' : 'Egress')) continue
      isolated = true
      for (const rule of policy.spec[question.direction] ?? []) {
        allow = both(kubernetesPeers(world, policy, rule, question), kubernetesPorts(rule, question)) ?? allow
      }
      continue
    }
    for (const spec of [...(policy.spec ? [policy.spec] : []), ...(policy.specs ?? [])]) {
      if (!ciliumSelects(world, policy, spec, subject)) continue
      const rules = spec[question.direction] ?? []
      const denies = spec[`${question.direction}Deny`] ?? []
      const said = spec.enableDefaultDeny?.[question.direction]
      if (said ?? rules.length + denies.length > 0) isolated = true
      for (const rule of denies) deny = ciliumMatch(world, policy, spec, rule, question, rule.toPorts) ?? deny
      for (const rule of rules) {
        if (rule.toFQDNs) continue // nothing is known of names
        const filtered = (entry: PolicyObject) => entry.rules && Object.keys(entry.rules).length > 0
        const authenticated = rule.authentication !== undefined && rule.authentication.mode !== 'disabled'
        const plain = rule.toPorts?.filter((entry: PolicyObject) => !filtered(entry))
        const match = ciliumMatch(world, policy, spec, rule, question, plain)
        if (authenticated) filter = match ?? filter
        else allow = match ?? allow
        const rest = rule.toPorts?.filter(filtered) ?? []
        if (rest.length > 0) filter = ciliumMatch(world, policy, spec, rule, question, rest) ?? filter
      }
    }
  }
  const own: readonly Shape[] = ofNode ? ['host policy'] : []
  if ((deny || filter || isolated) && staysOpen(world, question)) return {allowed: true, shapes: ['failsafe']}
  if (deny) return {allowed: false, shapes: [...deny, ...own, 'deny', ...(allow ? (['deny over allow'] as const) : [])]}
  if (allow && isolated) return {allowed: true, shapes: [...allow, ...own]}
  if (allow) return {allowed: true, shapes: ['default allow']}
  if (filter) return {allowed: false, shapes: [...filter, ...own, 'filter']}
  return isolated ? {allowed: false, shapes: ['default deny', ...own]} : {allowed: true, shapes: ['default allow']}
}

/** What keeps a node within reach: ports for anybody, echo requests for other nodes. */
function staysOpen({failsafe}: World, {subject, direction, peer, protocol, port}: Question): boolean {
  if (isPod(subject) || failsafe === undefined) return false
  const echo = (protocol === 1 && port === 8) || (protocol === 58 && port === 128)
  if (echo) return peer.kind === 'node'
  const ports = [10_250, failsafe.health, failsafe.apiServer, ...(direction === 'ingress' ? [22] : [])]
  return protocol === 6 && ports.includes(port)
}

function both(peers: Found, ports: Found): Found {
  return peers && ports ? new Set([...peers, ...ports]) : undefined
}

// ---- NetworkPolicy

function kubernetesSelects(policy: PolicyObject, pod: WorldPod): boolean {
  return pod.namespace === policy.metadata.namespace && plainMatch(policy.spec.podSelector ?? {}, pod.labels)
}

function kubernetesPeers(world: World, policy: PolicyObject, rule: PolicyObject, question: Question): Found {
  const list = question.direction === 'ingress' ? rule.from : rule.to
  if (!list || list.length === 0) return new Set(['any peer'])
  for (const item of list) {
    if (item.ipBlock) {
      if (!inCidr(item.ipBlock.cidr, question.peer.ip)) continue
      if ((item.ipBlock.except ?? []).some((hole: string) => inCidr(hole, question.peer.ip))) continue
      return new Set([item.ipBlock.except?.length ? 'cidr with except' : 'cidr'])
    }
    if (question.peer.kind !== 'pod') continue
    const {pod} = question.peer
    if (item.namespaceSelector) {
      if (!plainMatch(item.namespaceSelector, world.namespaces[pod.namespace] ?? {})) continue
    } else if (pod.namespace !== policy.metadata.namespace) continue
    if (item.podSelector && !plainMatch(item.podSelector, pod.labels)) continue
    const shapes = new Set<Shape>()
    if (item.namespaceSelector) shapes.add('namespace selector')
    if (isEmpty(item.podSelector) || isEmpty(item.namespaceSelector)) shapes.add('empty selector')
    return shapes
  }
  return undefined
}

function kubernetesPorts(rule: PolicyObject, question: Question): Found {
  if (!rule.ports || rule.ports.length === 0) return new Set(['any port'])
  for (const {port, endPort, protocol = 'TCP'} of rule.ports) {
    if (protocolNumber(protocol) !== question.protocol) continue
    if (port === undefined) return new Set(['any port'])
    if (typeof port === 'string') {
      if (namedPorts(question, port, protocol).includes(question.port)) return new Set(['named port'])
    } else if (question.port >= port && question.port <= (endPort ?? port)) {
      return new Set(endPort > port ? ['port range'] : [])
    }
  }
  return undefined
}

/** The numbers that a port name stands for, which the receiving pod alone says. */
function namedPorts({direction, subject, peer}: Question, name: string, protocol: string): number[] {
  const receiver =
    direction === 'ingress' ? (isPod(subject) ? subject : undefined) : peer.kind === 'pod' ? peer.pod : undefined
  return (receiver?.ports ?? []).filter((p) => p.name === name && p.protocol === protocol).map((p) => p.port)
}

function plainMatch(selector: PolicyObject, labels: Readonly<Record<string, string>>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false
  for (const {key, operator, values} of selector.matchExpressions ?? []) {
    const value = labels[key]
    if (operator === 'In' && (value === undefined || !values.includes(value))) return false
    if (operator === 'NotIn' && value !== undefined && values.includes(value)) return false
    if (operator === 'Exists' && value === undefined) return false
    if (operator === 'DoesNotExist' && value !== undefined) return false
  }
  return true
}

// ---- Cilium's kinds

function ciliumSelects(world: World, policy: PolicyObject, spec: PolicyObject, subject: Subject): boolean {
  if (!isPod(subject)) return spec.nodeSelector !== undefined && tagMatch(spec.nodeSelector, tagsOfNode(subject), 'any')
  if (spec.nodeSelector) return false
  const pod = subject
  if (policy.kind === 'CiliumNetworkPolicy') {
    if (pod.namespace !== policy.metadata.namespace) return false
    return tagMatch(withoutNamespace(spec.endpointSelector), tagsOfPod(world, pod), 'any')
  }
  return tagMatch(spec.endpointSelector, tagsOfPod(world, pod), 'any')
}

/** A namespaced policy is for its own namespace whatever its selector says of namespaces. */
function withoutNamespace(selector: PolicyObject): PolicyObject {
  const named = (key: string) => key.slice(key.indexOf(':') + 1) === 'io.kubernetes.pod.namespace'
  return {
    matchLabels: Object.fromEntries(Object.entries(selector.matchLabels ?? {}).filter(([key]) => !named(key))),
    matchExpressions: (selector.matchExpressions ?? []).filter(
      (e: PolicyObject) => !(named(e.key) && e.operator === 'In'),
    ),
  }
}

function ciliumMatch(
  world: World,
  policy: PolicyObject,
  spec: PolicyObject,
  rule: PolicyObject,
  question: Question,
  toPorts: PolicyObject[] | undefined,
): Found {
  const ports = ciliumPorts(rule, toPorts, question)
  return ports && both(ciliumPeers(world, policy, spec, rule, question), ports)
}

function ciliumPeers(
  world: World,
  policy: PolicyObject,
  spec: PolicyObject,
  rule: PolicyObject,
  question: Question,
): Found {
  const {peer} = question
  const at = (name: string) => rule[(question.direction === 'ingress' ? 'from' : 'to') + name]
  const lists = ['Endpoints', 'CIDR', 'CIDRSet', 'Entities', 'Services', 'Nodes'].filter(
    (name) => at(name) !== undefined,
  )
  if (lists.length === 0) return rule.toPorts || rule.icmps ? new Set(['any peer']) : undefined
  const tags = tagsOf(world, peer)
  for (const selector of at('Endpoints') ?? []) {
    if (!tagMatch(selector, tags, 'any')) continue
    if (!inScope(world, policy, spec, selector, tags)) continue
    return new Set(isEmpty(selector) ? ['empty selector'] : [])
  }
  for (const selector of at('Nodes') ?? []) {
    if (peer.kind === 'node' && tagMatch(selector, tags, 'node')) return new Set(['node selector'])
  }
  for (const entity of at('Entities') ?? []) if (isEntity(world, entity, peer, tags)) return new Set(['entity'])
  if (peer.kind === 'outside' || (peer.kind === 'node' && world.cidrMatchesNodes)) {
    for (const cidr of at('CIDR') ?? []) if (inCidr(cidr, peer.ip)) return new Set(['cidr'])
    for (const item of at('CIDRSet') ?? []) {
      const cidrs: string[] = item.cidr
        ? [item.cidr]
        : world.cidrGroups
            .filter((group) =>
              item.cidrGroupRef ? group.name === item.cidrGroupRef : plainMatch(item.cidrGroupSelector, group.labels),
            )
            .flatMap((group) => group.cidrs)
      if (!cidrs.some((cidr) => inCidr(cidr, peer.ip))) continue
      if ((item.except ?? []).some((hole: string) => inCidr(hole, peer.ip))) continue
      return new Set([item.cidr ? (item.except?.length ? 'cidr with except' : 'cidr') : 'cidr group'])
    }
  }
  for (const item of at('Services') ?? []) {
    const wanted = item.k8sService ?? item.k8sServiceSelector
    const namespace = wanted.namespace ?? policy.metadata.namespace
    for (const service of world.services) {
      if (namespace !== undefined && service.namespace !== namespace) continue
      if (item.k8sService && service.name !== wanted.serviceName) continue
      if (item.k8sServiceSelector && !plainMatch(wanted.selector, service.labels)) continue
      const {selector} = service
      const hit = selector
        ? peer.kind === 'pod' &&
          peer.pod.namespace === service.namespace &&
          Object.keys(selector).length > 0 &&
          plainMatch({matchLabels: selector}, peer.pod.labels)
        : service.backends.includes(peer.ip)
      if (hit) return new Set(['service'])
    }
  }
  return undefined
}

/** Selectors that do not say which namespace, cluster or reserved thing they mean are limited. */
function inScope(world: World, policy: PolicyObject, spec: PolicyObject, selector: PolicyObject, tags: Tag[]): boolean {
  const names = selectorNames(selector)
  const reserved = names.some(({source}) => source === 'reserved')
  const namespaced = names.some(
    ({key}) => key === 'io.kubernetes.pod.namespace' || key.startsWith('io.cilium.k8s.namespace.labels.'),
  )
  const get = (key: string) => tags.find((tag) => tag.source === 'k8s' && tag.key === key)?.value
  const init = selectorNames(spec.endpointSelector ?? {}).some(
    ({source, key}) => source === 'reserved' && key === 'init',
  )
  if (!reserved && !namespaced) {
    const namespace = get('io.kubernetes.pod.namespace')
    if (policy.kind === 'CiliumNetworkPolicy' && namespace !== policy.metadata.namespace) return false
    if (policy.kind === 'CiliumClusterwideNetworkPolicy') {
      if (init) return true
      if (namespace === undefined) return false
    }
  }
  if (reserved || names.some(({key}) => key === 'io.cilium.k8s.policy.cluster')) return true
  return get('io.cilium.k8s.policy.cluster') === world.cluster
}

function isEntity(world: World, entity: string, peer: Party, tags: Tag[]): boolean {
  const reserved = (name: string) => tags.some((tag) => tag.source === 'reserved' && tag.key === name)
  const cluster = tags.find((tag) => tag.key === 'io.cilium.k8s.policy.cluster')?.value
  switch (entity) {
    case 'all':
      return true
    case 'none':
      return false
    case 'world':
      return peer.kind === 'outside'
    case 'cluster':
      return peer.kind === 'node' || cluster === world.cluster
    case 'cluster-mesh':
      return peer.kind === 'node' || cluster !== undefined
    default:
      return reserved(entity)
  }
}

function ciliumPorts(rule: PolicyObject, toPorts: PolicyObject[] | undefined, question: Question): Found {
  if (rule.icmps) {
    for (const {fields} of rule.icmps) {
      for (const {family = 'IPv4', type} of fields) {
        const protocol = family === 'IPv4' ? 1 : 58
        if (question.protocol === protocol && icmpNumber(type, family) === question.port) return new Set(['icmp'])
      }
    }
    return undefined
  }
  if (rule.toPorts === undefined) return new Set(['any port'])
  for (const entry of toPorts ?? []) {
    for (const {port, endPort, protocol = 'ANY'} of entry.ports ?? []) {
      const names = protocol === 'ANY' ? ['TCP', 'UDP', 'SCTP'] : [protocol]
      const name = names.find((candidate) => protocolNumber(candidate) === question.protocol)
      if (name === undefined) continue
      if (port === undefined || port === '0') return new Set(['any port'])
      if (!/^\d+$/.test(port)) {
        if (namedPorts(question, port.toLowerCase(), name).includes(question.port)) return new Set(['named port'])
      } else if (question.port >= Number(port) && question.port <= Math.max(Number(port), endPort ?? 0)) {
        return new Set(endPort > Number(port) ? ['port range'] : [])
      }
    }
  }
  return undefined
}

function icmpNumber(type: string | number, family: string): number {
  const names: Record<string, number> =
    family === 'IPv4'
      ? {EchoReply: 0, DestinationUnreachable: 3, EchoRequest: 8, Timestamp: 13}
      : {PacketTooBig: 2, EchoRequest: 128, EchoReply: 129}
  return names[type] ?? Number(type)
}

const podTags = new WeakMap<World, Map<WorldPod, Tag[]>>()

function tagsOfPod(world: World, pod: WorldPod): Tag[] {
  let known = podTags.get(world)
  if (known === undefined) podTags.set(world, (known = new Map()))
  let tags = known.get(pod)
  if (tags === undefined) known.set(pod, (tags = makePodTags(world, pod)))
  return tags
}

/** Of a node whom policies are about; as a peer it is known by what it is, and by its labels where that is wanted. */
function tagsOfNode({labels}: WorldNode): Tag[] {
  const own = Object.entries(labels).map(([key, value]) => ({source: 'k8s', key, value}))
  return [...own, {source: 'reserved', key: 'host', value: ''}]
}

function makePodTags(world: World, pod: WorldPod): Tag[] {
  const tags: Tag[] = Object.entries(pod.labels).map(([key, value]) => ({source: 'k8s', key, value}))
  for (const [key, value] of Object.entries(world.namespaces[pod.namespace] ?? {})) {
    tags.push({source: 'k8s', key: `io.cilium.k8s.namespace.labels.${key}`, value})
  }
  tags.push({source: 'k8s', key: 'io.kubernetes.pod.namespace', value: pod.namespace})
  tags.push({source: 'k8s', key: 'io.cilium.k8s.policy.serviceaccount', value: pod.serviceAccount})
  tags.push({source: 'k8s', key: 'io.cilium.k8s.policy.cluster', value: world.cluster})
  return tags
}

function tagsOf(world: World, peer: Party): Tag[] {
  const reserved = (key: string): Tag => ({source: 'reserved', key, value: ''})
  if (peer.kind === 'pod') return tagsOfPod(world, peer.pod)
  if (peer.kind === 'outside') return [reserved(peer.ip.includes(':') ? 'world-ipv6' : 'world-ipv4')]
  const tags = [reserved(peer.node.local ? 'host' : 'remote-node')]
  if (peer.node.apiServer) tags.push(reserved('kube-apiserver'))
  if (!world.nodeSelectors) return tags
  for (const [key, value] of Object.entries(peer.node.labels)) tags.push({source: 'node', key, value})
  for (const source of ['node', 'k8s']) tags.push({source, key: 'io.cilium.k8s.policy.cluster', value: world.cluster})
  return tags
}

function selectorNames(selector: PolicyObject): {source: string; key: string}[] {
  const keys = [
    ...Object.keys(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map((e: PolicyObject) => e.key),
  ]
  return keys.map((text: string) => splitKey(text, 'any'))
}

function splitKey(text: string, source: string): {source: string; key: string} {
  const colon = text.indexOf(':')
  return colon < 0 ? {source, key: text} : {source: text.slice(0, colon), key: text.slice(colon + 1)}
}

function tagMatch(selector: PolicyObject, tags: readonly Tag[], defaultSource: string): boolean {
  const valuesOf = (text: string) => {
    const {source, key} = splitKey(text, defaultSource)
    return tags.filter((tag) => tag.key === key && (source === 'any' || tag.source === source)).map((tag) => tag.value)
  }
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (!valuesOf(key).includes(value as string)) return false
  }
  for (const {key, operator, values} of selector.matchExpressions ?? []) {
    const found = valuesOf(key)
    if (operator === 'In' && !found.some((value) => values.includes(value))) return false
    if (operator === 'NotIn' && found.some((value) => values.includes(value))) return false
    if (operator === 'Exists' && found.length === 0) return false
    if (operator === 'DoesNotExist' && found.length > 0) return false
  }
  return true
}

function isEmpty(selector: PolicyObject): boolean {
  return (
    selector !== undefined &&
    Object.keys(selector.matchLabels ?? {}).length === 0 &&
    (selector.matchExpressions ?? []).length === 0
  )
}

function protocolNumber(name: string): number {
  return {TCP: 6, UDP: 17, SCTP: 132}[name] ?? 255
}

const answers = new Map<string, boolean>()

/** Node's own prefix matching; a bare address is a prefix of itself. */
function inCidr(cidr: string, ip: string): boolean {
  const key = `${cidr} ${ip}`
  const known = answers.get(key)
  if (known !== undefined) return known
  const family = (address: string) => (address.includes(':') ? 'ipv6' : 'ipv4')
  const [network, length] = cidr.split('/') as [string, string | undefined]
  const list = new BlockList()
  list.addSubnet(network, Number(length ?? (family(network) === 'ipv6' ? 128 : 32)), family(network))
  const answer = family(network) === family(ip) && list.check(ip, family(ip))
  if (answers.size < 1_000_000) answers.set(key, answer)
  return answer
}
