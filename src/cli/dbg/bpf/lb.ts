import type {Backend, Frontend, FrontendKey} from '../../../datapath/gen/types.ts'
import type {ServiceTables} from '../../../datapath/maps/services.ts'
import {Ip} from '../../../model/ip.ts'
import {table} from '../../render/table.ts'
import {type KeyedText, keyedText, type MapPlace, openMaps} from './map-place.ts'

/** enum frontend_kind, in the words of existing tools. */
const kinds = ['NONE', 'ClusterIP', 'NodePort', 'ExternalIPs', 'LoadBalancer', 'HostPort', 'LocalRedirect']
const protocols: Readonly<Record<number, string>> = {0: 'ANY', 6: 'TCP', 17: 'UDP', 132: 'SCTP'}
/** enum frontend_flags: bits and their words, in the order in which existing tools print them. */
const flagWords: readonly (readonly [bit: number, word: string])[] = [
  [1 << 4, 'Local'],
  [1 << 0, 'two-scopes'],
  [1 << 1, 'sessionAffinity'],
  [1 << 8, 'non-routable'],
  [1 << 2, 'check source-range'],
  [1 << 3, 'deny'],
  [1 << 6, 'dsr'],
]
const internalScope = 1
/** of a range's key: the service's number, and an IPv4 address's mapped form */
const serviceBits = 32
const mappedBits = 96

/** Every frontend: a row with its flags (slot 0), and one for each backend. */
export async function readFrontends(place: MapPlace): Promise<KeyedText> {
  using tables = await openServiceTables(place)
  const backends = new Map(tables.backends.entries())
  const rows = [...tables.frontends.entries()]
    .map(([key, value]) => [frontendKeyText(key), key, value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return keyedText(
    rows.flatMap(([name, key, value]) => {
      const zero = key.addr.subarray(0, 10).every((byte) => byte === 0) && key.addr[10] === 0xff ? '0.0.0.0' : '[::]'
      const head = [`${name} (0)`, `${zero}:0 (${value.service}) (0) [${flagsText(value)}]`] as const
      const refs = tables.readList(value.list, value.count + value.others)
      return [
        head,
        ...refs.map((ref, i) => {
          const backend = backends.get(ref & 0xffff)
          const known = backend !== undefined && backend.state !== 0 && backend.generation === ref >>> 16
          const text = known ? backendText(backend) : `backend ${ref} not found`
          return [`${name} (${i + 1})`, `${text} (${value.service}) (${i + 1})`] as const
        }),
      ]
    }),
  )
}

/** Backends in use, by number. */
export async function readBackends(place: MapPlace): Promise<KeyedText> {
  using tables = await openServiceTables(place)
  const rows = [...tables.backends.entries()].filter(([, {state}]) => state !== 0)
  return keyedText(rows.map(([index, backend]) => [String(index), backendText(backend)]))
}

/** Frontends alone, by what their answers are sent back as: the first backend's number beside each. */
export async function readFrontendRefs(place: MapPlace): Promise<KeyedText> {
  using tables = await openServiceTables(place)
  return keyedText(
    [...tables.frontends.entries()]
      .filter(([, {service}]) => service !== 0)
      .map(([key, {list, count}]) => {
        const [ref = 0] = count === 0 ? [] : tables.readList(list, 1)
        return [`${frontendKeyText(key)} (0)`, String(ref & 0xffff)] as const
      })
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** What answers are sent back as, by the number of the service. */
export async function readReverse(place: MapPlace): Promise<KeyedText> {
  using tables = await openServiceTables(place)
  const rows = [...tables.frontends.entries()].filter(
    ([{scope}, {service}]) => service !== 0 && scope !== internalScope,
  )
  return keyedText(
    rows
      .sort(([, a], [, b]) => a.service - b.service)
      .map(([{addr, port}, {service}]) => [String(service), endText(addr, port)] as const),
  )
}

/** Clients that may, or may not, use a service. */
export async function readSourceRanges(place: MapPlace): Promise<KeyedText> {
  using tables = await openServiceTables(place)
  return keyedText(
    [...tables.ranges.entries()].map(([{bits, service, addr}]) => {
      const ip = Ip.fromBytes(addr)
      const length = bits - serviceBits - (ip.family === 4 ? mappedBits : 0)
      return [`${ip}/${length}`, `(${service})`] as const
    }),
  )
}

export function frontendRefsText(lb: KeyedText): string {
  return twoColumns('SERVICE ADDRESS', 'BACKEND ID', lb)
}

export function reverseText(lb: KeyedText): string {
  return twoColumns('ID', 'SERVICE ADDRESS', lb)
}

export function sourceRangesText(lb: KeyedText): string {
  return twoColumns('SOURCE RANGE', '(REVNAT_ID)', lb)
}

export function frontendsText(lb: KeyedText): string {
  return twoColumns('SERVICE ADDRESS', 'BACKEND ADDRESS (REVNAT_ID) (SLOT)', lb)
}

export function backendsText(lb: KeyedText): string {
  return twoColumns('ID', 'BACKEND ADDRESS', lb)
}

function twoColumns(first: string, second: string, rows: KeyedText): string {
  const lines = Object.entries(rows).flatMap(([key, values]) => values.map((value) => [key, value, '']))
  return table([[first, second], ...lines])
}

/** The maps of services by their pins. */
export async function openServiceTables(place: MapPlace): Promise<ServiceTables> {
  const {open} = await openMaps(place)
  const {ServiceTables: Tables} = await import('../../../datapath/maps/services.ts')
  return new Tables(open)
}

export function frontendKeyText({addr, port, proto, scope}: FrontendKey): string {
  return `${endText(addr, port)}/${protocols[proto] ?? proto}${scope === internalScope ? '/i' : ''}`
}

function flagsText({kind, flags}: Frontend): string {
  return [kinds[kind] ?? 'NONE', ...flagWords.filter(([bit]) => (flags & bit) !== 0).map(([, word]) => word)].join(', ')
}

function backendText({addr, port, proto}: Backend): string {
  return `${endText(addr, port)}/${protocols[proto] ?? proto}`
}

function endText(addr: Uint8Array, port: number): string {
  const ip = Ip.fromBytes(addr)
  return ip.family === 6 ? `[${ip}]:${port}` : `${ip}:${port}`
}
