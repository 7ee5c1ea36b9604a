/** Which Maglev tables there are, and where. Frontends with the same backends share one. */
import type {ListRoom} from './list-room.ts'
import {maglevTable} from './maglev.ts'

interface Table {
  readonly offset: number
  readonly size: number
  users: number
}

export interface MaglevTablesOptions {
  /** of chunks */
  readonly room: ListRoom
  /** places in a chunk */
  readonly chunkPlaces: number
  readonly seed: Uint8Array
  readonly write: (chunk: number, places: Uint16Array) => void
}

/** What a frontend's row says of its table; size 0: it has none. */
export interface TablePlace {
  readonly table: number
  readonly tableSize: number
}

export const noTable: TablePlace = {table: 0, tableSize: 0}

export class MaglevTables {
  private readonly options: MaglevTablesOptions
  private readonly byKey = new Map<string, Table>()

  constructor(options: MaglevTablesOptions) {
    this.options = options
  }

  /** Takes over a table that is there already, one call for each frontend that has it. */
  restore(names: readonly string[], {table: offset, tableSize: size}: TablePlace): void {
    if (size === 0) return
    const key = keyOf(names, size)
    const known = this.byKey.get(key)
    if (known === undefined) this.byKey.set(key, {offset, size, users: 1})
    else if (known.offset === offset) known.users++
  }

  /**
   * A table for these backends: one that others have, or a new one in free room. One backend needs none, and more
   * backends than places cannot share one.
   *
   * @throws SERVICE_LISTS_FULL
   */
  take(names: readonly string[], size: number): TablePlace {
    if (names.length <= 1 || names.length > size) return noTable
    const key = keyOf(names, size)
    let table = this.byKey.get(key)
    if (table === undefined) {
      const offset = this.options.room.take(this.chunksOf(size))
      table = {offset, size, users: 0}
      this.options.write(offset, maglevTable(names, size, this.options.seed))
      this.byKey.set(key, table)
    }
    table.users++
    return {table: table.offset, tableSize: size}
  }

  /** Gives a table back; the last to do so makes its room free. */
  give(names: readonly string[], {table: offset, tableSize: size}: TablePlace): void {
    if (size === 0) return
    const key = keyOf(names, size)
    const table = this.byKey.get(key)
    if (table === undefined || table.offset !== offset || --table.users > 0) return
    this.byKey.delete(key)
    this.options.room.give(offset, this.chunksOf(size))
  }

  chunksOf(size: number): number {
    return Math.ceil(size / this.options.chunkPlaces)
  }
}

function keyOf(names: readonly string[], size: number): string {
  return `${size} ${names.join(' ')}`
}
