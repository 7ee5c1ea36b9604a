import type {Frontend} from '../../../datapath/gen/types.ts'
import type {ServiceTables} from '../../../datapath/maps/services.ts'
import {declareErrors, fail} from '../../../runtime/errors.ts'
import {table} from '../../render/table.ts'
import {frontendKeyText, openServiceTables} from './lb.ts'
import {type KeyedText, keyedText, type MapPlace} from './map-place.ts'

const {MAGLEV_NO_TABLE} = declareErrors({
  MAGLEV_NO_TABLE: {
    what: 'service {id} has no Maglev table',
    advice:
      'cilium-dbg bpf lb maglev list names those that have; tables need loadBalancer.algorithm=maglev or the annotation, and two backends',
  },
})

/** Each service with a table, and how many places its backends have. */
export async function readMaglevTables(place: MapPlace): Promise<KeyedText> {
  using tables = await openServiceTables(place)
  const rows = [...tables.frontends.entries()]
    .filter(([, {tableSize}]) => tableSize > 0)
    .sort(([, a], [, b]) => a.service - b.service)
  return keyedText(
    rows.map(([key, frontend]) => {
      const shares = new Map<number, number>()
      for (const backend of backendsOf(tables, frontend)) shares.set(backend, (shares.get(backend) ?? 0) + 1)
      const parts = [...shares].sort(([a], [b]) => a - b).map(([backend, places]) => `${backend}:${places}`)
      return [String(frontend.service), `${frontendKeyText(key)} [${parts.join(' ')}]`] as const
    }),
  )
}

/** The backend of each place of one service's table. @throws MAGLEV_NO_TABLE */
export async function readMaglevTable(place: MapPlace, id: number): Promise<KeyedText> {
  using tables = await openServiceTables(place)
  for (const [, frontend] of tables.frontends.entries()) {
    if (frontend.service !== id || frontend.tableSize === 0) continue
    return {[String(id)]: [`[${backendsOf(tables, frontend).join(' ')}]`]}
  }
  return fail(MAGLEV_NO_TABLE, {id})
}

export function maglevTablesText(rows: KeyedText): string {
  const lines = Object.entries(rows).flatMap(([id, texts]) => texts.map((text) => [id, text]))
  return table([['SERVICE ID', 'FRONTEND [BACKEND ID:PLACES ...]'], ...lines])
}

export function maglevTableText(rows: KeyedText): string {
  const lines = Object.entries(rows).flatMap(([id, texts]) => texts.map((text) => [id, text]))
  return table([['SERVICE ID', 'BACKEND ID OF EACH PLACE'], ...lines])
}

function backendsOf(tables: ServiceTables, {list, count, table: chunk, tableSize}: Frontend): number[] {
  const refs = tables.readList(list, count)
  return Array.from(tables.maglev.read(chunk, tableSize), (place) => (refs[place] ?? 0) & 0xffff)
}
