/** Long-running processes of a lab: detached from the command that starts them, each in a cgroup of its own. */
import {spawn} from 'node:child_process'
import {closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync} from 'node:fs'
import {dirname} from 'node:path'
import {CiliumError, fail} from '../runtime/errors.ts'
import {ensureProcessCgroup, isPopulated, killCgroup, processCgroup, processesOf} from './cgroup.ts'
import {LAB_PROCESS_DIED} from './errors.ts'
import {labPaths} from './paths.ts'
import {insideCgroup, tail} from './tool.ts'
import {waitFor} from './wait.ts'

/** Names a process of a lab; its cgroup and its log follow from it. */
export interface DaemonId {
  readonly lab: string
  /** control-plane, outside, or a node's name */
  readonly place: string
  readonly process: string
}

export function daemonLog(id: DaemonId): string {
  return labPaths(id.lab).log(`${id.place}-${id.process}`)
}

export function isRunning(id: DaemonId): boolean {
  return isPopulated(processCgroup(id.lab, id.place, id.process))
}

export function daemonPids(id: DaemonId): readonly number[] {
  return processesOf(processCgroup(id.lab, id.place, id.process))
}

/**
 * Starts a process unless it runs already, and waits until `ready` says so.
 *
 * @param argv command with arguments; the first one an absolute path or found by PATH
 * @throws LAB_PROCESS_DIED when it ends before it is ready, LAB_NOT_READY after a minute
 */
export async function startDaemon(
  id: DaemonId,
  argv: readonly string[],
  ready: () => boolean | Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const log = daemonLog(id)
  let ended: string | undefined
  if (!isRunning(id)) {
    mkdirSync(dirname(log), {recursive: true})
    const file = openSync(log, 'a', 0o600)
    const from = statSync(log).size
    const [command, ...args] = insideCgroup(ensureProcessCgroup(id.lab, id.place, id.process), argv)
    const child = spawn(command!, args, {detached: true, stdio: ['ignore', file, file], cwd: '/'})
    closeSync(file)
    child.on('error', (cause) => {
      ended = cause.message
    })
    child.on('exit', (status, by) => {
      ended = `${by ?? `exit code ${status}`}: ${tail(readFileSync(log).subarray(from).toString('utf8'))}`
    })
    child.unref()
  }
  await waitFor(
    `${id.process} of ${id.place}`,
    async () => {
      if (ended !== undefined) {
        throw new CiliumError(LAB_PROCESS_DIED, {process: `${id.process} of ${id.place}`, detail: ended, log})
      }
      return await ready()
    },
    {signal, where: log},
  )
}

/** For waits that a dead process would make endless. @throws LAB_PROCESS_DIED with the end of its log */
export function mustRun(id: DaemonId): void {
  if (isRunning(id)) return
  const log = daemonLog(id)
  const detail = existsSync(log) ? tail(readFileSync(log, 'utf8')) : 'it was never started'
  fail(LAB_PROCESS_DIED, {process: `${id.process} of ${id.place}`, detail, log})
}

/** Ends a process with all it has started (SIGKILL). Nothing when it does not run. */
export async function stopDaemon(id: DaemonId, signal: AbortSignal): Promise<void> {
  await killCgroup(processCgroup(id.lab, id.place, id.process), signal)
}
