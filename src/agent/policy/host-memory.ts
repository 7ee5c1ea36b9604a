/** Which rules of the node's own traffic are confirmed, in a file beside the agent's socket. */
import {readFileSync, renameSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

export interface HostMemory {
  /** Names of the confirmed sets by content; undefined: none has been confirmed. */
  read(): string | undefined
  write(content: string): void
}

const version = 1

export function hostFile(stateDir: string, root: Log): HostMemory {
  const path = join(stateDir, 'host-policy.json')
  const log = root.for('host-policy')
  return {
    read() {
      try {
        const stored = JSON.parse(readFileSync(path, 'utf8')) as {version: number; confirmed: string}
        return stored.version === version ? stored.confirmed : undefined
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') {
          log.warn('which host policies are confirmed cannot be read', {path, error: CiliumError.from(thrown)})
        }
        return undefined
      }
    },
    write(confirmed) {
      try {
        writeFileSync(`${path}.tmp`, JSON.stringify({version, confirmed}), {mode: 0o600})
        renameSync(`${path}.tmp`, path)
      } catch (thrown) {
        // they stay in force; the next agent tries them again
        log.error('which host policies are confirmed cannot be kept', {path, error: CiliumError.from(thrown)})
      }
    },
  }
}
