/**
 * Filter flags, in the order in which they were typed, as filters of the API. `--pod x` asks for flows that x sends or
 * gets: two filters, one with x as source (left), one as destination (right); all else is in both.
 */
import {
  DropReason,
  type FlowFilter,
  FlowFilter as FlowFilterType,
  TCPFlags,
  TrafficDirection,
  Verdict,
} from '../../api/gen/flow.ts'
import {messageFromJson} from '../../api/wire/json.ts'
import {compileFilter} from '../../hubble/filter/flow-filter.ts'
import {reservedIdentities} from '../../model/identity.ts'
import {monitorTypes, tracePointNumber} from '../../model/trace.ts'
import {fail} from '../../runtime/errors.ts'
import {HUBBLE_FLAG_VALUE, HUBBLE_FLAGS_CONFLICT} from './errors.ts'

export interface TypedFlag {
  readonly name: string
  readonly value: string
}

export interface Filters {
  readonly whitelist: readonly FlowFilter[]
  readonly blacklist: readonly FlowFilter[]
}

type Side = 'source' | 'destination'
type Sided = 'pod' | 'service' | 'label' | 'identity' | 'ip' | 'fqdn' | 'port' | 'workload' | 'cluster'

const sidedFields: Readonly<Record<Sided, string>> = {
  pod: 'pod',
  service: 'service',
  label: 'label',
  identity: 'identity',
  ip: 'ip',
  fqdn: 'fqdn',
  port: 'port',
  workload: 'workload',
  cluster: 'cluster_name',
}

const conflicts: readonly (readonly [string, string])[] = [
  ...['service', 'label', 'port', 'identity', 'workload', 'cluster'].flatMap(
    (name) =>
      [
        [name, `from-${name}`],
        [name, `to-${name}`],
      ] as const,
  ),
  ...['', 'from-', 'to-'].flatMap((side) => [
    [`${side}fqdn`, `${side}ip`] as const,
    [`${side}fqdn`, `${side}namespace`] as const,
    [`${side}ip`, `${side}namespace`] as const,
    [`${side}fqdn`, `${side}pod`] as const,
    [`${side}ip`, `${side}pod`] as const,
    [`${side}namespace`, `${side}all-namespaces`] as const,
    [`${side}ip`, `${side}all-namespaces`] as const,
    [`${side}fqdn`, `${side}all-namespaces`] as const,
  ]),
  ['namespace', 'from-pod'],
  ['namespace', 'from-service'],
  ['namespace', 'to-service'],
  ['encrypted', 'unencrypted'],
]

/** Flags that this reads; all else is passed over. */
export const filterFlagNames: ReadonlySet<string> = new Set([
  ...Object.keys(sidedFields).flatMap((name) => [name, `from-${name}`, `to-${name}`]),
  ...['namespace', 'from-namespace', 'to-namespace', 'all-namespaces', 'from-all-namespaces', 'to-all-namespaces'],
  ...['snat-ip', 'ipv4', 'ipv6', 'ip-version', 'protocol', 'tcp-flags', 'verdict', 'drop-reason-desc', 'type'],
  ...[
    'traffic-direction',
    'http-status',
    'http-method',
    'http-path',
    'http-url',
    'http-header',
    'trace-id',
    'ip-trace-id',
  ],
  ...['node-name', 'node-label', 'interface', 'uuid', 'cel-expression', 'encrypted', 'unencrypted', 'dns-query'],
])

/** @throws HUBBLE_FLAGS_CONFLICT, HUBBLE_FLAG_VALUE */
export function filtersFromFlags(typed: readonly TypedFlag[]): Filters {
  const white = new FilterPair()
  const black = new FilterPair()
  let not = false
  for (const flag of typed) {
    if (flag.name === 'not') {
      if (not) fail(HUBBLE_FLAGS_CONFLICT, {flags: '--not and --not'})
      not = true
    } else if (filterFlagNames.has(flag.name)) {
      ;(not ? black : white).add(flag)
      not = false
    }
  }
  if (not)
    fail(HUBBLE_FLAG_VALUE, {
      flag: 'not',
      detail: 'it stands before nothing',
      expected: 'a filter after it, as in --not --port 53',
    })
  const raw = (name: string) => typed.filter((flag) => flag.name === name).map(({value}) => rawFilter(name, value))
  return {whitelist: [...white.filters(), ...raw('allowlist')], blacklist: [...black.filters(), ...raw('denylist')]}
}

function rawFilter(flag: string, text: string): FlowFilter {
  try {
    const filter = messageFromJson(FlowFilterType, JSON.parse(text))
    compileFilter(filter)
    return filter
  } catch (thrown) {
    return fail(HUBBLE_FLAG_VALUE, {
      flag,
      detail: (thrown as Error).message,
      expected: 'a filter in JSON such as {"source_pod":["default/web"]}',
    })
  }
}

type Editable = Record<string, unknown[]>

class FilterPair {
  readonly #left: Editable = {}
  readonly #right: Editable = {}
  readonly #names = new Set<string>()
  readonly #namespaces: Record<'' | 'from' | 'to', string[]> = {'': [], from: [], to: []}

  add({name, value}: TypedFlag): void {
    for (const [a, b] of conflicts) {
      const other = a === name ? b : b === name ? a : undefined
      if (other !== undefined && this.#names.has(other))
        fail(HUBBLE_FLAGS_CONFLICT, {flags: `--${other} and --${name}`})
    }
    this.#names.add(name)
    const [, from, kind] = /^(?:(from|to)-)?(.*)$/.exec(name)! as unknown as [string, 'from' | 'to' | undefined, string]
    if (kind === 'namespace') this.#namespaces[from ?? ''].push(value)
    else if (kind === 'all-namespaces') this.#namespaces[from ?? ''].push('')
    else if (kind === 'cel-expression') for (const filter of [this.#left, this.#right]) pushExpression(filter, value)
    else if (Object.hasOwn(sidedFields, kind)) {
      const field = sidedFields[kind as Sided]
      const parsed = sidedValue(kind as Sided, value, name)
      if (from === undefined) {
        push(this.#left, `source_${field}`, parsed)
        push(this.#right, `destination_${field}`, parsed)
      } else this.#both(`${from === 'from' ? 'source' : 'destination'}_${field}`, parsed)
    } else this.#both(...plainValue(name, value))
  }

  /** None, one, or two when source and destination differ. */
  filters(): FlowFilter[] {
    this.#placeNamespaces()
    if (Object.keys(this.#left).length + Object.keys(this.#right).length === 0) return []
    for (const filter of [this.#left, this.#right]) compileFilter(filter as FlowFilter)
    const same = text(this.#left) === text(this.#right)
    return (same ? [this.#left] : [this.#left, this.#right]) as FlowFilter[]
  }

  #both(field: string, value: unknown): void {
    push(this.#left, field, value)
    push(this.#right, field, value)
  }

  #placeNamespaces(): void {
    const place = (filter: Editable, side: Side, namespaces: readonly string[]) => {
      if (namespaces.length === 0) return
      let placed = false
      for (const field of [`${side}_pod`, `${side}_service`]) {
        const names = filter[field] as string[] | undefined
        if (names === undefined) continue
        placed = true
        filter[field] = names.flatMap((one) => (one.includes('/') ? [one] : namespaces.map((ns) => `${ns}/${one}`)))
      }
      if (!placed) filter[`${side}_pod`] = namespaces.map((ns) => `${ns}/`)
    }
    place(this.#left, 'source', this.#namespaces[''])
    place(this.#right, 'destination', this.#namespaces[''])
    for (const filter of [this.#left, this.#right]) {
      place(filter, 'source', this.#namespaces.from)
      place(filter, 'destination', this.#namespaces.to)
    }
  }
}

/** Field and value of a flag that has no sides. */
function plainValue(name: string, value: string): readonly [field: string, value: unknown] {
  const wrong = (expected: string): never =>
    fail(HUBBLE_FLAG_VALUE, {flag: name, detail: `${JSON.stringify(value)} is not known`, expected})
  const member = (members: Readonly<Record<string, number>>): number =>
    members[value.toUpperCase()] ?? wrong(Object.keys(members).join(', '))
  switch (name) {
    case 'snat-ip':
      return ['source_ip_xlated', value]
    case 'ipv4':
      return ['ip_version', 1]
    case 'ipv6':
      return ['ip_version', 2]
    case 'ip-version': {
      const version = ({none: 0, v4: 1, v6: 2, ipv4: 1, ipv6: 2} as Record<string, number>)[value.toLowerCase()]
      return ['ip_version', version ?? wrong('none, v4 or v6')]
    }
    case 'protocol':
      return ['protocol', value]
    case 'tcp-flags': {
      const names = value.split(',').map((one) => one.trim().toUpperCase())
      const known = TCPFlags.fields.map((field) => field.name)
      if (names.some((one) => !known.includes(one))) wrong(known.join(', ').toLowerCase())
      return ['tcp_flags', Object.fromEntries(names.map((one) => [one, true]))]
    }
    case 'verdict':
      return ['verdict', member(Verdict)]
    case 'drop-reason-desc':
      return ['drop_reason_desc', member(DropReason)]
    case 'traffic-direction':
      return ['traffic_direction', member({INGRESS: TrafficDirection.INGRESS, EGRESS: TrafficDirection.EGRESS})]
    case 'type':
      // many guides ask so for records of layer 7
      if (/^(dns|http|kafka)$/i.test(value)) return ['protocol', value.toLowerCase()]
      return ['event_type', eventType(value, wrong)]
    case 'http-status':
      return ['http_status_code', value]
    case 'http-header': {
      const colon = value.indexOf(':')
      if (colon < 0) wrong('key:value')
      return ['http_header', {key: value.slice(0, colon), value: value.slice(colon + 1)}]
    }
    case 'http-method':
    case 'http-path':
    case 'http-url':
    case 'trace-id':
    case 'node-name':
    case 'uuid':
    case 'dns-query':
      return [name.replace('-', '_'), value]
    case 'node-label':
      return ['node_labels', value]
    case 'ip-trace-id':
      return ['ip_trace_id', /^\d+$/.test(value) ? BigInt(value) : wrong('a number')]
    case 'interface':
      return ['interface', /^\d+$/.test(value) ? {index: Number(value)} : {name: value}]
    case 'encrypted':
      return ['encrypted', true]
    case 'unencrypted':
      return ['encrypted', false]
    default:
      return wrong('a filter')
  }
}

function push(filter: Editable, field: string, value: unknown): void {
  ;(filter[field] ??= []).push(value)
}

function pushExpression(filter: Editable, expression: string): void {
  const group = filter as {experimental?: {cel_expression: string[]}}
  group.experimental ??= {cel_expression: []}
  group.experimental.cel_expression.push(expression)
}

function text(filter: Editable): string {
  return JSON.stringify(filter, (_, value) => (typeof value === 'bigint' ? String(value) : value))
}

function sidedValue(kind: Sided, value: string, flag: string): unknown {
  if (kind === 'identity') {
    const number = /^\d+$/.test(value)
      ? Number(value)
      : value === 'unknown'
        ? 0
        : (reservedIdentities as Readonly<Record<string, number>>)[value]
    return (
      number ??
      fail(HUBBLE_FLAG_VALUE, {
        flag,
        detail: `${JSON.stringify(value)} is no identity`,
        expected: 'a number or a reserved name such as world',
      })
    )
  }
  if (kind === 'workload') {
    const slash = value.indexOf('/')
    return slash < 0 ? {name: value} : {kind: value.slice(0, slash), name: value.slice(slash + 1)}
  }
  return value
}

function eventType(value: string, wrong: (expected: string) => never): object {
  const [typeName = '', subName] = value.split(':', 2)
  const type = /^\d+$/.test(typeName) ? Number(typeName) : (monitorTypes as Readonly<Record<string, number>>)[typeName]
  if (type === undefined) return wrong(Object.keys(monitorTypes).join(', '))
  if (subName === undefined) return {type}
  const sub = /^\d+$/.test(subName)
    ? Number(subName)
    : type === monitorTypes.trace
      ? tracePointNumber(subName)
      : undefined
  return sub === undefined ? wrong('a sub type such as trace:to-endpoint') : {type, match_sub_type: true, sub_type: sub}
}
