/** One command at a time works on a lab. The lock names its holder, so that a dead one's can be taken. */
import {linkSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'
import {fail} from '../runtime/errors.ts'
import {LAB_BUSY} from './errors.ts'

/** Start time of a process in clock ticks since boot (proc_pid_stat(5)). @returns undefined when there is no such process */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch (thrown) {
    const {code} = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw thrown
  }
}

/**
 * Takes the lock of a lab.
 *
 * @returns the function that gives it back
 * @throws LAB_BUSY while its holder lives
 */
export function takeLock(file: string, name: string): () => void {
  const mine = `${process.pid} ${startTimeOf(process.pid)}`
  const draft = `${file}.${process.pid}`
  mkdirSync(dirname(file), {recursive: true, mode: 0o755})
  writeFileSync(draft, mine, {mode: 0o600})
  try {
    for (;;) {
      try {
        linkSync(draft, file)
        return () => rmSync(file, {force: true})
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
      }
      const holder = readHolder(file)
      if (holder === undefined) continue
      if (startTimeOf(holder.pid) === holder.started) fail(LAB_BUSY, {name, pid: holder.pid})
      rmSync(file, {force: true})
    }
  } finally {
    rmSync(draft, {force: true})
  }
}

function readHolder(file: string): {pid: number; started: string} | undefined {
  try {
    const [pid, started] = readFileSync(file, 'utf8').split(' ')
    return {pid: Number(pid), started: started ?? ''}
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}
