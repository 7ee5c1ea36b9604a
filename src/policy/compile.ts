/**
 * Rules into a rule set. The order of the set's rules decides who speaks: 1 what keeps a node within reach beats
 * everything, 2 a deny beats every allow, 3 an allow beats what a filter that we do not have would have filtered, 4 of
 * equals the first by policy name.
 */
import type {NamedPorts} from './cidr-classes.ts'
import type {ExpandedRule} from './expand.ts'
import {failsafeNodes} from './failsafe.ts'
import {type PeerGroups, portNameKey} from './peer-groups.ts'
import {type PortClaim, portBlocks} from './port-entries.ts'
import type {PolicySubject, Resolved} from './resolve.ts'
import type {Direction, Port} from './rule.ts'
import {
  type Cookies,
  type Fallback,
  makePart,
  makeRuleSet,
  type PortEntry,
  type RangeEntry,
  type RuleSet,
  type RuleSetPart,
  ruleBit,
  rulesPerPart,
  type SetRule,
  tiers,
} from './rule-set.ts'

/** A port whose number is known. */
type PlainPort = Exclude<Port, {readonly kind: 'name'}> | 'any'
type NamedPort = Extract<Port, {readonly kind: 'name'}>

/** A rule about one group of peers, on its way into a part. */
interface Row {
  readonly tier: number
  readonly order: number
  readonly rule: SetRule
  readonly ports: readonly PlainPort[]
}

/**
 * Compiles what stands over one direction of one kind of endpoint.
 *
 * @param subject its own port names say what a name means on the way in
 * @param groups gives numbers to the peers of rules; new ones change rows, which have to be written before the set
 * @throws PolicyLimit when the datapath has no room for so many rules or groups
 */
export function compileRules(
  resolved: Resolved,
  subject: Pick<PolicySubject, 'namedPorts' | 'failsafe'>,
  groups: PeerGroups,
  cookies: Cookies,
): RuleSet {
  const portNames = new Set<string>()
  const rows = resolved.rules.flatMap((rule, order) => {
    const tier = tiers[rule.action]
    const verdict = rule.action === 'allow' ? 'allow' : 'deny'
    const {denyResponse} = rule.ref.policy
    const voice: Omit<SetRule, 'group'> = {
      ...{verdict, explicit: rule.action === 'deny', cookie: cookies.cookieOf(rule.ref)},
      ...(verdict === 'allow' || denyResponse === undefined ? {} : {response: denyResponse}),
    }
    const row = (group: number, ports: readonly PlainPort[]): Row => ({tier, order, ports, rule: {group, ...voice}})
    return rowsOf(rule, {
      own: resolved.direction === 'ingress' ? subject.namedPorts : undefined,
      groups,
      portNames,
      row,
    })
  })
  rows.push(...failsafeRows(subject, resolved.direction, groups))
  rows.sort((a, b) => b.tier - a.tier || a.order - b.order)
  const parts: RuleSetPart[] = []
  for (let at = 0; at < rows.length; at += rulesPerPart) parts.push(partOf(rows.slice(at, at + rulesPerPart)))
  return makeRuleSet(parts.length === 0 ? [partOf([])] : parts, fallbackOf(resolved, cookies), portNames)
}

/** No policy has said them. */
function failsafeRows({failsafe}: Pick<PolicySubject, 'failsafe'>, direction: Direction, groups: PeerGroups): Row[] {
  const plain = (ports: readonly Port[] = []) => ports.filter((port) => port.kind !== 'name')
  const [anybody, nodes] = [plain(failsafe?.[direction].anybody), plain(failsafe?.[direction].nodes)]
  const row = (group: number, ports: readonly PlainPort[]): Row => ({
    ...{tier: tiers.failsafe, order: 0, ports},
    rule: {group, verdict: 'allow', explicit: false, cookie: 0},
  })
  return [
    ...(anybody.length === 0 ? [] : [row(0, anybody)]),
    ...(nodes.length === 0 ? [] : [row(groups.numberOf({any: false, selectors: failsafeNodes, cidrs: []}), nodes)]),
  ]
}

function fallbackOf({isolatedBy}: Resolved, cookies: Cookies): Fallback {
  if (isolatedBy === 'mode') return {verdict: 'deny', cookie: 0}
  const [first] = isolatedBy
  if (first === undefined) return {verdict: 'allow', cookie: 0}
  // of several that isolate, one that says nothing of answers leaves that to the next
  const response = isolatedBy.find(({policy}) => policy.denyResponse !== undefined)?.policy.denyResponse
  return {verdict: 'deny', cookie: cookies.cookieOf(first), ...(response === undefined ? {} : {response})}
}

interface RowContext {
  /** the receiver's port names where we are the receiver */
  readonly own: NamedPorts | undefined
  readonly groups: PeerGroups
  readonly portNames: Set<string>
  row(group: number, ports: readonly PlainPort[]): Row
}

function rowsOf({peers, ports}: ExpandedRule, {own, groups, portNames, row}: RowContext): Row[] {
  if (ports.kind === 'none') return []
  if (!peers.any && peers.selectors.length === 0 && peers.cidrs.length === 0) return []
  const plain: PlainPort[] = []
  const named: NamedPort[] = []
  for (const port of ports.kind === 'any' ? (['any'] as const) : ports.of) {
    if (port === 'any' || port.kind !== 'name') plain.push(port)
    else if (own === undefined) named.push(port)
    else plain.push(...numbersOf(own, port))
  }
  const rows: Row[] = []
  if (plain.length > 0) rows.push(row(peers.any ? 0 : groups.numberOf(peers), plain))
  // a name is the receiver's: peers of whom it means the same are a group
  for (const {name, protocol} of named) {
    portNames.add(portNameKey(name, protocol))
    for (const number of groups.portNumbers(name, protocol)) {
      const port = {kind: 'range', protocol, first: number, last: number} as const
      rows.push(row(groups.numberOf(peers, {name, protocol, port: number}), [port]))
    }
  }
  return rows
}

function numbersOf(ports: NamedPorts, {name, protocol}: NamedPort): PlainPort[] {
  return (ports.get(name) ?? [])
    .filter((port) => port.protocol === protocol)
    .map(({port}) => ({kind: 'range', protocol, first: port, last: port}))
}

function partOf(rows: readonly Row[]): RuleSetPart {
  const exact = new Map<number, bigint>()
  const claims = new Map<number, PortClaim[]>()
  const add = (protocol: number, port: number, rules: bigint) => {
    const key = protocol * 65536 + port
    exact.set(key, (exact.get(key) ?? 0n) | rules)
  }
  for (const [index, {ports}] of rows.entries()) {
    const rules = ruleBit(index)
    for (const port of ports) {
      if (port === 'any') add(0, 0, rules)
      else if (port.kind === 'protocol') add(port.protocol, 0, rules)
      else {
        const [first, last] = port.kind === 'icmp' ? [port.type + 1, port.type + 1] : [port.first, port.last]
        if (first === last) add(port.protocol, first, rules)
        else claims.set(port.protocol, [...(claims.get(port.protocol) ?? []), {first, last, rules}])
      }
    }
  }
  const entries = Array.from(exact, ([key, rules]): PortEntry => ({protocol: key >>> 16, port: key & 0xffff, rules}))
  const ranges = [...claims].flatMap(([protocol, all]) =>
    portBlocks(all).map(({port, bits, rules}): RangeEntry => ({protocol, port, bits, rules})),
  )
  return makePart(
    rows.map(({rule}) => rule),
    entries,
    ranges,
  )
}
