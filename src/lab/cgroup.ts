/**
 * A lab's processes live in one cgroup tree: that is how `down` finds every one of them, containers and orphans too.
 *
 *     <cgroup2>/cilium-lab-NAME/control-plane/etcd ...        one leaf per process of ours
 *     <cgroup2>/cilium-lab-NAME/node1/{init,containerd,kubelet,shell,kubepods/...}
 *
 * On machines with cgroup v1 beside v2 the node's part exists in every v1 hierarchy too, because kubelet wants it there.
 */
import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fail} from '../runtime/errors.ts'
import {LAB_PREREQUISITE} from './errors.ts'
import {waitFor} from './wait.ts'

export interface CgroupMounts {
  /** mount point of cgroup2 */
  readonly unified: string
  /** mount points of v1 hierarchies; empty on machines with v2 alone */
  readonly v1: readonly string[]
}

/** Reads /proc/self/mountinfo text (proc_pid_mountinfo(5)). @throws LAB_PREREQUISITE without cgroup2 */
export function findCgroupMounts(mountinfo: string = readFileSync('/proc/self/mountinfo', 'utf8')): CgroupMounts {
  const mounts = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields.length > 8)
    .map((fields) => ({point: fields[4]!, type: fields[fields.indexOf('-') + 1]!}))
    .filter((mount) => mount.point.startsWith('/sys/fs/cgroup'))
  const unified = mounts.find((mount) => mount.type === 'cgroup2')?.point
  if (unified === undefined) {
    fail(LAB_PREREQUISITE, {
      missing: 'no cgroup2 file system under /sys/fs/cgroup',
      advice: 'mount one: mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified',
    })
  }
  return {unified, v1: mounts.filter((mount) => mount.type === 'cgroup').map((mount) => mount.point)}
}

export function labCgroupName(lab: string): string {
  return `cilium-lab-${lab}`
}

/** The cgroup of one process of a place (control-plane, outside, a node), made if missing. @returns its folder in cgroup2 */
export function ensureProcessCgroup(lab: string, place: string, process: string): string {
  const folder = join(findCgroupMounts().unified, labCgroupName(lab), place, process)
  mkdirSync(folder, {recursive: true})
  return folder
}

/** Where tools run that make things, so that `down` finds them even when the command that ran them was killed. */
export function ensureToolsCgroup(lab: string): string {
  return ensureProcessCgroup(lab, 'work', 'tools')
}

export function processCgroup(lab: string, place: string, process: string): string {
  return join(findCgroupMounts().unified, labCgroupName(lab), place, process)
}

/** Makes what kubelet wants of its cgroupRoot: the folder in every hierarchy, with CPUs in it and controllers on. */
export function ensureNodeCgroup(lab: string, node: string): void {
  const mounts = findCgroupMounts()
  for (const mount of mounts.v1) {
    let parent = mount
    for (const part of [labCgroupName(lab), node]) {
      const folder = join(parent, part)
      mkdirSync(folder, {recursive: true})
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        if (existsSync(join(folder, file)) && readFileSync(join(folder, file), 'utf8').trim() === '') {
          writeFileSync(join(folder, file), readFileSync(join(parent, file)))
        }
      }
      parent = folder
    }
  }
  let parent = mounts.unified
  for (const part of ['', labCgroupName(lab), node]) {
    parent = join(parent, part)
    mkdirSync(parent, {recursive: true})
    if (mounts.v1.length > 0) continue
    const controllers = readFileSync(join(parent, 'cgroup.controllers'), 'utf8').trim().split(' ').filter(Boolean)
    writeFileSync(join(parent, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '))
  }
}

/** True when a process lives in this cgroup2 folder or below. */
export function isPopulated(folder: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(join(folder, 'cgroup.events'), 'utf8'))
  } catch (thrown) {
    if (isGone(thrown)) return false
    throw thrown
  }
}

/** Process ids in a cgroup2 folder, not below it. Empty when there is no such cgroup. */
export function processesOf(folder: string): readonly number[] {
  try {
    return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  } catch (thrown) {
    if (isGone(thrown)) return []
    throw thrown
  }
}

/** SIGKILL to everything in the cgroup and below (cgroup.kill, Linux 5.14), and waits until all are gone. */
export async function killCgroup(folder: string, signal: AbortSignal): Promise<void> {
  if (!existsSync(folder)) return
  await waitFor(
    `the processes in ${folder} to end`,
    () => {
      try {
        // each round anew: a process may have been on its way into the cgroup
        if (isPopulated(folder)) writeFileSync(join(folder, 'cgroup.kill'), '1')
      } catch (thrown) {
        if (!isGone(thrown)) throw thrown
      }
      return !isPopulated(folder)
    },
    {signal, timeoutMs: 20_000, everyMs: 10, where: `${folder}/cgroup.procs`},
  )
}

/** Lets v1-frozen containers run again, or SIGKILL would wait for their thaw. */
export function thaw(cgroup: string): void {
  for (const mount of findCgroupMounts().v1) {
    for (const folder of treeOf(join(mount, cgroup))) {
      const file = join(folder, 'freezer.state')
      if (existsSync(file) && readFileSync(file, 'utf8').trim() !== 'THAWED') writeFileSync(file, 'THAWED')
    }
  }
}

/** Removes a cgroup with all below it from every hierarchy; its processes are dead by now. */
export async function removeCgroup(cgroup: string, signal: AbortSignal): Promise<void> {
  const {unified, v1} = findCgroupMounts()
  for (const mount of [unified, ...v1]) {
    await waitFor(`cgroup ${join(mount, cgroup)} to be free`, () => removeTree(join(mount, cgroup)), {
      signal,
      timeoutMs: 20_000,
      everyMs: 20,
      where: join(mount, cgroup),
    })
  }
}

function removeTree(folder: string): boolean {
  for (const one of treeOf(folder)) {
    try {
      rmdirSync(one)
    } catch (thrown) {
      const code = (thrown as NodeJS.ErrnoException).code
      if (code === 'EBUSY' || code === 'ENOTEMPTY') return false
      if (code !== 'ENOENT') throw thrown
    }
  }
  return true
}

/** Folders of a cgroup tree, deepest first. */
function treeOf(folder: string): readonly string[] {
  try {
    const inner = readdirSync(folder, {withFileTypes: true}).filter((entry) => entry.isDirectory())
    return [...inner.flatMap((entry) => treeOf(join(folder, entry.name))), folder]
  } catch (thrown) {
    if (isGone(thrown)) return []
    throw thrown
  }
}

/** ENODEV is what a cgroup file says whose cgroup was removed while it was open. */
function isGone(thrown: unknown): boolean {
  const code = (thrown as NodeJS.ErrnoException).code
  return code === 'ENOENT' || code === 'ENODEV'
}
