import {type LoadedImages, labLoad} from '../../lab/load.ts'
import {type ProgressOptions, runWithProgress} from './progress.ts'

export type {LoadedImages} from '../../lab/load.ts'

/** @param nodes names with commas; all nodes when absent */
export async function loadIntoLab(
  name: string,
  archive: string,
  nodes: string | undefined,
  options: ProgressOptions,
): Promise<readonly LoadedImages[]> {
  const work = labLoad(name, archive, nodes?.split(','))
  await runWithProgress(work.steps, options)
  return work.result()
}
