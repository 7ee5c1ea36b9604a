/** Answers the policy engine's wishes with the maps of a loaded generation. */
import type {PolicyTables, SetNumbers} from '../../datapath/maps/policy.ts'
import type {SetMaps} from '../policy/door.ts'

export function loadedSetMaps(tables: PolicyTables, numbers: SetNumbers, moveEpoch: () => void): SetMaps {
  return {
    read: () => tables.readSets(),
    take: () => numbers.take(),
    write: (number, set) => tables.write(number, set),
    remove: (number, set) => tables.remove(number, set),
    sweep: () => {
      tables.sweep()
    },
    readPeers: () => tables.readPeers(),
    writePeers: (rows) => tables.writePeers(rows),
    moveEpoch,
    maxEntries: tables.entries.maxEntries,
    maxBlocks: tables.blocks.maxEntries,
    maxParts: tables.sets.maxEntries,
  }
}
