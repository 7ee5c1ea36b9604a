/** One node: namespaces, containerd, kubelet. Every function is repeatable and completes what is missing. */
import {randomUUID} from 'node:crypto'
import {copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import {dirname, join} from 'node:path'
import {fail} from '../runtime/errors.ts'
import {binariesFolder, pauseBinary} from './binaries.ts'
import {
  ensureNodeCgroup,
  findCgroupMounts,
  killCgroup,
  labCgroupName,
  processCgroup,
  processesOf,
  removeCgroup,
  thaw,
} from './cgroup.ts'
import {ensureNodeCredentials} from './credentials.ts'
import {type DaemonId, isRunning, startDaemon} from './daemon.ts'
import {LAB_NODE_DOWN} from './errors.ts'
import {ensureNodeNetwork, netnsPath, removeNodeNetwork} from './network.ts'
import {bootScript} from './node-boot.ts'
import {nodeEtcFiles, nodeFolders} from './node-config.ts'
import {labPaths} from './paths.ts'
import type {LabNode, LabPlan} from './plan.ts'
import type {LabRecord} from './record.ts'

/** A node's processes, in the order of their start. */
export function nodeProcesses(plan: Pick<LabPlan, 'kubeProxy'>): readonly string[] {
  return ['init', 'containerd', 'kubelet', ...(plan.kubeProxy === 'none' ? [] : ['kube-proxy'])]
}

export function nodeDaemon(plan: {readonly name: string}, node: {readonly name: string}, process: string): DaemonId {
  return {lab: plan.name, place: node.name, process}
}

/** Makes the node's namespaces with its own view of the file system. */
export async function bootNode(plan: LabPlan, node: LabNode, record: LabRecord, signal: AbortSignal): Promise<void> {
  const paths = labPaths(plan.name).node(node.name)
  ensureNodeCgroup(plan.name, node.name)
  await ensureNodeNetwork(plan, node, record, signal)
  const id = nodeDaemon(plan, node, 'init')
  if (isRunning(id) && initPid(plan, node) === undefined) await killCgroup(nodeCgroup(plan, node), signal)
  if (!isRunning(id)) {
    rmSync(paths.run, {recursive: true, force: true})
    mkdirSync(paths.run, {recursive: true, mode: 0o755})
    writeEtc(plan, node)
    const script = bootScript(plan, node, {
      binDir: binariesFolder(plan),
      init: pauseBinary(),
      cgroup2: nodeCgroup(plan, node),
      bootId: randomUUID(),
    })
    writeFileSync(join(paths.disk, 'boot.sh'), script)
  }
  const namespaces = ['--mount', '--uts', '--pid', '--fork', '--propagation=private']
  const argv = [`--net=${netnsPath(plan, node.name)}`, 'unshare', ...namespaces, '/bin/sh', join(paths.disk, 'boot.sh')]
  await startDaemon(id, ['nsenter', ...argv], () => initPid(plan, node) !== undefined, signal)
}

export async function startContainerd(plan: LabPlan, node: LabNode, signal: AbortSignal): Promise<void> {
  const argv = inNode(plan, node, ['containerd', '--config', nodeFolders.containerdConfig])
  const {containerd} = labPaths(plan.name).node(node.name)
  await startDaemon(nodeDaemon(plan, node, 'containerd'), argv, () => answers(containerd), signal)
}

/** Starts kubelet. It registers the node when it finds the API server, which may be later. */
export async function startKubelet(plan: LabPlan, node: LabNode, signal: AbortSignal): Promise<void> {
  const argv = inNode(plan, node, [
    `${nodeFolders.binaries}/kubelet`,
    `--config=${nodeFolders.kubeletConfig}`,
    '--kubeconfig=/etc/kubernetes/kubelet.conf',
    `--hostname-override=${node.name}`,
    `--node-ip=${node.addresses.join(',')}`,
  ])
  const id = nodeDaemon(plan, node, 'kubelet')
  await startDaemon(id, argv, () => isRunning(id), signal)
}

/** Ends everything on the node and deletes its namespaces, as pulling the plug would. Its disk stays. */
export async function haltNode(plan: LabPlan, node: LabNode, signal: AbortSignal): Promise<void> {
  const cgroup = join(labCgroupName(plan.name), node.name)
  thaw(cgroup)
  await killCgroup(nodeCgroup(plan, node), signal)
  await removeNodeNetwork(plan, node, signal)
  await removeCgroup(cgroup, signal)
  rmSync(labPaths(plan.name).node(node.name).run, {recursive: true, force: true})
}

/** Host's process id of the node's process 1, by which its namespaces are entered. @returns undefined when it is not up */
export function initPid(plan: {readonly name: string}, node: {readonly name: string}): number | undefined {
  const {init} = labPaths(plan.name).node(node.name)
  if (!existsSync(init)) return undefined
  const pid = Number(readFileSync(init, 'utf8'))
  return processesOf(processCgroup(plan.name, node.name, 'init')).includes(pid) ? pid : undefined
}

/** The argv that runs a command in the node's namespaces. @throws LAB_NODE_DOWN */
export function inNode(
  plan: {readonly name: string},
  node: {readonly name: string},
  argv: readonly string[],
): readonly string[] {
  const pid = initPid(plan, node) ?? fail(LAB_NODE_DOWN, {name: plan.name, node: node.name})
  return ['nsenter', '-t', String(pid), '-m', '-n', '-u', '-p', '--', ...argv]
}

function nodeCgroup(plan: {readonly name: string}, node: {readonly name: string}): string {
  return join(findCgroupMounts().unified, labCgroupName(plan.name), node.name)
}

/** Fills the node's /etc. The machine id stays the same over reboots. */
function writeEtc(plan: LabPlan, node: LabNode): void {
  const {etc} = labPaths(plan.name).node(node.name)
  const known = join(etc, 'machine-id')
  const machineId = existsSync(known) ? readFileSync(known, 'utf8').trim() : randomUUID().replaceAll('-', '')
  for (const [path, text] of nodeEtcFiles(plan, node, machineId)) {
    mkdirSync(dirname(join(etc, path)), {recursive: true})
    writeFileSync(join(etc, path), text)
  }
  ensureNodeCredentials(plan, node)
  if (plan.kubeProxy !== 'none') {
    copyFileSync(join(labPaths(plan.name).pki, 'kube-proxy.conf'), join(etc, 'kubernetes', 'kube-proxy.conf'))
  }
}

/** True when somebody accepts connections on a unix socket. */
function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket)
    connection.on('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.on('error', () => resolve(false))
  })
}
