import type {MapOpener} from '../../../datapath/maps/open.ts'

/** Where the maps of the datapath are pinned. */
export interface MapPlace {
  /** folder on a bpf file system; the usual one when absent */
  readonly root?: string
}

/** The door to the maps. It is imported only now: its kernel library costs more than the rest of the program. */
export async function openMaps({root}: MapPlace): Promise<{
  readonly maps: typeof import('../../../datapath/maps/open.ts')
  readonly open: MapOpener
}> {
  const maps = await import('../../../datapath/maps/open.ts')
  return {maps, open: maps.pinnedMaps(root)}
}

/** Rows under a key, as existing tools print them in JSON. */
export type KeyedText = Readonly<Record<string, readonly string[]>>

export function keyedText(rows: readonly (readonly [string, string])[]): KeyedText {
  const result: Record<string, string[]> = {}
  for (const [key, text] of rows) (result[key] ??= []).push(text)
  return result
}
