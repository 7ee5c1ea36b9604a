/** `cilium lab load`: an image archive into the nodes. */
import {existsSync, statSync} from 'node:fs'
import {resolve} from 'node:path'
import {fail, hasCode} from '../runtime/errors.ts'
import {LAB_COMMAND_FAILED, LAB_IMAGE_UNREADABLE} from './errors.ts'
import {importImage} from './images.ts'
import type {LabNode} from './plan.ts'
import {nodeOf, readPlan} from './state.ts'
import type {Step} from './steps.ts'

export interface LabLoad {
  readonly steps: readonly Step[]
  /** image names by node, once the steps have run */
  readonly result: () => readonly LoadedImages[]
}

export interface LoadedImages {
  readonly node: string
  readonly images: readonly string[]
}

/**
 * @param nodes names; all nodes when empty
 * @throws LAB_UNKNOWN, LAB_NODE_UNKNOWN, LAB_IMAGE_UNREADABLE
 */
export function labLoad(name: string, archive: string, nodes: readonly string[] = []): LabLoad {
  const plan = readPlan(name)
  const file = resolve(archive)
  if (!existsSync(file) || !statSync(file).isFile()) fail(LAB_IMAGE_UNREADABLE, {file, reason: 'there is no such file'})
  const chosen: readonly LabNode[] = nodes.length === 0 ? plan.nodes : nodes.map((node) => nodeOf(plan, node))
  const loaded: LoadedImages[] = []
  const step = (node: LabNode): Step => ({
    title: node.name,
    run: async (say, signal) => {
      const images = await importImage(plan, node, file, signal).catch((thrown: unknown) => {
        if (!hasCode(thrown, LAB_COMMAND_FAILED)) throw thrown
        return fail(LAB_IMAGE_UNREADABLE, {file, reason: String(thrown.fields['detail'])}, {cause: thrown})
      })
      if (images.length === 0) fail(LAB_IMAGE_UNREADABLE, {file, reason: 'it holds no image'})
      say(images.join(', '))
      loaded.push({node: node.name, images})
    },
  })
  return {
    steps: [{title: `Load ${archive}`, parallel: true, steps: chosen.map(step)}],
    result: () => loaded.toSorted((a, b) => (a.node < b.node ? -1 : 1)),
  }
}
