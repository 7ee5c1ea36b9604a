/** `cilium lab down`: undoes what the record says, whatever state things are in. */
import {existsSync, readdirSync, readFileSync, rmdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {CiliumError} from '../runtime/errors.ts'
import {findCgroupMounts, killCgroup, removeCgroup, thaw} from './cgroup.ts'
import {LAB_CLEANUP_INCOMPLETE} from './errors.ts'
import {takeLock} from './lock.ts'
import {labPaths, labsFolder, labsRunFolder} from './paths.ts'
import {checkLabName} from './plan.ts'
import {LabRecord, type Made, undoOrder} from './record.ts'
import {releaseIndex} from './state.ts'
import type {Step} from './steps.ts'
import {runTool} from './tool.ts'

/** Words for the progress of each kind. */
const titles: Readonly<Record<Exclude<Made['kind'], 'boot'>, string>> = {
  cgroup: 'End all processes',
  link: 'Delete network devices',
  netns: 'Delete network namespaces',
  folder: 'Delete files',
  index: 'Give the number back',
}

export interface LabDown {
  readonly steps: readonly Step[]
  readonly close: () => void
  /** false when there was no such lab */
  readonly found: boolean
}

/** @throws LAB_NAME_INVALID, LAB_BUSY at once; the steps throw LAB_CLEANUP_INCOMPLETE */
export function labDown(name: string): LabDown {
  checkLabName(name)
  const paths = labPaths(name)
  const unlock = takeLock(paths.lock, name)
  const made = undoOrder(LabRecord.read(paths.record))
  const left: string[] = []
  const kinds = Object.keys(titles) as (keyof typeof titles)[]
  const steps: Step[] = kinds.map((kind) => ({
    title: titles[kind],
    skip: () => (made.some((entry) => entry.kind === kind) ? undefined : 'nothing there'),
    run: async (say, signal) => {
      for (const entry of made.filter((one) => one.kind === kind)) {
        say(entry.id)
        try {
          await undo(name, entry, signal)
        } catch (thrown) {
          signal.throwIfAborted()
          // Go on: one thing that cannot go must not keep the rest.
          left.push(`${entry.kind} ${entry.id}: ${CiliumError.from(thrown).message}`)
        }
      }
    },
  }))
  steps.push({
    title: 'Close the record',
    run: async () => {
      if (left.length > 0) throw new CiliumError(LAB_CLEANUP_INCOMPLETE, {name, left: left.join('; ')})
      rmSync(paths.data, {recursive: true, force: true})
    },
  })
  const close = () => {
    unlock()
    for (const folder of [join(labsFolder, '.index'), labsFolder, labsRunFolder]) removeIfEmpty(folder)
  }
  return {steps, close, found: existsSync(paths.data) || made.length > 0}
}

async function undo(name: string, entry: Made, signal: AbortSignal): Promise<void> {
  switch (entry.kind) {
    case 'cgroup':
      thaw(entry.id)
      await killCgroup(join(findCgroupMounts().unified, entry.id), signal)
      await removeCgroup(entry.id, signal)
      return
    case 'link':
      if (existsSync(`/sys/class/net/${entry.id}`)) await runTool('ip', ['link', 'del', entry.id], {signal})
      return
    case 'netns':
      if (existsSync(`/run/netns/${entry.id}`)) await runTool('ip', ['netns', 'del', entry.id], {signal})
      return
    case 'folder':
      await removeFolder(entry.id, labPaths(name).record, signal)
      return
    case 'index':
      releaseIndex(name, Number(entry.id))
      return
    case 'boot':
      return
  }
}

/** Never deletes through a mount: what somebody mounted inside is unmounted first. The record stays to the end. */
async function removeFolder(folder: string, record: string, signal: AbortSignal): Promise<void> {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point === folder || point.startsWith(`${folder}/`))
    .reverse()
  for (const point of points) await runTool('umount', ['-l', point], {signal})
  if (!existsSync(folder)) return
  if (!record.startsWith(`${folder}/`)) return rmSync(folder, {recursive: true, force: true})
  for (const inner of readdirSync(folder)) {
    if (join(folder, inner) !== record) rmSync(join(folder, inner), {recursive: true, force: true})
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch (thrown) {
    const {code} = thrown as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY' && code !== 'EEXIST') throw thrown
  }
}
