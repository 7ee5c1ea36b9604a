/** Makes the service maps equal to the frontend table. */
import type {Cidr} from '../../model/cidr.ts'
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {FrontendEntry, FrontendEntryKey, ServiceMaps} from '../service/door.ts'
import {frontendKey} from '../service/frontends.ts'
import {ListRoom} from '../service/list-room.ts'
import {MaglevTables, noTable} from '../service/maglev-tables.ts'
import {BackendNumbers, backendRef, FrontendNumbers, type NumberedBackend} from '../service/numbers.ts'
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
  /** of those that the entry's table leads to; none where there is no table */
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
  /** by entry key */
  private readonly written = new Map<string, Written>()
  private readonly ranges = new Map<string, Map<string, {readonly number: number; readonly cidr: Cidr}>>()
  /** by row's key, what it has taken */
  private readonly used = new Map<string, readonly NumberedBackend[]>()
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
    const before = this.used.get(row.key) ?? []
    const taken = new Map<string, NumberedBackend>()
    try {
      for (const {active} of selections(row)) {
        for (const backend of active) this.takeBackend(taken, backend, 'active')
      }
      for (const {terminating} of selections(row)) {
        for (const backend of terminating) this.takeBackend(taken, backend, 'terminating')
      }
    } finally {
      // noted whatever becomes of the rest: what is taken is given back
      this.used.set(row.key, before.length === 0 ? [...taken.values()] : [...before, ...taken.values()])
    }

    const number = row.port === 0 ? 0 : this.numbers.of(row.key)
    this.writeRanges(row.key, number, row.sourceRanges)
    if (row.inside !== undefined)
      this.write(entryKey(row, true), entryText(row, true), entryOf(row, true, number), row.inside, taken, 0)
    this.write(entryKey(row, false), row.key, entryOf(row, false, number), row.backends, taken, row.tableSize)
    if (row.inside === undefined) this.erase(entryKey(row, true), entryText(row, true))
    this.dropRanges(row.key, row.sourceRanges)
    this.used.set(row.key, taken.size === 0 ? nobody : [...taken.values()])
    this.releaseBackends(before)
  }

  remove(row: FrontendRow): void {
    this.erase(entryKey(row, false), row.key)
    this.erase(entryKey(row, true), entryText(row, true))
    this.dropRanges(row.key, [])
    this.numbers.release(row.key)
    const taken = this.used.get(row.key) ?? []
    this.used.delete(row.key)
    this.releaseBackends(taken)
  }

  prune(rows: readonly FrontendRow[]): void {
    const keys = new Set<string>()
    const insides = new Set<string>()
    for (const row of rows) {
      keys.add(row.key)
      if (row.inside !== undefined) insides.add(entryText(row, true))
    }
    const leftovers: [FrontendEntryKey, string][] = []
    for (const [key] of this.maps.frontends()) {
      const text = keyText(key)
      if (!(key.inside ? insides : keys).has(text)) leftovers.push([key, text])
    }
    for (const [key, text] of leftovers) {
      this.maps.deleteFrontend(key)
      this.erase(key, text)
    }
    for (const key of [...this.ranges.keys()]) if (!keys.has(key)) this.dropRanges(key, [])
    this.settled = true
    for (const key of this.backends.unused()) this.freeBackend(key)
    this.backendsGone()
  }

  /** What is in the maps for a row; undefined: nothing yet. */
  stateOf(row: FrontendRow): FrontendState | undefined {
    const written = this.written.get(row.key)
    return written && {number: written.entry.service, entry: written.entry}
  }

  /** How full the maps are. */
  get fill(): readonly ServiceFill[] {
    const {frontendCapacity, listCapacity, backendCapacity} = this.maps
    return [
      {map: 'cilium_lb', used: this.written.size, capacity: frontendCapacity},
      {map: 'cilium_lb_lists', used: this.room.used, capacity: listCapacity},
      {map: 'cilium_backends', used: this.backends.size, capacity: backendCapacity},
      {map: 'cilium_lb_maglev', used: this.tableRoom.used, capacity: this.maps.tableCapacity},
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
    const {frontends, backends} = this.takeMaps()
    const names = new Map(backends.map(({index, key}) => [index, key]))
    const keys = new Map<number, string>()
    for (const {text, entry, refs} of frontends) {
      // a size that no row asks for: such a row is written anew
      const kept = this.maps.tablesHold || entry.tableSize === 0 ? entry : {...entry, tableSize: -1}
      const active =
        kept.tableSize > 0 ? refs.slice(0, entry.count).map((ref) => names.get(ref & 0xffff) ?? `gone ${ref}`) : noNames
      this.written.set(text, {entry: kept, refs, names: active})
      keys.set(entry.service, text.replace(insideMark, ''))
      if (!text.endsWith(insideMark)) this.numbers.restore(text, entry.service)
    }
    for (const [number, cidr] of this.maps.ranges()) {
      const key = keys.get(number) ?? `gone ${number}`
      const known = this.ranges.get(key) ?? new Map()
      this.ranges.set(key, known.set(String(cidr), {number, cidr}))
    }
    this.room.restore(
      frontends.filter(({refs}) => refs.length > 0).map(({entry, refs}) => ({offset: entry.list, length: refs.length})),
    )
    // chunk 0 tells what the tables were made with
    const tables = [{offset: 0, length: 1}]
    for (const {entry, names} of this.written.values()) {
      if (entry.tableSize <= 0) continue
      this.tables.restore(names, entry)
      tables.push({offset: entry.table, length: this.tables.chunksOf(entry.tableSize)})
    }
    this.tableRoom.restore(tables)
    this.backends.restore(backends)
  }

  private takeMaps() {
    const lists = this.maps.lists()
    const frontends = Array.from(this.maps.frontends(), ([key, entry]) => {
      const length = entry.count + entry.others
      const refs = length === 0 ? noRefs : Array.from(lists.subarray(entry.list, entry.list + length))
      return {text: keyText(key), entry, refs}
    })
    const backends = Array.from(this.maps.backends(), ([index, {ip, port, protocol, state, generation}]) =>
      ip === undefined || state === 'free'
        ? {index, generation, key: undefined}
        : {index, generation, key: backendKey({ip, port, protocol}), state},
    )
    return {frontends, backends}
  }

  /** An active one counts as such, wherever else it ends. */
  private takeBackend(taken: Map<string, NumberedBackend>, backend: FrontendBackend, state: BackendState): void {
    const key = backendKey(backend)
    if (taken.has(key)) return
    const known = this.backends.take(key)
    taken.set(key, known)
    if (known.state === state) return
    const {ip, port, protocol} = backend
    this.maps.putBackend(known.index, {ip, port, protocol, state, generation: known.generation})
    known.state = state
  }

  private releaseBackends(taken: readonly NumberedBackend[]): void {
    for (const backend of taken) if (this.backends.leave(backend) && this.settled) this.freeBackend(backend.key)
  }

  private freeBackend(key: string): void {
    const number = this.backends.forget(key)
    if (number === undefined) return
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
    text: string,
    entry: Mutable<FrontendEntry>,
    selection: Selection,
    known: ReadonlyMap<string, NumberedBackend>,
    tableSize: number,
  ): void {
    const refs = refsOf(selection, known)
    const names = tableSize > 0 ? selection.active.map(backendKey) : noNames
    const before = this.written.get(text)
    const sameList = before !== undefined && sameNumbers(before.refs, refs)
    const list = sameList ? before.entry.list : refs.length === 0 ? 0 : this.newList(refs)
    let table = noTable
    try {
      table = this.tables.take(names, tableSize)
      entry.count = selection.active.length
      entry.others = selection.terminating.length
      entry.table = table.table
      entry.tableSize = table.tableSize
      entry.list = list
      if (!sameList || !sameEntry(before.entry, entry)) this.maps.putFrontend(key, entry)
      this.written.set(text, {entry, refs: sameList ? before.refs : refs, names})
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

  private erase(key: FrontendEntryKey, text: string): void {
    const written = this.written.get(text)
    if (written === undefined) return
    this.maps.deleteFrontend(key)
    this.giveList(written)
    this.tables.give(written.names, written.entry)
    this.written.delete(text)
  }

  private giveList(written: Written | undefined): void {
    if (written !== undefined && written.refs.length > 0) this.room.give(written.entry.list, written.refs.length)
  }
}

const nobody: readonly NumberedBackend[] = []
const noNames: readonly string[] = []
const noRefs: readonly number[] = []

function selections(row: FrontendRow): readonly Selection[] {
  return row.inside === undefined ? [row.backends] : [row.backends, row.inside]
}

function refsOf({active, terminating}: Selection, known: ReadonlyMap<string, NumberedBackend>): readonly number[] {
  if (active.length + terminating.length === 0) return noRefs
  // not pushed one by one: such an array keeps room for seventeen
  return [...active, ...terminating].map((backend) => backendRef(known.get(backendKey(backend))!))
}

function entryKey({ip, port, protocol}: FrontendRow, inside: boolean): FrontendEntryKey {
  return {ip, port, protocol, inside}
}

const insideMark = '/i'

/** Names an entry: the row's key, and the mark for the inside's. */
function entryText({key}: FrontendRow, inside: boolean): string {
  return inside ? `${key}${insideMark}` : key
}

function keyText({ip, port, protocol, inside}: FrontendEntryKey): string {
  const key = frontendKey(ip, port, protocol)
  return inside ? `${key}${insideMark}` : key
}

/** What the row says; where its list and table are is still to come. All of one shape: there are many. */
function entryOf(row: FrontendRow, inside: boolean, service: number): Mutable<FrontendEntry> {
  return {
    service,
    kind: row.kind,
    list: 0,
    count: 0,
    others: 0,
    table: 0,
    tableSize: 0,
    affinityS: row.affinityS,
    scopes: !inside && row.inside !== undefined,
    sourceRanges: !inside && row.sourceRanges.length > 0,
    denyRanges: row.denyRanges,
    local: inside ? row.insideLocal : row.local,
    internalOnly: row.internalOnly,
    direct: row.direct,
    sparesBackends: inside && row.sparesBackends,
  }
}

type Mutable<T> = {-readonly [K in keyof T]: T[K]}

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
