/**
 * Where everything of ours lies in the bpf file system. What is pinned here is ours; nothing else is.
 *
 *     <root>/state/v<layout>/<map>                        shared by all generations
 *     <root>/generations/<number>_<fingerprint>/maps/<map>
 *     <root>/generations/<number>_<fingerprint>/programs/<program>
 *     <root>/links/<ifindex>_<ingress|egress>
 *     <root>/links/cgroup_<hook>
 */
import {existsSync, readdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import type {Direction} from '../kernel/bpf/link.ts'
import {STATE_LAYOUT} from './gen/constants.ts'

export const defaultPinRoot = '/sys/fs/bpf/cilium'

export interface GenerationName {
  readonly number: number
  /** of objects and configuration; generations of the same fingerprint are the same */
  readonly fingerprint: string
}

export const pinPaths = {
  state: (root: string) => join(root, 'state', `v${STATE_LAYOUT}`),
  generation: (root: string, {number, fingerprint}: GenerationName) =>
    join(root, 'generations', `${number}_${fingerprint}`),
  link: (root: string, ifindex: number, direction: Direction) => join(root, 'links', `${ifindex}_${direction}`),
  cgroupLink: (root: string, hook: string) => join(root, 'links', `cgroup_${hook}`),
}

/** Generations that are pinned, the newest last. */
export function listGenerations(root: string): GenerationName[] {
  return listFolder(join(root, 'generations'))
    .flatMap((name) => {
      const [, number, fingerprint] = /^(\d+)_([0-9a-f]+)$/.exec(name) ?? []
      return number && fingerprint ? [{number: Number(number), fingerprint}] : []
    })
    .sort((a, b) => a.number - b.number)
}

/** Devices that have a pinned link. */
export function listLinkedDevices(root: string): number[] {
  const devices = listFolder(join(root, 'links')).map((name) => Number.parseInt(name, 10))
  return [...new Set(devices)].filter((ifindex) => ifindex > 0).sort((a, b) => a - b)
}

/** Removes the pins of a generation. Programs that links still hold run on. */
export function removeGeneration(root: string, name: GenerationName): void {
  rmSync(pinPaths.generation(root, name), {recursive: true, force: true})
}

function listFolder(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : []
}
