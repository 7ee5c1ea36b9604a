/** Images into nodes. */
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import {type BinaryChoice, corednsBinary, pauseBinary} from './binaries.ts'
import {ensureToolsCgroup} from './cgroup.ts'
import {type ProgramImage, writeProgramImage} from './container-image.ts'
import {corednsVersion} from './go-module.ts'
import {pauseImage} from './node-config.ts'
import {cacheFolder, labPaths} from './paths.ts'
import type {LabNode, LabPlan} from './plan.ts'
import {runTool} from './tool.ts'

export const corednsImage = `lab.cilium.local/coredns:${corednsVersion}`

/** Image archives that every node gets, written once. @returns their files */
export async function ensureLabImages(choice: BinaryChoice): Promise<readonly string[]> {
  const images: readonly ProgramImage[] = [
    {name: pauseImage, program: pauseBinary(), entry: 'pause'},
    {name: corednsImage, program: corednsBinary(choice), entry: 'coredns'},
  ]
  return await Promise.all(
    images.map(async (image) => {
      const file = join(cacheFolder(), 'images', `${image.name.replaceAll(/[/:]/g, '_')}.tar`)
      if (!existsSync(file)) await writeProgramImage(image, file)
      return file
    }),
  )
}

/** Imports an archive into a node. @returns the names of its images */
export async function importImage(
  plan: {readonly name: string},
  node: {readonly name: string},
  file: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const output = await runTool('ctr', [...ctrArguments(plan, node), 'images', 'import', file], {
    signal,
    cgroup: ensureToolsCgroup(plan.name),
  })
  return [...output.matchAll(/^unpacking (\S+)/gm)].map((match) => match[1]!)
}

export async function hasImage(plan: LabPlan, node: LabNode, name: string, signal: AbortSignal): Promise<boolean> {
  const listed = await runTool('ctr', [...ctrArguments(plan, node), 'images', 'ls', '-q', `name==${name}`], {
    signal,
    cgroup: ensureToolsCgroup(plan.name),
  })
  return listed.trim() !== ''
}

function ctrArguments(plan: {readonly name: string}, node: {readonly name: string}): readonly string[] {
  return ['--address', labPaths(plan.name).node(node.name).containerd, '--namespace', 'k8s.io']
}
