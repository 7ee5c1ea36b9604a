/**
 * The agent's tables: what is desired (the row), whether the kernel has it (the state by each reconciler, and what the
 * maps say where a table ends in one), and the last error.
 */
import {declareErrors, fail} from '../../runtime/errors.ts'
import type {TableDump} from '../../runtime/table.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import type {KeyedText, MapPlace} from './bpf/map-place.ts'

export const {TABLE_UNKNOWN} = declareErrors({
  TABLE_UNKNOWN: {what: 'there is no table {name}', advice: 'there are {known}'},
})

export type Dump = TableDump<Readonly<Record<string, unknown>>>
export type Dumps = Readonly<Record<string, Dump>>

export interface DumpedTable extends Dump {
  /** what the map has for a row, by the row's key; absent for tables that end in none, and where maps cannot be read */
  readonly real?: Readonly<Record<string, string>>
  /** keys that the map has and no row wants */
  readonly unwanted?: readonly string[]
}

export async function dumpTables(agent: AgentOptions): Promise<Dumps> {
  return await askAgent(agent, '/dump', {base: '/statedb'})
}

/** @param place undefined: maps are left alone. @throws TABLE_UNKNOWN */
export async function dumpTable(agent: AgentOptions, name: string, place: MapPlace | undefined): Promise<DumpedTable> {
  const all = await dumpTables(agent)
  const dump = all[name] ?? fail(TABLE_UNKNOWN, {name, known: Object.keys(all).sort().join(', ')})
  const rows = place === undefined ? undefined : await mapRows(name, place)
  if (rows === undefined) return dump
  const wanted = new Map(dump.rows.map(({key, row}) => [key, mapKeys(name, key, row)]))
  const real = [...wanted].map(([key, keys]) => [key, keys.map((one) => rows[one]?.join(' ') ?? 'missing').join('; ')])
  const known = new Set([...wanted.values()].flat())
  return {...dump, real: Object.fromEntries(real), unwanted: Object.keys(rows).filter((key) => !known.has(key))}
}

/** Tables that end in a map that has words for people. */
async function mapRows(name: string, place: MapPlace): Promise<KeyedText | undefined> {
  if (name === 'addresses') return await (await import('./bpf/ipcache.ts')).readIpcache(place)
  if (name === 'endpoints') {
    const found = await (await import('./bpf/endpoint.ts')).readEndpoints(place)
    // the node's own addresses are rows of another table
    return Object.fromEntries(Object.entries(found).filter(([, [text]]) => text !== '(localhost)'))
  }
  return undefined
}

function mapKeys(name: string, key: string, row: Readonly<Record<string, unknown>>): string[] {
  if (name !== 'endpoints') return [key]
  return [row['ipv4'], row['ipv6']].filter((ip) => typeof ip === 'string')
}

export function tablesText(dumps: Dumps): string {
  const rows = Object.values(dumps).map(({name, rows: all, synced, waitingFor, revision}) => {
    const states = all.flatMap(({status}) => Object.values(status))
    const count = (state: string) => String(states.filter((one) => one.state === state).length)
    const sources = synced ? 'synced' : `waits for ${waitingFor.join(', ')}`
    return [clean(name), String(all.length), count('pending'), count('error'), String(revision), clean(sources)]
  })
  return table([['NAME', 'ROWS', 'PENDING', 'ERRORS', 'CHANGES', 'SOURCES'], ...rows])
}

export function tableText({rows, real, unwanted = []}: DumpedTable): string {
  const header = ['KEY', 'STATE', 'DESIRED', ...(real === undefined ? [] : ['REAL']), 'LAST ERROR']
  const lines = rows.map(({key, row, status}) => {
    const states = Object.entries(status).map(([by, {state}]) => `${by}=${state}`)
    const errors = Object.entries(status).flatMap(([by, {code, message, retries}]) =>
      code === undefined ? [] : [`${by}: ${code} ${message ?? ''} (${retries} times)`],
    )
    const cells = [key, states.join(' ') || '-', JSON.stringify(row)]
    return [...cells, ...(real === undefined ? [] : [real[key] ?? 'missing']), errors.join('; ') || '-'].map(clean)
  })
  const extra = unwanted.map((key) => [clean(key), 'unwanted', '-', 'in the map', '-'])
  return table([header, ...lines, ...extra])
}
