/** Ports and ICMP types, as a rule of a Cilium policy says them, and what of it only a proxy could enforce. */
import {isPortName, parsePort, protocolNumbers} from '../model/port.ts'
import {parseIcmpType} from './icmp-types.ts'
import {type Fields, has, type ObjectReader, own, show} from './object-reader.ts'
import {type Direction, type Port, type Ports, type Problem, type Subject, somePorts} from './rule.ts'
import type {RuleContext} from './rule-context.ts'

const entriesMax = 40

interface PortContext {
  readonly direction: Direction
  readonly deny: boolean
  readonly subject: Subject
  readonly context: RuleContext
}

export interface RulePorts {
  readonly plain: Ports
  /** of entries that want more than ports: only a proxy could tell what they allow */
  readonly filtered: Ports
  readonly filters: readonly Problem[]
}

/** The ports of a rule, apart by whether an entry filters beyond them. */
export function rulePorts(fields: Fields, path: string, at: PortContext): RulePorts {
  const {read} = at.context
  const none: Ports = {kind: 'none'}
  if (has(fields, 'toPorts') && has(fields, 'icmps')) read.refuse(path, 'toPorts and icmps exclude one another')
  const icmps = read.list(fields, 'icmps', path)
  if (icmps !== undefined) return {plain: icmpPorts(icmps, `${path}.icmps`, read), filtered: none, filters: []}
  const toPorts = read.list(fields, 'toPorts', path)
  if (toPorts === undefined) return {plain: {kind: 'any'}, filtered: none, filters: []}
  const plain: Port[] = []
  const filtered: Port[] = []
  const filters: Problem[] = []
  for (const [index, value] of toPorts.entries()) {
    const where = `${path}.toPorts[${index}]`
    const entry = read.object(value, where)
    if (entry === undefined) {
      read.refuse(where, 'must be an object')
      continue
    }
    const wants = entryFilters(entry, where, at)
    filters.push(...wants)
    ;(wants.length > 0 ? filtered : plain).push(...entryPorts(entry, where, at))
  }
  return {plain: somePorts(plain), filtered: somePorts(filtered), filters}
}

/** A list of ports that is missing or empty is no port at all. */
function entryPorts(entry: Fields, path: string, {deny, context}: PortContext): Port[] {
  const {read} = context
  const allowOnly = ['terminatingTLS', 'originatingTLS', 'serverNames', 'listener', 'rules']
  read.onlyFields(entry, deny ? ['ports'] : ['ports', ...allowOnly], path)
  const list = read.list(entry, 'ports', path) ?? []
  if (list.length > entriesMax) read.refuse(`${path}.ports`, `at most ${entriesMax}, not ${list.length}`)
  if (list.length === 0) {
    context.warnings.push({path: `${path}.ports`, reason: 'no port is listed, so the rule matches nothing'})
  }
  return list.flatMap((value, index) => {
    const where = `${path}.ports[${index}]`
    const port = read.object(value, where)
    if (port === undefined) read.refuse(where, 'must be an object')
    return port === undefined ? [] : onePort(port, where, context)
  })
}

const transport = [protocolNumbers.tcp, protocolNumbers.udp, protocolNumbers.sctp]
const protocols: Readonly<Record<string, readonly number[]>> = {
  ANY: transport,
  '': transport,
  TCP: [protocolNumbers.tcp],
  UDP: [protocolNumbers.udp],
  SCTP: [protocolNumbers.sctp],
}
/** IANA numbers of protocols without ports. */
const portless: Readonly<Record<string, number>> = {
  ...{IGMP: 2, IPIP: 4, IPV6: 41, GRE: 47, ESP: 50, AH: 51, VRRP: 112},
}

function onePort(fields: Fields, path: string, {read, options}: RuleContext): Port[] {
  read.onlyFields(fields, ['port', 'endPort', 'protocol'], path)
  const name = (read.string(fields, 'protocol', path) ?? '').toUpperCase()
  const text = read.string(fields, 'port', path) ?? ''
  const endPort = own(fields, 'endPort') ?? 0
  if (!isEndPort(endPort)) read.refuse(`${path}.endPort`, `must be 0 to 65535, not ${show(endPort)}`)
  const last = isEndPort(endPort) ? endPort : 0
  if (Object.hasOwn(portless, name)) {
    if (!options.extendedProtocols) read.refuse(`${path}.protocol`, `${name} needs enable-extended-ip-protocols`)
    if (text !== '' && text !== '0') read.refuse(`${path}.port`, `${name} has no ports`)
    return [{kind: 'protocol', protocol: portless[name]!}]
  }
  if (!Object.hasOwn(protocols, name)) {
    read.refuse(`${path}.protocol`, `no such protocol: ${show(name)}`)
    return []
  }
  const numbers = protocols[name]!
  const first = text === '' ? 0 : parsePort(text, {zero: true})
  if (first === undefined) {
    const lower = text.toLowerCase()
    if (!isPortName(lower)) read.refuse(`${path}.port`, `neither a port number nor a port name: ${show(text)}`)
    if (last !== 0) read.refuse(`${path}.endPort`, 'needs a numeric port')
    return numbers.map((protocol) => ({kind: 'name', protocol, name: lower}))
  }
  if (first === 0) {
    if (last !== 0) read.refuse(`${path}.endPort`, 'needs a port to begin at')
    return numbers.map((protocol) => ({kind: 'protocol', protocol}))
  }
  if (last !== 0 && last < first) read.refuse(`${path}.endPort`, `must not be less than ${first}`)
  return numbers.map((protocol) => ({kind: 'range', protocol, first, last: Math.max(first, last)}))
}

function isEndPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65535
}

function icmpPorts(list: readonly unknown[], path: string, read: ObjectReader): Ports {
  const found: Port[] = []
  for (const [index, value] of list.entries()) {
    const at = `${path}[${index}]`
    const entry = read.object(value, at) ?? {}
    read.onlyFields(entry, ['fields'], at)
    const fields = read.list(entry, 'fields', at) ?? []
    if (fields.length > entriesMax) read.refuse(`${at}.fields`, `at most ${entriesMax}, not ${fields.length}`)
    for (const [n, inner] of fields.entries()) {
      const where = `${at}.fields[${n}]`
      const field = read.object(inner, where) ?? {}
      read.onlyFields(field, ['family', 'type'], where)
      const family = own(field, 'family') ?? 'IPv4'
      if (family !== 'IPv4' && family !== 'IPv6') {
        read.refuse(`${where}.family`, `must be IPv4 or IPv6, not ${show(family)}`)
        continue
      }
      const type = parseIcmpType(own(field, 'type'), family === 'IPv4' ? 4 : 6)
      if (type === undefined)
        read.refuse(`${where}.type`, `no such ICMP type of ${family}: ${show(own(field, 'type'))}`)
      else found.push({kind: 'icmp', protocol: family === 'IPv4' ? protocolNumbers.icmp : protocolNumbers.icmpv6, type})
    }
  }
  return somePorts(found)
}

/** What of an entry needs a proxy. A list of rules that is empty is not the absence of rules. */
function entryFilters(entry: Fields, path: string, at: PortContext): Problem[] {
  const {read} = at.context
  const filters: Problem[] = []
  const rules = read.object(own(entry, 'rules'), `${path}.rules`) ?? {}
  read.onlyFields(rules, ['http', 'dns', 'kafka', 'l7proto', 'l7'], `${path}.rules`)
  const kinds = ['http', 'dns', 'kafka', 'l7proto'].filter((kind) => has(rules, kind))
  if (kinds.length > 1) read.refuse(`${path}.rules`, `only one of ${kinds.join(', ')}`)
  for (const kind of kinds) {
    if (kind === 'dns' && at.direction === 'ingress') read.refuse(`${path}.rules.dns`, 'is for egress only')
    if (kind === 'http' && at.subject.kind === 'nodes') read.refuse(`${path}.rules.http`, 'is not for nodes')
    if (kind !== 'l7proto') read.list(rules, kind, `${path}.rules`)
    filters.push({path: `${path}.rules.${kind}`, reason: 'layer 7 rules need the proxy, which is not available'})
  }
  if (has(entry, 'serverNames')) {
    const names = read.list(entry, 'serverNames', path) ?? []
    if (names.length === 0) read.refuse(`${path}.serverNames`, 'must not be empty')
    filters.push({path: `${path}.serverNames`, reason: 'server names need the proxy, which is not available'})
  }
  if (has(entry, 'listener')) {
    if (at.direction === 'ingress') read.refuse(`${path}.listener`, 'is for egress only')
    if (kinds.length > 0) read.refuse(`${path}.listener`, 'excludes rules')
    filters.push({path: `${path}.listener`, reason: 'listeners need the proxy, which is not available'})
  }
  for (const tls of ['terminatingTLS', 'originatingTLS']) {
    if (!has(entry, tls)) continue
    const context = read.object(own(entry, tls), `${path}.${tls}`) ?? {}
    if (!has(context, 'secret')) read.refuse(`${path}.${tls}.secret`, 'is missing')
    filters.push({path: `${path}.${tls}`, reason: 'TLS needs the proxy, which is not available'})
  }
  return filters
}
