/**
 * Work in another network namespace: setns on this thread, synchronous work, setns back. Nothing may await in between,
 * for whatever else this thread does would happen in the wrong namespace. Threads started inside would stay there for
 * ever: the libuv pool is started before the first visit, and no Worker may be started inside.
 */
import {closeSync, existsSync, fstatSync, mkdirSync, openSync, readdirSync, readlinkSync, rmSync, stat} from 'node:fs'
import {join} from 'node:path'
import {fail} from '../runtime/errors.ts'
import {isErrno, kernelCodes} from './errors.ts'
import {
  closeFd,
  mountFileSystem,
  newNamespace,
  openFd,
  openSocket,
  readSocketOption,
  setNamespace,
  unmountFileSystem,
} from './libc.ts'

/** Where `ip netns` keeps namespaces by name. */
export const netnsFolder = '/run/netns'

type Synchronous<T> = T extends PromiseLike<unknown> ? never : T

let home: number | undefined
/** namespaces that this thread is inside of, outermost first */
const inside: number[] = []

const AF_INET = 2
const SOCK_DGRAM = 2
const SOL_SOCKET = 1
const SO_NETNS_COOKIE = 71

/** The number by which eBPF programs know the network namespace where we are. Kernel 5.14. */
export function netnsCookie(): bigint {
  const operation = 'read the cookie of the network namespace'
  const socket = openSocket(AF_INET, SOCK_DGRAM, 0, operation)
  try {
    return readSocketOption(socket, SOL_SOCKET, SO_NETNS_COOKIE, operation)
  } finally {
    closeFd(socket)
  }
}

/** Starts the libuv pool in the namespace where we are: it creates all of its threads at the first request. */
function prepare(): number {
  if (home === undefined) {
    stat('/', () => {})
    home = openFd('/proc/thread-self/ns/net')
  }
  return home
}

/**
 * Runs `work` in a network namespace. Costs about 10 us with a descriptor, 20 us with a path. Calls may be nested.
 *
 * @param netns a descriptor, or a path such as /run/netns/NAME or /proc/PID/ns/net
 * @param work must not return a promise
 * @throws what `work` throws; NETNS_MISUSED for a promise; KernelError when the namespace cannot be entered
 */
export function inNetns<T>(netns: number | string, work: () => Synchronous<T>): T {
  const outer = inside.at(-1) ?? prepare()
  const fd = typeof netns === 'number' ? netns : openFd(netns)
  let result: T
  try {
    setNamespace(fd, 'net')
    inside.push(fd)
    try {
      result = work()
    } finally {
      inside.pop()
      goBack(outer)
    }
  } finally {
    if (typeof netns === 'string') closeFd(fd)
  }
  if (isPromise(result)) {
    // its rest would run out here; do not let it fail unseen as well
    result.then(undefined, () => {})
    fail(kernelCodes.NETNS_MISUSED, {detail: 'work in another network namespace returned a promise'})
  }
  return result
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** A thread that cannot return would do all its later work in a stranger's namespace: the process ends instead. */
function goBack(outer: number): void {
  try {
    setNamespace(outer, 'net')
  } catch (thrown) {
    process.stderr.write(`fatal: cannot leave a network namespace: ${thrown}\n`)
    process.abort()
  }
}

/**
 * Runs `work` in a network namespace made for it, which ends with it: for trying what a kernel can do.
 *
 * @param work must not return a promise
 */
export function inNewNetns<T>(work: () => Synchronous<T>): T {
  const outer = inside.at(-1) ?? prepare()
  newNamespace('net')
  let fd: number
  try {
    fd = openFd('/proc/thread-self/ns/net')
  } finally {
    goBack(outer)
  }
  try {
    return inNetns(fd, work)
  } finally {
    closeFd(fd)
  }
}

/** Opens a namespace by process, by name under /run/netns, or by path. The caller closes the descriptor. */
export function openNetns(where: {readonly pid: number} | {readonly name: string} | {readonly path: string}): number {
  if ('pid' in where) return openFd(`/proc/${where.pid}/ns/net`)
  return openFd('name' in where ? namedNetns(where.name) : where.path)
}

/** The path of a namespace by name. */
export function namedNetns(name: string): string {
  return join(netnsFolder, name)
}

/** What makes a namespace itself: equal for two descriptors of the same one. Not reused while it lives. */
export function netnsIdentity(fd: number): string {
  const {dev, ino} = fstatSync(fd)
  return `${dev}:${ino}`
}

/**
 * Creates a named network namespace, as `ip netns add` does; loopback is down.
 *
 * @returns its path
 * @throws KernelError: EEXIST
 */
export function createNetns(name: string): string {
  prepare()
  mkdirSync(netnsFolder, {recursive: true})
  makeShared(netnsFolder)
  const path = namedNetns(name)
  closeSync(openSync(path, 'wx', 0o444))
  const outer = inside.at(-1) ?? prepare()
  try {
    newNamespace('net')
    try {
      mountFileSystem('/proc/thread-self/ns/net', path, 'none', MS_BIND)
    } finally {
      goBack(outer)
    }
  } catch (thrown) {
    rmSync(path, {force: true})
    throw thrown
  }
  return path
}

const MS_BIND = 4096
const MS_REC = 16384
const MS_SHARED = 1 << 20

/** Other mount namespaces must see names come and go. Only a mount can be shared, so the folder becomes one first. */
function makeShared(folder: string): void {
  try {
    mountFileSystem('', folder, 'none', MS_SHARED | MS_REC)
  } catch (thrown) {
    if (!isErrno(thrown, 'EINVAL')) throw thrown
    mountFileSystem(folder, folder, 'none', MS_BIND | MS_REC)
    mountFileSystem('', folder, 'none', MS_SHARED | MS_REC)
  }
}

/** Removes a name; the namespace lives on while processes or descriptors hold it. A missing name is success. */
export function deleteNetns(name: string): void {
  const path = namedNetns(name)
  if (!existsSync(path)) return
  try {
    unmountFileSystem(path)
  } catch (thrown) {
    // the name is left over from a boot before this one: no mount behind it
    if (!isErrno(thrown, 'EINVAL')) throw thrown
  }
  rmSync(path, {force: true})
}

/** The network namespaces that threads of this process are in. More than one, outside of inNetns, is a fault. */
export function threadNamespaces(): string[] {
  const found = new Set<string>()
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      found.add(readlinkSync(`/proc/self/task/${thread}/ns/net`))
    } catch (thrown) {
      // the thread ended since
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    }
  }
  return [...found]
}
