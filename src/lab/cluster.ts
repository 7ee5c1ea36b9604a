/** A running lab as tests handle it: nodes that reboot, come and go, an API server that stops. */
import {rmSync} from 'node:fs'
import {join} from 'node:path'
import {fail} from '../runtime/errors.ts'
import {deleteObject, readNodes} from './api-server.ts'
import {installPtp} from './baseline.ts'
import {binariesFolder} from './binaries.ts'
import {findCgroupMounts, labCgroupName} from './cgroup.ts'
import * as controlPlane from './control-plane.ts'
import {mustRun} from './daemon.ts'
import {LAB_OPTION_INVALID} from './errors.ts'
import {ensureLabImages} from './images.ts'
import {takeLock} from './lock.ts'
import {netnsPath} from './network.ts'
import {haltNode, initPid, nodeDaemon} from './node.ts'
import {startNode} from './node-start.ts'
import {labPaths} from './paths.ts'
import {freeNodeNumber, type LabNode, type LabPlan, planNode} from './plan.ts'
import {LabRecord} from './record.ts'
import {nodeOf, readPlan, savePlan} from './state.ts'
import {waitFor} from './wait.ts'

export interface RunningNode extends LabNode {
  /** the node's network namespace */
  readonly netns: string
  /** its process 1: `nsenter -t PID -m -n -u -p`; undefined when the node is down */
  readonly initPid: number | undefined
  /** containerd's socket, seen from the machine */
  readonly containerd: string
  /** its cgroup2 folder, seen from the machine */
  readonly cgroup: string
  /** its /run and its disk, seen from the machine */
  readonly run: string
  readonly disk: string
}

export function listNodes(name: string): readonly RunningNode[] {
  const plan = readPlan(name)
  const {unified} = findCgroupMounts()
  return plan.nodes.map((node) => {
    const {containerd, run, disk} = labPaths(name).node(node.name)
    return {
      ...node,
      netns: netnsPath(plan, node.name),
      initPid: initPid(plan, node),
      containerd,
      cgroup: join(unified, labCgroupName(name), node.name),
      run,
      disk,
    }
  })
}

/** A power cut and a new start: every process gone at once, the namespaces new, the disk as it was. */
export async function restartNode(name: string, nodeName: string, signal: AbortSignal): Promise<void> {
  await haltNodeOf(name, nodeName, signal)
  await startNodeOf(name, nodeName, signal)
}

/** The power cut alone. */
export async function haltNodeOf(name: string, nodeName: string, signal: AbortSignal): Promise<void> {
  await withLab(name, (plan) => haltNode(plan, nodeOf(plan, nodeName), signal))
}

/** Starts a node that is down. Does not wait for its registration: the API server may be down. */
export async function startNodeOf(name: string, nodeName: string, signal: AbortSignal): Promise<void> {
  await withLab(name, (plan, record) => start(plan, nodeOf(plan, nodeName), record, signal))
}

export async function stopApiServer(name: string, signal: AbortSignal): Promise<void> {
  await withLab(name, (plan) => controlPlane.stopApiServer(plan, signal))
}

/** Starts the API server and waits until it serves. */
export async function startApiServer(name: string, signal: AbortSignal): Promise<void> {
  await withLab(name, (plan) => controlPlane.startApiServer(plan, binariesFolder(plan), signal))
}

/** Adds a node and waits for its registration. @throws LAB_OPTION_INVALID when the name is taken */
export async function addNode(name: string, nodeName: string, signal: AbortSignal): Promise<LabNode> {
  return await withLab(name, async (plan, record) => {
    if (plan.nodes.some((node) => node.name === nodeName)) {
      fail(LAB_OPTION_INVALID, {option: 'node name', value: nodeName, reason: 'the lab has a node of this name'})
    }
    const node = planNode(plan.index, plan.ipFamilies, nodeName, freeNodeNumber(plan.nodes))
    const grown = {...plan, nodes: [...plan.nodes, node]}
    savePlan(grown)
    await start(grown, node, record, signal)
    const podCidrs = await waitRegistered(grown, () => {}, signal)
    if (grown.cni === 'ptp') await installPtp(grown, podCidrs, signal)
    return node
  })
}

/** Takes a node out of the cluster with all it has. */
export async function removeNode(name: string, nodeName: string, signal: AbortSignal): Promise<void> {
  await withLab(name, async (plan) => {
    const node = nodeOf(plan, nodeName)
    await haltNode(plan, node, signal)
    await deleteObject(plan, `/api/v1/nodes/${nodeName}`)
    rmSync(labPaths(name).node(nodeName).disk, {recursive: true, force: true})
    savePlan({...plan, nodes: plan.nodes.filter((other) => other.name !== nodeName)})
  })
}

/** Waits until every node is in the cluster and has its pod CIDRs. @returns these by node name */
export async function waitRegistered(
  plan: LabPlan,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  let shown = ''
  return await waitFor(
    'all nodes to register',
    async () => {
      const seen = await readNodes(plan)
      const there = plan.nodes.flatMap((node) => {
        const podCidrs = seen?.get(node.name)?.podCidrs ?? []
        return podCidrs.length === 0 ? [] : [[node.name, podCidrs] as const]
      })
      // A name that is registered already says nothing about kubelet: it may be from before a restart.
      for (const node of plan.nodes) mustRun(nodeDaemon(plan, node, 'kubelet'))
      mustRun(controlPlane.controlPlaneDaemon(plan, 'kube-controller-manager'))
      const text = `${there.length} of ${plan.nodes.length}`
      if (text !== shown) say(text)
      shown = text
      return there.length === plan.nodes.length ? new Map(there) : undefined
    },
    // After an outage of the API server its clients take up to a minute to come back.
    {signal, everyMs: 200, timeoutMs: 180_000, where: labPaths(plan.name).logs},
  )
}

async function start(plan: LabPlan, node: LabNode, record: LabRecord, signal: AbortSignal): Promise<void> {
  const images = await ensureLabImages(plan)
  await startNode({plan, node, record, images, apiServer: Promise.resolve(), say: () => {}, signal})
}

async function withLab<T>(name: string, work: (plan: LabPlan, record: LabRecord) => Promise<T>): Promise<T> {
  const plan = readPlan(name)
  const unlock = takeLock(labPaths(name).lock, name)
  try {
    return await work(plan, LabRecord.open(labPaths(name).record))
  } finally {
    unlock()
  }
}
