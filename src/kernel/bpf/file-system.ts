/** The bpf file system: where pins live. What is ours is what is pinned in our folder; ids of others are never walked. */
import {existsSync, mkdirSync, readdirSync, readlinkSync, statfsSync} from 'node:fs'
import {join} from 'node:path'
import {closeFd, mountFileSystem} from '../libc.ts'
import {readLinkInfo, readMapInfo, readProgramInfo} from './info.ts'
import {openPin} from './pin.ts'

const BPF_FS_MAGIC = 0xcafe4a11

/** Does the path lie in a bpf file system? */
export function isBpfFileSystem(path: string): boolean {
  return existsSync(path) && statfsSync(path).type === BPF_FS_MAGIC
}

/**
 * Mounts a bpf file system unless one is there.
 *
 * @returns true when it had to be mounted
 * @throws KernelError
 */
export function ensureBpfFileSystem(path = '/sys/fs/bpf'): boolean {
  if (isBpfFileSystem(path)) return false
  mkdirSync(path, {recursive: true})
  mountFileSystem('bpf', path, 'bpf')
  return true
}

export interface PinnedObject {
  readonly path: string
  readonly kind: 'map' | 'program' | 'link'
  /** the kernel's number, as bpftool shows it */
  readonly id: number
  /** the kernel's name of a map or program, '' for links */
  readonly name: string
}

/** Everything pinned below a folder, by path. Pins that vanish meanwhile are left out. */
export function listPins(folder: string): PinnedObject[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, {withFileTypes: true, recursive: true})
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .flatMap((path) => {
      const fd = openPin(path)
      if (fd === undefined) return []
      try {
        return [{path, ...describe(fd)}]
      } finally {
        closeFd(fd)
      }
    })
}

function describe(fd: number): Pick<PinnedObject, 'kind' | 'id' | 'name'> {
  const target = readlinkSync(`/proc/self/fd/${fd}`)
  if (target.includes('bpf-map')) {
    const {id, name} = readMapInfo(fd)
    return {kind: 'map', id, name}
  }
  if (target.includes('bpf-prog')) {
    const {id, name} = readProgramInfo(fd)
    return {kind: 'program', id, name}
  }
  return {kind: 'link', id: readLinkInfo(fd).id, name: ''}
}
