import {allLabStatus, type LabStatus, labStatus} from '../../lab/status.ts'

export type {LabStatus} from '../../lab/status.ts'

/** One lab, or all of this machine. */
export async function readLabStatus(name: string | undefined): Promise<readonly LabStatus[]> {
  return name === undefined ? await allLabStatus() : [await labStatus(name)]
}
