/**
 * Where everything of ours lies in the bpf file system. What is pinned here is ours; nothing else is.
 *
 *     <root>/state/v<layout>/<map>                        shared by all generations
 *     <root>/generations/<number>_<fingerprint>_v<layout>/maps/<map>
 *     <root>/generations/<number>_<fingerprint>_v<layout>/programs/<program>
 *     <root>/switches/<number>/...                        while the layout changes: switch.ts
 *     <root>/links/<ifindex>_<ingress|egress>
 *     <root>/links/<ifindex>_xdp_<native|generic>
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
  /** of the state maps that it uses */
  readonly layout: number
}

export const pinPaths = {
  state: (root: string, layout: number = STATE_LAYOUT) => join(root, 'state', `v${layout}`),
  generation: (root: string, {number, fingerprint, layout}: GenerationName) =>
    join(root, 'generations', `${number}_${fingerprint}_v${layout}`),
  link: (root: string, ifindex: number, direction: Direction) => join(root, 'links', `${ifindex}_${direction}`),
  xdpLink: (root: string, ifindex: number, mode: 'native' | 'generic') => join(root, 'links', `${ifindex}_xdp_${mode}`),
  cgroupLink: (root: string, hook: string) => join(root, 'links', `cgroup_${hook}`),
}

/** Generations that are pinned, the newest last. */
export function listGenerations(root: string): GenerationName[] {
  return listFolder(join(root, 'generations'))
    .flatMap((name) => {
      const [, number, fingerprint, layout] = /^(\d+)_([0-9a-f]+)_v(\d+)$/.exec(name) ?? []
      return number && fingerprint ? [{number: Number(number), fingerprint, layout: Number(layout)}] : []
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

/** Layouts of state that are pinned. */
export function listLayouts(root: string): number[] {
  return listFolder(join(root, 'state')).flatMap((name) => (/^v\d+$/.test(name) ? [Number(name.slice(1))] : []))
}

/** Removes the pins of the state of one layout. What another layout shares with it lives on. */
export function removeLayout(root: string, layout: number): void {
  rmSync(pinPaths.state(root, layout), {recursive: true, force: true})
}

function listFolder(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : []
}
