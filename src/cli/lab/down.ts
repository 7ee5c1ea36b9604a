import {labDown} from '../../lab/down.ts'
import {type ProgressOptions, runWithProgress} from './progress.ts'

/** Removes a lab. @returns false when there was none */
export async function takeDown(name: string, options: ProgressOptions): Promise<boolean> {
  const work = labDown(name)
  try {
    if (work.found) await runWithProgress(work.steps, options)
    return work.found
  } finally {
    work.close()
  }
}
