/** The groups of every peer, in the maps; and the numbers of groups, on disk. */
import type {PeerRow} from '../../policy/peer-groups.ts'
import type {SetMaps} from './door.ts'
import type {PolicyEngine} from './engine.ts'
import type {GroupMemory} from './group-memory.ts'

export class PeerRows {
  private readonly maps: SetMaps
  private readonly engine: PolicyEngine
  private readonly memory: GroupMemory
  /** the peers in the maps are those we know */
  private known = false
  private stale: readonly PeerRow[] = []
  private keptGroups = ''

  constructor(maps: SetMaps, engine: PolicyEngine, memory: GroupMemory) {
    this.maps = maps
    this.engine = engine
    this.memory = memory
  }

  /** Peers in the maps as they are known now. The rows of a life before are compared, not believed. */
  write(): void {
    const {maps} = this
    const rows = this.engine.takeRows()
    if (this.known) {
      maps.writePeers(rows)
      return
    }
    this.known = true
    const wanted = new Map(Array.from(this.engine.groups.allRows(), (row) => [nameOf(row), row] as const))
    const stale: PeerRow[] = []
    for (const row of maps.readPeers()) {
      const now = wanted.get(nameOf(row))
      if (now === undefined) stale.push({...row, groups: undefined})
      else if (Buffer.compare(now.groups!, row.groups!) === 0) wanted.delete(nameOf(row))
    }
    maps.writePeers(wanted.values())
    this.stale = stale
  }

  /** What a life before has left goes when no set asks for it any more. */
  dropStale(): void {
    if (this.stale.length > 0) this.maps.writePeers(this.stale)
    this.stale = []
  }

  /** The numbers of groups outlive us as long as the sets that name them. */
  keepGroups(): void {
    const groups = this.engine.groups.list()
    const text = groups.map(({number}) => number).join()
    if (text !== this.keptGroups) this.memory.write(groups)
    this.keptGroups = text
  }
}

function nameOf({kind, number}: PeerRow): string {
  return `${kind} ${number}`
}
