import {isDrop, reasonText} from '../../../model/drop-reasons.ts'
import {directions} from '../../../model/trace.ts'
import {table} from '../../render/table.ts'
import {closing} from './endpoint.ts'
import {type MapPlace, openMaps} from './map-place.ts'

/** Packets of one reason and direction, over all processors. */
export interface PacketCount {
  readonly reason: string
  readonly direction: string
  readonly packets: number
  readonly bytes: number
  /** the reason is one for dropping */
  readonly drop: boolean
}

/** The counters of the datapath that are not zero, by reason. */
export async function readCounters(place: MapPlace): Promise<readonly PacketCount[]> {
  const {maps, open} = await openMaps(place)
  using counters = closing(maps.openCounters(open))
  return packetCounts(counters.map.entries())
}

/** Index = reason × number of directions + direction (bpf/abi/counter.h). */
export function packetCounts(
  rows: Iterable<readonly [number, readonly {readonly packets: number; readonly bytes: number}[]]>,
): readonly PacketCount[] {
  const found: PacketCount[] = []
  for (const [index, perCpu] of rows) {
    const packets = perCpu.reduce((sum, one) => sum + one.packets, 0)
    const bytes = perCpu.reduce((sum, one) => sum + one.bytes, 0)
    if (packets === 0) continue
    const direction = (directions[index % directions.length] ?? 'unknown').toUpperCase()
    const code = Math.floor(index / directions.length)
    found.push({reason: reasonText(code), direction, packets, bytes, drop: isDrop(code)})
  }
  return found.sort((a, b) => (`${a.reason} ${a.direction}` < `${b.reason} ${b.direction}` ? -1 : 1))
}

export function counterText(counts: readonly PacketCount[]): string {
  return table([
    ['REASON', 'DIRECTION', 'PACKETS', 'BYTES'],
    ...counts.map(({reason, direction, packets, bytes}) => [reason, direction, String(packets), String(bytes)]),
  ])
}
