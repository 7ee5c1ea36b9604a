/** Makes the service maps equal to the frontend table. */
import type {Cidr} from '../../model/cidr.ts'
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {FrontendEntry, FrontendEntryKey, ServiceMaps} from '../service/door.ts'
import {ListRoom} from '../service/list-room.ts'
import {MaglevTables, noTable, type TablePlace} from '../service/maglev-tables.ts'
import {BackendNumbers, backendRef, FrontendNumbers} from '../service/numbers.ts'
import type {BackendState, FrontendBackend, FrontendRow, Selection} from '../service/rows.ts'

/** How full a map is. */
export interface ServiceFill {
  readonly map: string
  readonly used: number
  readonly capacity: number
}

/** No program runs that long: a list that no frontend names any more is read by nobody after this. */
const graceMs = 1000

interface Written {
  readonly entry: FrontendEntry
  readonly refs: readonly number[]
  /** of those that the entry's table leads to */
  readonly names: readonly string[]
}

/** What `services` tells of a frontend besides the row. */
export interface FrontendState {
  readonly number: number
  readonly entry: FrontendEntry
}

/**
 * Why the order is safe. Growing: backends, then a new list in free room and a Maglev table, then the frontend's row,
 * which is one atomic write: a packet reads the old list or the new one, never half of one. A table holds places in the
 * list, so that even one that is replaced too early leads to a backend of the service. Shrinking: the row first, then backends that
 * nobody lists; flows that still name one find its place empty and choose again. A frontend with an inside has the
 * inside's row before the outer one points there, and the outer one stops pointing there before the inside's row goes.
 */
export class ServiceReconciler implements Reconciler<FrontendRow> {
  private readonly maps: ServiceMaps
  private readonly room: ListRoom
  private readonly tables: MaglevTables
  private readonly tableRoom: ListRoom
  private readonly numbers = new FrontendNumbers()
  private readonly backends: BackendNumbers
  private readonly states = new Map<string, BackendState>()
  /** by entry key */
  private readonly written = new Map<string, Written>()
  private readonly ranges = new Map<string, Map<string, {readonly number: number; readonly cidr: Cidr}>>()
  private readonly used = new Map<string, ReadonlySet<string>>()
  private moving = false
  /** Every row has been written once. Until then a list of before may name a backend that no row has asked for yet. */
  private settled = false

  private readonly backendsGone: () => void

  /**
   * Takes over what the maps hold.
   *
   * @param now a monotonic clock, ms
   * @param backendsGone called after backends have been taken away, and once when all rows are known: some may have gone
   *   before
   */
  constructor(maps: ServiceMaps, now: () => number, backendsGone: () => void = () => {}) {
    this.maps = maps
    this.backendsGone = backendsGone
    this.room = new ListRoom({capacity: maps.listCapacity, graceMs, now})
    this.tableRoom = new ListRoom({capacity: maps.tableCapacity, graceMs, now})
    this.tables = new MaglevTables({
      room: this.tableRoom,
      chunkPlaces: maps.tableChunkPlaces,
      seed: maps.tableSeed,
      write: (chunk, places) => maps.writeTable(chunk, places),
    })
    this.backends = new BackendNumbers(maps.backendCapacity)
    this.restore()
  }

  update(row: FrontendRow): void {
    const user = row.key
    const wanted = new Map<string, {readonly backend: FrontendBackend; readonly state: BackendState}>()
    for (const {active, terminating} of [row.backends, row.inside ?? none]) {
      for (const backend of terminating) {
        const key = backendKey(backend)
        if (!wanted.has(key)) wanted.set(key, {backend, state: 'terminating'})
      }
      for (const backend of active) wanted.set(backendKey(backend), {backend, state: 'active'})
    }
    // noted before it can fail: what is taken is given back, whatever becomes of the rest
    this.used.set(user, new Set([...(this.used.get(user) ?? []), ...wanted.keys()]))
    const refs = new Map<string, number>()
    for (const [key, {backend, state}] of wanted) refs.set(key, this.takeBackend(key, user, backend, state))

    const number = row.port === 0 ? 0 : this.numbers.of(row.key)
    this.writeRanges(row.key, number, row.sourceRanges)
    if (row.inside !== undefined) this.write(entryKey(row, true), entryOf(row, true, number), row.inside, refs, 0)
    this.write(entryKey(row, false), entryOf(row, false, number), row.backends, refs, row.tableSize)
    if (row.inside === undefined) this.erase(entryKey(row, true))
    this.dropRanges(row.key, row.sourceRanges)
    this.releaseBackends(user, new Set(wanted.keys()))
  }

  remove(row: FrontendRow): void {
    this.erase(entryKey(row, false))
    this.erase(entryKey(row, true))
    this.dropRanges(row.key, [])
    this.numbers.release(row.key)
    this.releaseBackends(row.key, new Set())
  }

  prune(rows: readonly FrontendRow[]): void {
    const wanted = new Set(rows.flatMap((row) => [true, false].map((inside) => keyText(entryKey(row, inside)))))
    for (const [key] of [...this.maps.frontends()]) if (!wanted.has(keyText(key))) this.erase(key)
    const keys = new Set(rows.map(({key}) => key))
    for (const key of [...this.ranges.keys()]) if (!keys.has(key)) this.dropRanges(key, [])
    this.settled = true
    for (const key of this.backends.unused()) this.freeBackend(key)
    this.backendsGone()
  }

  /** What is in the maps for a row; undefined: nothing yet. */
  stateOf(row: FrontendRow): FrontendState | undefined {
    const written = this.written.get(keyText(entryKey(row, false)))
    return written && {number: written.entry.service, entry: written.entry}
  }

  /** How full the maps are. */
  get fill(): readonly ServiceFill[] {
    const {frontendCapacity, listCapacity, backendCapacity} = this.maps
    return [
      {map: 'cilium_lb', used: this.written.size, capacity: frontendCapacity},
      {map: 'cilium_lb_lists', used: this.room.used, capacity: listCapacity},
      {map: 'cilium_backends', used: this.backends.size, capacity: backendCapacity},
    ]
  }

  /** Before the row that has them looked at: never is a client let in because its range is not there yet. */
  private writeRanges(key: string, number: number, cidrs: readonly Cidr[]): void {
    const known = this.ranges.get(key) ?? new Map<string, {readonly number: number; readonly cidr: Cidr}>()
    for (const cidr of cidrs) {
      if (known.has(String(cidr))) continue
      this.maps.putRange(number, cidr)
      known.set(String(cidr), {number, cidr})
    }
    if (known.size > 0) this.ranges.set(key, known)
  }

  /** After the row that asks no more. */
  private dropRanges(key: string, keep: readonly Cidr[]): void {
    const known = this.ranges.get(key)
    if (known === undefined) return
    const wanted = new Set(keep.map(String))
    for (const [text, {number, cidr}] of known) {
      if (wanted.has(text)) continue
      this.maps.deleteRange(number, cidr)
      known.delete(text)
    }
    if (known.size === 0) this.ranges.delete(key)
  }

  private restore(): void {
    const names = new Map(
      Array.from(this.maps.backends(), ([index, entry]) => [index, entry.ip && backendKey({...entry, ip: entry.ip})]),
    )
    for (const [key, entry] of this.maps.frontends()) {
      const length = entry.count + entry.others
      const refs = length === 0 ? [] : this.maps.readList(entry.list, length)
      const active = refs.slice(0, entry.count).map((ref) => names.get(ref & 0xffff) ?? `gone ${ref}`)
      // a size that no row asks for: such a row is written anew
      const kept = this.maps.tablesHold || entry.tableSize === 0 ? entry : {...entry, tableSize: -1}
      this.written.set(keyText(key), {entry: kept, refs, names: active})
      if (!key.inside) this.numbers.restore(keyText(key), entry.service)
    }
    const keys = new Map([...this.written].map(([key, {entry}]) => [entry.service, key.replace(/\/i$/, '')]))
    for (const [number, cidr] of this.maps.ranges()) {
      const key = keys.get(number) ?? `gone ${number}`
      const known = this.ranges.get(key) ?? new Map()
      this.ranges.set(key, known.set(String(cidr), {number, cidr}))
    }
    this.room.restore(
      [...this.written.values()]
        .filter(({refs}) => refs.length > 0)
        .map(({entry, refs}) => ({offset: entry.list, length: refs.length})),
    )
    // chunk 0 tells what the tables were made with
    const tables = [{offset: 0, length: 1}]
    for (const {entry, names} of this.written.values()) {
      if (entry.tableSize <= 0) continue
      this.tables.restore(names, entry)
      tables.push({offset: entry.table, length: this.tables.chunksOf(entry.tableSize)})
    }
    this.tableRoom.restore(tables)
    this.backends.restore(
      Array.from(this.maps.backends(), ([index, entry]) => {
        const {ip, state, generation} = entry
        if (ip === undefined || state === 'free') return {index, generation, key: undefined}
        const key = backendKey({...entry, ip})
        this.states.set(key, state)
        return {index, generation, key}
      }),
    )
  }

  private takeBackend(key: string, user: string, backend: FrontendBackend, state: BackendState): number {
    const {number, fresh} = this.backends.take(key, user)
    if (fresh || this.states.get(key) !== state) {
      const {ip, port, protocol} = backend
      this.maps.putBackend(number.index, {ip, port, protocol, state, generation: number.generation})
      this.states.set(key, state)
    }
    return backendRef(number)
  }

  private releaseBackends(user: string, keep: ReadonlySet<string>): void {
    for (const key of this.used.get(user) ?? []) {
      if (!keep.has(key) && this.backends.leave(key, user) && this.settled) this.freeBackend(key)
    }
    if (keep.size === 0) this.used.delete(user)
    else this.used.set(user, keep)
  }

  private freeBackend(key: string): void {
    const number = this.backends.forget(key)
    if (number === undefined) return
    this.states.delete(key)
    this.maps.putBackend(number.index, {...freeBackend, generation: number.generation})
    this.moveEpoch()
  }

  /** Flows of backends that are gone look again; once for all changes of a turn. */
  private moveEpoch(): void {
    if (this.moving) return
    this.moving = true
    queueMicrotask(() => {
      this.moving = false
      this.maps.moveEpoch()
      this.backendsGone()
    })
  }

  private write(
    key: FrontendEntryKey,
    entry: Omit<FrontendEntry, 'list' | 'count' | 'others' | keyof TablePlace>,
    selection: Selection,
    known: ReadonlyMap<string, number>,
    tableSize: number,
  ): void {
    const refs = [...selection.active, ...selection.terminating].map((backend) => known.get(backendKey(backend))!)
    const names = selection.active.map(backendKey)
    const text = keyText(key)
    const before = this.written.get(text)
    const counts = {count: selection.active.length, others: selection.terminating.length}
    const sameList = before !== undefined && sameNumbers(before.refs, refs)
    const list = sameList ? before.entry.list : refs.length === 0 ? 0 : this.newList(refs)
    let table = noTable
    try {
      table = this.tables.take(names, tableSize)
      const wanted = {...entry, ...counts, ...table, list}
      if (!sameList || !sameEntry(before.entry, wanted)) this.maps.putFrontend(key, wanted)
      this.written.set(text, {entry: wanted, refs, names})
    } catch (thrown) {
      this.tables.give(names, table)
      if (!sameList && refs.length > 0) this.room.give(list, refs.length)
      throw thrown
    }
    // the row before: its table is given back also when it is the same one, which has been taken twice
    if (before !== undefined) this.tables.give(before.names, before.entry)
    if (!sameList) this.giveList(before)
  }

  private newList(refs: readonly number[]): number {
    const offset = this.room.take(refs.length)
    this.maps.writeList(offset, refs)
    return offset
  }

  private erase(key: FrontendEntryKey): void {
    const text = keyText(key)
    this.maps.deleteFrontend(key)
    const written = this.written.get(text)
    this.giveList(written)
    if (written !== undefined) this.tables.give(written.names, written.entry)
    this.written.delete(text)
  }

  private giveList(written: Written | undefined): void {
    if (written !== undefined && written.refs.length > 0) this.room.give(written.entry.list, written.refs.length)
  }
}

const none: Selection = {active: [], terminating: []}

function entryKey({ip, port, protocol}: FrontendRow, inside: boolean): FrontendEntryKey {
  return {ip, port, protocol, inside}
}

/** As FrontendRow.key, with `/i` for the inside's. */
function keyText({ip, port, protocol, inside}: FrontendEntryKey): string {
  return `${ip.family === 6 ? `[${ip}]` : ip}:${port}/${protocol}${inside ? '/i' : ''}`
}

function entryOf(
  row: FrontendRow,
  inside: boolean,
  service: number,
): Omit<FrontendEntry, 'list' | 'count' | 'others' | keyof TablePlace> {
  return {
    service,
    kind: row.kind,
    affinityS: row.affinityS,
    scopes: !inside && row.inside !== undefined,
    sourceRanges: !inside && row.sourceRanges.length > 0,
    denyRanges: row.denyRanges,
    local: inside ? row.insideLocal : row.local,
    internalOnly: row.internalOnly,
  }
}

export function backendKey({ip, port, protocol}: Pick<FrontendBackend, 'ip' | 'port' | 'protocol'>): string {
  return `${ip.family === 6 ? `[${ip}]` : ip}:${port}/${protocol}`
}

const freeBackend = {ip: undefined, port: 0, protocol: 'TCP', state: 'free'} as const

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i])
}

function sameEntry(a: FrontendEntry, b: FrontendEntry): boolean {
  return (Object.keys(b) as (keyof FrontendEntry)[]).every((key) => a[key] === b[key])
}
