/**
 * Which number each node has, in a file beside the agent's socket: as long-lived as the maps that name them. A file that
 * is lost, or was not written any more, costs little: numbers come from labels.
 */
import {join} from 'node:path'
import {readState} from '../../runtime/atomic-file.ts'
import type {Clock} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {KeptFile} from '../../runtime/kept-file.ts'
import type {Log} from '../../runtime/log.ts'

export interface RememberedNode {
  readonly node: string
  /** of the address at which the API server answers */
  readonly apiServer: boolean
  readonly id: number
  /** what the number stands for */
  readonly labels: readonly string[]
}

export interface NodeIdentityMemory {
  /** Nothing when there is no file, or none that can be read. */
  read(): Promise<readonly RememberedNode[]>
  write(nodes: readonly RememberedNode[]): void
  stop(): Promise<void>
}

const version = 1

export function nodeIdentityFile(stateDir: string, clock: Clock, root: Log): NodeIdentityMemory {
  const path = join(stateDir, 'node-identities.json')
  const log = root.for('identity')
  const file = new KeptFile({path, version, clock, log})
  return {
    async read() {
      try {
        return (await readState<readonly RememberedNode[]>(path, {version})) ?? []
      } catch (thrown) {
        log.warn('the identities of nodes cannot be read', {path, error: CiliumError.from(thrown)})
        return []
      }
    },
    write: (nodes) => file.put(nodes),
    stop: () => file.stop(),
  }
}
