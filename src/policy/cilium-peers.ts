/** Who the other end may be, as a rule of a Cilium policy says it. */
import {derivedKeys} from '../model/labels.ts'
import {matchAll, type Selector} from '../model/selector.ts'
import {entityPeers} from './entities.ts'
import {type Fields, has, own, show} from './object-reader.ts'
import {keyExists, keyIs, limitToCluster, narrow, requirementsOf} from './options.ts'
import {type CidrItem, type Direction, type Peer, type Peers, somePeers} from './rule.ts'
import type {RuleContext} from './rule-context.ts'

/**
 * @returns undefined when the rule names no peer at all; a list that is there and empty selects nobody
 */
export function rulePeers(fields: Fields, path: string, direction: Direction, context: RuleContext): Peers | undefined {
  const {read} = context
  const from = direction === 'ingress' ? 'from' : 'to'
  const kinds = ['Endpoints', 'CIDR', 'CIDRSet', 'Entities', 'Groups', 'Nodes', 'Services', 'FQDNs']
  const used = kinds.map((kind) => from + kind).filter((field) => has(fields, field))
  if (used.length > 1) read.refuse(path, `only one of ${used.join(', ')} in one rule`)
  if ((read.list(fields, `${from}Requires`, path) ?? []).length > 0) {
    read.refuse(`${path}.${from}Requires`, 'is no longer supported')
  }
  const field = used[0]
  if (field === undefined || field === 'toFQDNs') return undefined
  const peers: Peer[] = []
  for (const [index, value] of (read.list(fields, field, path) ?? []).entries()) {
    peers.push(...onePeer(field.slice(from.length), value, `${path}.${field}[${index}]`, context))
  }
  // several prefixes of one list are one question to an address
  const cidrs = peers.flatMap((peer) => (peer.kind === 'cidrs' ? peer.items : []))
  const others = peers.filter((peer) => peer.kind !== 'cidrs')
  return somePeers(cidrs.length === 0 ? others : [...others, {kind: 'cidrs', items: cidrs, reach: 'outside'}])
}

function onePeer(kind: string, value: unknown, path: string, context: RuleContext): Peer[] {
  const {read, options} = context
  switch (kind) {
    case 'Endpoints': {
      const selector = read.selector(value, path, 'any')
      if (selector === undefined) read.refuse(path, 'must be an object')
      return selector === undefined ? [] : [{kind: 'labels', selector: endpointScope(selector, context)}]
    }
    case 'CIDR': {
      const cidr = read.cidr(value, path, {bare: true})
      return cidr === undefined ? [] : [outside({cidr, except: []})]
    }
    case 'CIDRSet':
      return cidrSet(value, path, context)
    case 'Entities': {
      const peers = entityPeers(value, options)
      if (peers === undefined) read.refuse(path, `no such entity: ${show(value)}`)
      return peers ?? []
    }
    case 'Nodes': {
      if (!options.nodeSelectors) read.refuse(path, 'nodes are not told apart (nodeSelectorLabels is off)')
      const selector = read.selector(value, path, 'node')
      if (selector === undefined) read.refuse(path, 'must be an object')
      return selector === undefined
        ? []
        : ['host', 'remote-node'].map((name) => ({
            kind: 'labels' as const,
            selector: narrow(limitToCluster(selector, options), [keyExists(name, 'reserved')]),
          }))
    }
    case 'Services':
      return service(value, path, context)
    default:
      // groups of a cloud provider: their addresses cannot be known here
      read.refuse(path, 'groups of cloud providers are not supported')
      return []
  }
}

/**
 * Which endpoints a selector means when it does not say: those of the policy's namespace; in a clusterwide policy
 * those that have a namespace at all, that is pods.
 */
function endpointScope(selector: Selector, {ref, options, init}: RuleContext): Selector {
  const requirements = requirementsOf(selector)
  const scoped = requirements.some(
    ({source, key}) =>
      key === derivedKeys.namespace || key.startsWith(`${derivedKeys.namespaceLabels}.`) || source === 'reserved',
  )
  if (scoped) return limitToCluster(selector, options)
  if (ref.namespace !== '') {
    return limitToCluster(narrow(selector, [keyIs(derivedKeys.namespace, ref.namespace)]), options)
  }
  if (init) return selector
  return limitToCluster(narrow(selector, [keyExists(derivedKeys.namespace)]), options)
}

function outside(item: CidrItem): Peer {
  return {kind: 'cidrs', items: [item], reach: 'outside'}
}

function cidrSet(value: unknown, path: string, {read}: RuleContext): Peer[] {
  const fields = read.object(value, path)
  const ways = ['cidr', 'cidrGroupRef', 'cidrGroupSelector']
  if (fields === undefined || ways.filter((way) => has(fields, way)).length !== 1) {
    read.refuse(path, 'needs exactly one of cidr, cidrGroupRef and cidrGroupSelector')
    return []
  }
  read.onlyFields(fields, [...ways, 'except'], path)
  if (has(fields, 'cidr')) {
    const cidr = read.cidr(own(fields, 'cidr'), `${path}.cidr`, {bare: true})
    const except = read.except(fields, path, cidr, {bare: true})
    return cidr === undefined ? [] : [outside({cidr, except})]
  }
  const except = read.except(fields, path, undefined, {bare: true})
  const name = read.string(fields, 'cidrGroupRef', path)
  if (name === '') read.refuse(`${path}.cidrGroupRef`, 'must not be empty')
  if (name !== undefined) return [{kind: 'cidr-group', group: {name}, except, reach: 'outside'}]
  const selector = read.selector(own(fields, 'cidrGroupSelector'), `${path}.cidrGroupSelector`, 'any')
  return selector === undefined ? [] : [{kind: 'cidr-group', group: {selector}, except, reach: 'outside'}]
}

/** Services stand for their backends. Without a namespace: the policy's own; any, in a clusterwide policy. */
function service(value: unknown, path: string, {read, ref}: RuleContext): Peer[] {
  const fields = read.object(value, path) ?? {}
  read.onlyFields(fields, ['k8sServiceSelector', 'k8sService'], path)
  if (has(fields, 'k8sServiceSelector') === has(fields, 'k8sService')) {
    read.refuse(path, 'needs exactly one of k8sService and k8sServiceSelector')
    return []
  }
  const key = has(fields, 'k8sService') ? 'k8sService' : 'k8sServiceSelector'
  const at = `${path}.${key}`
  const inner = read.object(own(fields, key), at) ?? {}
  read.onlyFields(inner, key === 'k8sService' ? ['serviceName', 'namespace'] : ['selector', 'namespace'], at)
  const own_ = ref.namespace === '' ? undefined : ref.namespace
  const namespace = read.string(inner, 'namespace', at) || own_
  if (key === 'k8sService') {
    const name = read.string(inner, 'serviceName', at) ?? ''
    if (name === '') read.refuse(`${at}.serviceName`, 'is missing')
    return [{kind: 'service', namespace, service: {name}}]
  }
  const selector = read.selector(own(inner, 'selector'), `${at}.selector`, 'any')
  if (selector === undefined) read.refuse(`${at}.selector`, 'is missing')
  return [{kind: 'service', namespace, service: {selector: selector ?? matchAll([])}}]
}
