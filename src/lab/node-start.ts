/** A node from nothing to a running kubelet, in one call; up, addNode and restartNode all use it. */
import {startKubeProxy} from './baseline.ts'
import {hasImage, importImage} from './images.ts'
import {bootNode, startContainerd, startKubelet} from './node.ts'
import {pauseImage} from './node-config.ts'
import type {LabNode, LabPlan} from './plan.ts'
import type {LabRecord} from './record.ts'
import {allSettled} from './steps.ts'

export interface NodeStart {
  readonly plan: LabPlan
  readonly node: LabNode
  readonly record: LabRecord
  /** archives of the images that every node has */
  readonly images: readonly string[]
  /** kubelet starts when this resolves */
  readonly apiServer: Promise<void>
  readonly say: (text: string) => void
  readonly signal: AbortSignal
}

export async function startNode({plan, node, record, images, apiServer, say, signal}: NodeStart): Promise<void> {
  say('namespaces')
  await bootNode(plan, node, record, signal)
  say('containerd')
  await startContainerd(plan, node, signal)
  if (!(await hasImage(plan, node, pauseImage, signal))) {
    say('images')
    // pause is the last: where it is, all are
    const [pause, ...others] = images
    await allSettled(others.map((file) => importImage(plan, node, file, signal)))
    await importImage(plan, node, pause!, signal)
  }
  say('waiting for the API server')
  await apiServer
  await startKubelet(plan, node, signal)
  if (plan.kubeProxy !== 'none') await startKubeProxy(plan, node, signal)
}
