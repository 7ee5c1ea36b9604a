/** `cilium lab status`: what runs, what does not, and why. */
import {existsSync} from 'node:fs'
import {type ApiNode, readNodes, readyz} from './api-server.ts'
import {controlPlaneDaemon, controlPlaneProcesses} from './control-plane.ts'
import {type DaemonId, daemonLog, daemonPids, isRunning} from './daemon.ts'
import {initPid, nodeDaemon, nodeProcesses} from './node.ts'
import {outsideDaemons} from './outside.ts'
import {labPaths} from './paths.ts'
import type {LabPlan} from './plan.ts'
import {listPlans, readPlan} from './state.ts'

export interface ProcessStatus {
  /** node name, control-plane or outside */
  readonly place: string
  readonly process: string
  readonly running: boolean
  readonly pids: readonly number[]
  readonly log: string
}

export interface NodeStatus {
  readonly name: string
  readonly addresses: readonly string[]
  readonly podCidrs: readonly string[]
  readonly state: 'ready' | 'not ready' | 'not registered' | 'unknown'
  /** kubelet's words when not ready */
  readonly message: string
}

export interface LabStatus {
  readonly name: string
  readonly kubernetes: string
  readonly kubeconfig: string
  readonly apiServer: 'ready' | 'not ready'
  readonly nodes: readonly NodeStatus[]
  readonly processes: readonly ProcessStatus[]
  /** what is wrong, one sentence each; empty when all is well but for a network that nobody has installed yet */
  readonly problems: readonly string[]
}

/** @throws LAB_UNKNOWN */
export async function labStatus(name: string): Promise<LabStatus> {
  return await statusOf(readPlan(name))
}

async function statusOf(plan: LabPlan): Promise<LabStatus> {
  const {name} = plan
  const apiReady = await readyz(plan).catch(() => false)
  const seen = apiReady ? await readNodes(plan) : undefined
  const processes = allDaemons(plan).map(toProcessStatus)
  const nodes = plan.nodes.map((node) => toNodeStatus(node, seen))
  const paths = labPaths(name)
  return {
    name,
    kubernetes: plan.kubernetes,
    kubeconfig: paths.kubeconfigLink,
    apiServer: apiReady ? 'ready' : 'not ready',
    nodes,
    processes,
    problems: [
      ...(existsSync(paths.run) ? [] : ['the machine was started anew since: run "cilium lab up" again']),
      ...processes
        .filter((one) => !one.running)
        .map((one) => `${one.process} of ${one.place} does not run, see ${one.log}`),
      ...nodes.filter((node) => node.state === 'not registered').map((node) => `${node.name} has not registered`),
    ],
  }
}

/** All labs of this machine. */
export async function allLabStatus(): Promise<readonly LabStatus[]> {
  return await Promise.all(listPlans().map(statusOf))
}

function allDaemons(plan: LabPlan): readonly DaemonId[] {
  return [
    ...controlPlaneProcesses.map((process) => controlPlaneDaemon(plan, process)),
    ...outsideDaemons(plan),
    ...plan.nodes.flatMap((node) => nodeProcesses(plan).map((process) => nodeDaemon(plan, node, process))),
  ]
}

function toProcessStatus(id: DaemonId): ProcessStatus {
  const running = id.process === 'init' ? initPid({name: id.lab}, {name: id.place}) !== undefined : isRunning(id)
  return {place: id.place, process: id.process, running, pids: daemonPids(id), log: daemonLog(id)}
}

function toNodeStatus(
  node: {readonly name: string; readonly addresses: readonly string[]},
  seen: ReadonlyMap<string, ApiNode> | undefined,
): NodeStatus {
  const known = seen?.get(node.name)
  const state = known?.ready
    ? 'ready'
    : known !== undefined
      ? 'not ready'
      : seen === undefined
        ? 'unknown'
        : 'not registered'
  return {
    name: node.name,
    addresses: node.addresses,
    podCidrs: known?.podCidrs ?? [],
    state,
    message: known === undefined || known.ready ? '' : known.message,
  }
}
