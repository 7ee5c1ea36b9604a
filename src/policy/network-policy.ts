/**
 * NetworkPolicy (networking.k8s.io/v1) into the intermediate form, as the Kubernetes API documents it: lists of
 * peers and ports that are missing or empty mean everything here, unlike in Cilium's own kinds.
 */
import {derivedKeys} from '../model/labels.ts'
import {isPortName, protocolNumbers} from '../model/port.ts'
import {absentSelector, anySelector, intersectSelectors, type Requirement, type Selector} from '../model/selector.ts'
import {type Fields, has, join, ObjectReader, own, show} from './object-reader.ts'
import {keyExists, keyIs, limitToCluster, narrow, type PolicyOptions, requirementsOf} from './options.ts'
import {policyRef} from './policy-ref.ts'
import {
  type CheckedPolicy,
  type Direction,
  directions,
  type Peer,
  type Peers,
  type PolicyRef,
  type Port,
  type Ports,
  type Rule,
  somePeers,
  somePorts,
} from './rule.ts'

/** @param object as it came from the API server or a file; nothing about it is trusted */
export function checkNetworkPolicy(object: unknown, options: PolicyOptions): CheckedPolicy {
  const read = new ObjectReader()
  const ref = policyRef('NetworkPolicy', object, read)
  const spec = read.object(own(read.object(object, '') ?? {}, 'spec'), 'spec')
  if (spec === undefined) read.refuse('spec', 'is missing')
  const fields = spec ?? {}
  read.onlyFields(fields, ['podSelector', 'ingress', 'egress', 'policyTypes'], 'spec')
  const pods = read.selector(own(fields, 'podSelector'), 'spec.podSelector', 'k8s') ?? anySelector
  const isolates = policyTypes(fields, read)
  const rules = directions.flatMap((direction) =>
    isolates[direction] ? directionRules(fields, direction, {ref, read, options}) : [],
  )
  if (read.problems.length > 0) return {ok: false, ref, problems: read.problems}
  const selector = narrow(pods, [keyIs(derivedKeys.namespace, ref.namespace)])
  const subject = {kind: 'endpoints', selector} as const
  return {
    ok: true,
    policy: {ref, specs: [{index: 0, subject, isolates, rules, log: undefined}], unenforceable: [], warnings: []},
  }
}

interface Context {
  readonly ref: PolicyRef
  readonly read: ObjectReader
  readonly options: PolicyOptions
}

/** Without policyTypes: ingress, and egress only when there are egress rules. */
function policyTypes(spec: Fields, read: ObjectReader): {ingress: boolean; egress: boolean} {
  const types = read.list(spec, 'policyTypes', 'spec')
  if (types === undefined || types.length === 0) {
    return {ingress: true, egress: (read.list(spec, 'egress', 'spec') ?? []).length > 0}
  }
  for (const [index, type] of types.entries()) {
    if (type !== 'Ingress' && type !== 'Egress') {
      read.refuse(`spec.policyTypes[${index}]`, `must be Ingress or Egress, not ${show(type)}`)
    }
  }
  return {ingress: types.includes('Ingress'), egress: types.includes('Egress')}
}

function directionRules(spec: Fields, direction: Direction, context: Context): Rule[] {
  const {read, ref} = context
  const peersField = direction === 'ingress' ? 'from' : 'to'
  const rules: Rule[] = []
  for (const [index, value] of (read.list(spec, direction, 'spec') ?? []).entries()) {
    const path = `spec.${direction}[${index}]`
    const rule = read.object(value, path)
    if (rule === undefined) {
      if (value === undefined || value === null) read.refuse(path, 'must be an object')
      continue
    }
    read.onlyFields(rule, [peersField, 'ports'], path)
    rules.push({
      ref: {policy: ref, spec: 0, section: direction, index},
      direction,
      action: 'allow',
      peers: peers(rule, peersField, path, context),
      ports: ports(rule, path, read),
    })
  }
  return rules
}

function peers(rule: Fields, field: string, path: string, context: Context): Peers {
  const list = context.read.list(rule, field, path)
  if (list === undefined || list.length === 0) return {kind: 'any'}
  const found: Peer[] = []
  for (const [index, value] of list.entries()) {
    const peer = onePeer(value, `${path}.${field}[${index}]`, context)
    if (peer !== undefined) found.push(peer)
  }
  return somePeers(found)
}

function onePeer(value: unknown, path: string, {read, ref, options}: Context): Peer | undefined {
  const peer = read.object(value, path)
  if (peer === undefined || !(has(peer, 'podSelector') || has(peer, 'namespaceSelector') || has(peer, 'ipBlock'))) {
    read.refuse(path, 'must have podSelector, namespaceSelector or ipBlock')
    return undefined
  }
  read.onlyFields(peer, ['podSelector', 'namespaceSelector', 'ipBlock'], path)
  if (has(peer, 'ipBlock')) {
    if (has(peer, 'podSelector') || has(peer, 'namespaceSelector')) {
      read.refuse(path, 'ipBlock excludes podSelector and namespaceSelector')
    }
    return ipBlock(peer, path, read)
  }
  const pods = read.selector(own(peer, 'podSelector'), `${path}.podSelector`, 'k8s') ?? absentSelector
  const namespaces = read.selector(own(peer, 'namespaceSelector'), `${path}.namespaceSelector`, 'k8s')
  const where: Requirement[] =
    namespaces === undefined
      ? [keyIs(derivedKeys.namespace, ref.namespace)]
      : [keyExists(derivedKeys.namespace), ...requirementsOf(namespaces).map(ofNamespace)]
  const selector: Selector = intersectSelectors(pods, narrow(anySelector, where))
  return {kind: 'labels', selector: limitToCluster(selector, options)}
}

/** A namespace's labels are its pods' labels, with a prefix. */
function ofNamespace(requirement: Requirement): Requirement {
  return {...requirement, source: 'k8s', key: `${derivedKeys.namespaceLabels}.${requirement.key}`}
}

function ipBlock(peer: Fields, path: string, read: ObjectReader): Peer | undefined {
  const at = `${path}.ipBlock`
  const block = read.object(own(peer, 'ipBlock'), at)
  if (block === undefined) return undefined
  read.onlyFields(block, ['cidr', 'except'], at)
  const cidr = read.cidr(own(block, 'cidr'), join(at, 'cidr'), {bare: false})
  const except = read.except(block, at, cidr, {bare: false})
  return cidr === undefined ? undefined : {kind: 'cidrs', items: [{cidr, except}], reach: 'everywhere'}
}

function ports(rule: Fields, path: string, read: ObjectReader): Ports {
  const list = read.list(rule, 'ports', path)
  if (list === undefined || list.length === 0) return {kind: 'any'}
  const found: Port[] = []
  for (const [index, value] of list.entries()) {
    const at = `${path}.ports[${index}]`
    const port = read.object(value, at)
    if (port === undefined) read.refuse(at, 'must be an object')
    else found.push(...onePort(port, at, read))
  }
  return somePorts(found)
}

const protocols: Readonly<Record<string, number>> = {
  TCP: protocolNumbers.tcp,
  UDP: protocolNumbers.udp,
  SCTP: protocolNumbers.sctp,
}

function onePort(fields: Fields, path: string, read: ObjectReader): Port[] {
  read.onlyFields(fields, ['port', 'protocol', 'endPort'], path)
  const name = read.string(fields, 'protocol', path) ?? 'TCP'
  if (!Object.hasOwn(protocols, name)) {
    read.refuse(`${path}.protocol`, `must be TCP, UDP or SCTP, not ${show(name)}`)
    return []
  }
  const protocol = protocols[name]!
  const port = own(fields, 'port')
  const endPort = own(fields, 'endPort')
  if (port === undefined || port === null) {
    if (has(fields, 'endPort')) read.refuse(`${path}.endPort`, 'needs port')
    return [{kind: 'protocol', protocol}]
  }
  if (typeof port === 'string') {
    if (!isPortName(port)) read.refuse(`${path}.port`, `neither a port number nor a port name: ${show(port)}`)
    if (has(fields, 'endPort')) read.refuse(`${path}.endPort`, 'needs a numeric port')
    return [{kind: 'name', protocol, name: port}]
  }
  if (!isPort(port)) {
    read.refuse(`${path}.port`, `must be 1 to 65535, not ${show(port)}`)
    return []
  }
  if (endPort === undefined || endPort === null) return [{kind: 'range', protocol, first: port, last: port}]
  if (!isPort(endPort) || endPort < port) {
    read.refuse(`${path}.endPort`, `must be ${port} to 65535, not ${show(endPort)}`)
    return []
  }
  return [{kind: 'range', protocol, first: port, last: endPort}]
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535
}
