/**
 * Kernel settings below /proc/sys. Those below net/ are of the network namespace in which the calling thread stands
 * when it opens the file: call within inNetns for another's. Synchronous for that reason.
 */
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {KernelError} from './errors.ts'

/**
 * @param path with slashes, since device names may have dots: net/ipv4/conf/eth0.1/forwarding
 * @param procfs where proc is mounted; in a container its own may be read-only
 * @returns undefined when the kernel has no such setting
 */
export function readSysctl(path: string, procfs = '/proc'): string | undefined {
  try {
    return readFileSync(join(procfs, 'sys', path), 'utf8').trim()
  } catch (thrown) {
    const {code, errno = 0} = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new KernelError(-errno, `read setting ${path}`)
  }
}

/**
 * Gives a setting a value; writes only when it has another.
 *
 * @returns the value before
 * @throws KernelError: ENOENT when the kernel has no such setting, EROFS or EACCES when it may not be changed here
 */
export function writeSysctl(path: string, value: string | number, procfs = '/proc'): string {
  const wanted = String(value)
  const before = readSysctl(path, procfs)
  if (before === wanted) return before
  try {
    writeFileSync(join(procfs, 'sys', path), wanted, {flag: 'r+'})
  } catch (thrown) {
    throw new KernelError(-((thrown as NodeJS.ErrnoException).errno ?? 0), `set ${path} to ${wanted}`)
  }
  return before ?? ''
}
