import {basename} from 'node:path/posix'
import type {BPFMap, BPFMapList} from '../../api/models.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'

export type Maps = readonly BPFMap[]
export type MapContent = BPFMap

/** The maps that the agent keeps in step with the kernel. */
export async function listMaps(agent: AgentOptions): Promise<Maps> {
  const {maps} = await askAgent<BPFMapList>(agent, '/map')
  return [...(maps ?? [])].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

export async function getMap(agent: AgentOptions, name: string): Promise<BPFMap> {
  return askAgent(agent, `/map/${encodeURIComponent(name)}`, {
    notFound: {what: `map ${name}`, advice: '"cilium-dbg map list" shows those there are'},
  })
}

export function mapTable(maps: readonly BPFMap[]): string {
  return table([
    ['Name', 'Num entries', 'Num errors', 'Cache enabled'],
    ...maps.map((map) => {
      const entries = map.cache ?? []
      const errors = entries.filter((entry) => (entry['last-error'] ?? '') !== '').length
      return [clean(nameOf(map)), String(entries.length), String(errors), String(map.cache !== null)]
    }),
  ])
}

export function mapEntryTable({cache}: BPFMap): string {
  const rows = (cache ?? []).map(({key, value, 'desired-action': state, 'last-error': error}) =>
    [key, value, state === 'ok' ? 'sync' : state, error].map((cell) => clean(cell ?? '')),
  )
  return table([['Key', 'Value', 'State', 'Error'], ...rows])
}

function nameOf({path}: BPFMap): string {
  return basename(path ?? '')
}
