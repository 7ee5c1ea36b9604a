/**
 * What tests make on the machine under names that say whose it is, `dp-KIND-PID`, and what of it killed tests have left:
 * the first that makes something removes what belongs to processes that are no more.
 */
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {unmountFileSystem} from '../../src/kernel/libc.ts'
import {deleteNetns} from '../../src/kernel/netns.ts'

const ownName = /^dp-[a-z0-9-]+-(\d+)(?:-[A-Za-z0-9]{6})?$/
let swept = false

/** The name of a network namespace of this process. */
export function ownNamespace(kind: string): string {
  sweep()
  return `dp-${kind}-${process.pid}`
}

/** A new folder of this process, below the one for temporary files. */
export function ownFolder(kind: string): string {
  sweep()
  return mkdtempSync(join(tmpdir(), `dp-${kind}-${process.pid}-`))
}

function sweep(): void {
  if (swept) return
  swept = true
  for (const name of existsSync('/run/netns') ? readdirSync('/run/netns') : []) if (isLeft(name)) deleteNetns(name)
  for (const name of readdirSync(tmpdir()).filter(isLeft)) {
    const folder = join(tmpdir(), name)
    for (const mount of mountsBelow(folder)) unmountFileSystem(mount)
    rmSync(folder, {recursive: true, force: true})
  }
}

function isLeft(name: string): boolean {
  const pid = ownName.exec(name)?.[1]
  return pid !== undefined && !existsSync(`/proc/${pid}`)
}

/** The last one mounted first. */
function mountsBelow(folder: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const points = mounts.map((line) => line.split(' ')[1] ?? '')
  return points.filter((point) => point === folder || point.startsWith(`${folder}/`)).reverse()
}
