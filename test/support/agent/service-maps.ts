/** Service maps in memory, for stories: what the kernel's would hold, and in which order it came there. */

import type {BackendEntry, FrontendEntry, FrontendEntryKey, ServiceMaps} from '../../../src/agent/service/door.ts'
import type {Cidr} from '../../../src/model/cidr.ts'

export class MemoryServiceMaps implements ServiceMaps {
  readonly frontendCapacity = 65_536
  readonly listCapacity: number
  readonly backendCapacity: number
  readonly rows = new Map<string, {readonly key: FrontendEntryKey; readonly entry: FrontendEntry}>()
  readonly places: number[] = []
  readonly tableCapacity = 4096
  readonly tableChunkPlaces = 32
  readonly tableSeed = new Uint8Array(12)
  readonly tablesHold = true
  readonly tables = new Map<number, Uint16Array>()
  readonly byIndex = new Map<number, BackendEntry>()
  readonly rangeRows = new Map<string, {readonly service: number; readonly cidr: Cidr}>()
  epoch = 0
  /** called after every single write: what a packet could meet */
  onWrite: () => void = () => {}

  constructor(sizes: {readonly listCapacity?: number; readonly backendCapacity?: number} = {}) {
    this.listCapacity = sizes.listCapacity ?? 4096
    this.backendCapacity = sizes.backendCapacity ?? 1024
  }

  *frontends(): Iterable<readonly [FrontendEntryKey, FrontendEntry]> {
    for (const {key, entry} of this.rows.values()) yield [key, entry]
  }

  backends(): Iterable<readonly [number, BackendEntry]> {
    return this.byIndex.entries()
  }

  lists(): Uint32Array {
    return Uint32Array.from(this.places, (ref) => ref ?? 0)
  }

  readList(offset: number, length: number): readonly number[] {
    return this.places.slice(offset, offset + length)
  }

  putFrontend(key: FrontendEntryKey, entry: FrontendEntry): void {
    this.rows.set(textOf(key), {key, entry})
    this.onWrite()
  }

  deleteFrontend(key: FrontendEntryKey): void {
    this.rows.delete(textOf(key))
    this.onWrite()
  }

  writeList(offset: number, refs: readonly number[]): void {
    for (const [i, ref] of refs.entries()) {
      this.places[offset + i] = ref
      this.onWrite()
    }
  }

  writeTable(chunk: number, places: Uint16Array): void {
    this.tables.set(chunk, places)
    this.onWrite()
  }

  putBackend(index: number, entry: BackendEntry): void {
    this.byIndex.set(index, entry)
    this.onWrite()
  }

  *ranges(): Iterable<readonly [number, Cidr]> {
    for (const {service, cidr} of this.rangeRows.values()) yield [service, cidr]
  }

  putRange(service: number, cidr: Cidr): void {
    this.rangeRows.set(`#${service} ${cidr}`, {service, cidr})
    this.onWrite()
  }

  deleteRange(service: number, cidr: Cidr): void {
    this.rangeRows.delete(`#${service} ${cidr}`)
    this.onWrite()
  }

  moveEpoch(): void {
    this.epoch++
  }

  /** The backend a reference names, as a packet would see it. */
  backendOf(ref: number): BackendEntry | undefined {
    const entry = this.byIndex.get(ref & 0xffff)
    return entry?.ip !== undefined && entry.generation === ref >>> 16 ? entry : undefined
  }

  /** Who a packet to this frontend may go to; undefined: no such frontend. */
  reach(text: string): (string | undefined)[] | undefined {
    const row = this.rows.get(text)
    return (
      row &&
      this.readList(row.entry.list, row.entry.count).map((ref) => {
        const entry = this.backendOf(ref)
        return entry && endText(entry.ip!, entry.port)
      })
    )
  }

  /** `10.96.0.1:443/TCP`: `ClusterIP #1 → 10.0.1.5:6443, 10.0.1.6:6443 (keeps 10.0.1.7:6443) [local affinity=60s]` */
  dump(): Record<string, string> {
    const lines = [...this.rows.entries()].map(([text, {entry}]) => {
      const refs = this.readList(entry.list, entry.count + entry.others)
      const names = refs.map((ref) => {
        const backend = this.backendOf(ref)
        return backend === undefined ? `gone(${ref})` : endText(backend.ip!, backend.port)
      })
      const active = names.slice(0, entry.count).join(', ') || 'nobody'
      const kept = names.slice(entry.count)
      const words = [
        ...(entry.scopes ? ['scopes'] : []),
        ...(entry.local ? ['local'] : []),
        ...(entry.tableSize > 0 ? [this.tableText(entry)] : []),
        ...(entry.internalOnly ? ['internal-only'] : []),
        ...(entry.direct ? ['dsr'] : []),
        ...(entry.sparesBackends ? ['spares-backends'] : []),
        ...(entry.sourceRanges ? [entry.denyRanges ? 'denied-ranges' : 'ranges'] : []),
        ...(entry.affinityS > 0 ? [`affinity=${entry.affinityS}s`] : []),
      ]
      const what = entry.service === 0 ? `${entry.kind} address` : `${entry.kind} #${entry.service} → ${active}`
      const keeps = kept.length > 0 ? ` (keeps ${kept.join(', ')})` : ''
      return [text, `${what}${keeps}${words.length > 0 ? ` [${words.join(' ')}]` : ''}`] as const
    })
    return Object.fromEntries(lines.sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** `maglev@1 84+84+83`: chunk of the table, and each place's share. */
  private tableText({table, tableSize, count}: FrontendEntry): string {
    const shares = new Array<number>(count).fill(0)
    for (const place of this.tables.get(table)?.subarray(0, tableSize) ?? []) shares[place]!++
    return `maglev@${table} ${shares.join('+')}`
  }

  /** Backends in use: `1.1 10.0.1.5:6443/TCP active`, index and generation first. */
  dumpBackends(): string[] {
    return [...this.byIndex]
      .filter(([, {ip}]) => ip !== undefined)
      .sort(([a], [b]) => a - b)
      .map(([index, {ip, port, protocol, state, generation}]) => {
        return `${index}.${generation} ${endText(ip!, port)}/${protocol} ${state}`
      })
  }
}

function endText(ip: {readonly family: number}, port: number): string {
  return ip.family === 6 ? `[${ip}]:${port}` : `${ip}:${port}`
}

function textOf({ip, port, protocol, inside}: FrontendEntryKey): string {
  return `${endText(ip, port)}/${protocol}${inside ? '/i' : ''}`
}
