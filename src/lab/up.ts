/**
 * `cilium lab up`: from nothing, or from wherever an earlier `up` was stopped, to registered nodes.
 *
 *     prerequisites → binaries → fabric ─┬─ etcd → API server ──┬── controllers, CoreDNS objects
 *                                        ├─ nodes: containerd, images ─┴─ kubelets → registered
 *                                        └─ outside servers
 */
import {setMaxListeners} from 'node:events'
import {mkdirSync, renameSync, rmSync, symlinkSync} from 'node:fs'
import {fail} from '../runtime/errors.ts'
import {installPtp} from './baseline.ts'
import {binariesFolder, buildSteps, versionOf} from './binaries.ts'
import {labCgroupName} from './cgroup.ts'
import {waitRegistered} from './cluster.ts'
import {controlPlaneDaemon, startApiServer, startControllers, startEtcd} from './control-plane.ts'
import {deployCoredns} from './coredns.ts'
import {ensureCredentials} from './credentials.ts'
import {isRunning} from './daemon.ts'
import {LAB_OPTION_INVALID} from './errors.ts'
import {ensureLabImages} from './images.ts'
import {checkInotify} from './inotify.ts'
import {takeLock} from './lock.ts'
import {ensureFabric} from './network.ts'
import {startNode} from './node-start.ts'
import {startOutside} from './outside.ts'
import {labPaths} from './paths.ts'
import {type LabCni, type LabOptions, type LabPlan, planLab} from './plan.ts'
import {checkMachine, prerequisiteSteps} from './prerequisites.ts'
import type {LabRecord} from './record.ts'
import {existingPlan, openPlan} from './state.ts'
import type {Step} from './steps.ts'

export interface LabUp {
  readonly steps: readonly Step[]
  /** ends the work, done or not; call it always */
  readonly close: () => void
  /** known once the steps have run */
  readonly result: () => LabResult
}

export interface LabResult {
  readonly name: string
  readonly kubernetes: string
  readonly kubeconfig: string
  readonly kubectl: string
  /** what is on the nodes already */
  readonly cni: LabCni
  readonly nodes: readonly {readonly name: string; readonly addresses: readonly string[]}[]
}

interface UpState {
  plan: LabPlan
  record: LabRecord
  images: readonly string[]
}

/**
 * Prepares the way up as steps; nothing is made before they run.
 *
 * @throws LAB_OPTION_INVALID, LAB_NAME_INVALID, LAB_DIFFERS, LAB_PREREQUISITE, LAB_BUSY at once; the steps throw the rest
 */
export function labUp(options: LabOptions): LabUp {
  const draft = existingPlan(options) ?? planLab(options, 0)
  checkMachine({families: draft.ipFamilies})
  const unlock = takeLock(labPaths(draft.name).lock, draft.name)
  let wanted = options
  let needs = {...draft, families: draft.ipFamilies}
  let state: UpState | undefined
  const opened = (): UpState => state!

  const steps: readonly Step[] = [
    {
      title: 'Look what this machine has',
      steps: async () => {
        wanted = await withVersion(options)
        needs = {...needs, ...(existingPlan(wanted) ?? planLab(wanted, 0))}
        if (!isRunning(controlPlaneDaemon(draft, 'kube-apiserver'))) checkInotify(needs.nodes.length)
        return prerequisiteSteps(needs)
      },
    },
    {title: 'Build Kubernetes', steps: async () => buildSteps(needs)},
    {
      title: 'Plan the lab',
      run: async () => {
        state = {...(await openPlan(wanted)), images: []}
      },
    },
    {
      title: 'Make credentials and images',
      run: async () => {
        ensureCredentials(opened().plan)
        linkForUsers(opened().plan)
        opened().images = await ensureLabImages(opened().plan)
      },
    },
    {
      title: 'Lay the network',
      run: async (_, signal) => {
        setMaxListeners(0, signal)
        const {plan, record} = opened()
        record.add({kind: 'cgroup', id: labCgroupName(plan.name)})
        await ensureFabric(plan, record, signal)
      },
    },
    {title: 'Start the cluster', parallel: true, steps: async () => clusterSteps(opened())},
    {
      title: 'Wait for the nodes',
      run: async (say, signal) => {
        const {plan} = opened()
        const podCidrs = await waitRegistered(plan, say, signal)
        if (plan.cni === 'ptp') await installPtp(plan, podCidrs, signal)
      },
    },
  ]
  return {steps, close: unlock, result: () => toResult(opened().plan)}
}

function clusterSteps({plan, record, images}: UpState): readonly Step[] {
  const binDir = binariesFolder(plan)
  const apiServer = Promise.withResolvers<void>()
  // Nobody may be waiting yet when it fails; whoever waits later still gets the error.
  apiServer.promise.catch(() => {})
  return [
    {
      title: 'Control plane',
      run: async (say, signal) => {
        try {
          say('etcd')
          await startEtcd(plan, signal)
          say('kube-apiserver')
          await startApiServer(plan, binDir, signal)
          say('controllers')
          apiServer.resolve()
          await startControllers(plan, binDir, signal)
          say('CoreDNS')
          await deployCoredns(plan, signal)
        } catch (thrown) {
          apiServer.reject(thrown)
          throw thrown
        }
      },
    },
    {title: 'Outside', run: async (_, signal) => startOutside(plan, signal)},
    ...plan.nodes.map(
      (node): Step => ({
        title: `Node ${node.name}`,
        run: async (say, signal) => {
          await startNode({plan, node, record, images, apiServer: apiServer.promise, say, signal})
        },
      }),
    ),
  ]
}

/** Ready binaries say which version they are. */
async function withVersion(options: LabOptions): Promise<LabOptions> {
  if (options.binDir === undefined) return options
  const kubernetes = await versionOf(options.binDir)
  if (options.kubernetes !== undefined && options.kubernetes !== kubernetes) {
    const reason = `the binaries in ${options.binDir} are ${kubernetes}`
    fail(LAB_OPTION_INVALID, {option: '--kubernetes', value: options.kubernetes, reason})
  }
  return {...options, kubernetes}
}

/** Stable paths for users, whatever the version. */
function linkForUsers(plan: LabPlan): void {
  const paths = labPaths(plan.name)
  mkdirSync(paths.run, {recursive: true})
  const links = [
    [paths.bin, binariesFolder(plan)],
    [paths.kubeconfigLink, paths.kubeconfig],
  ] as const
  for (const [link, target] of links) {
    rmSync(`${link}.new`, {recursive: true, force: true})
    symlinkSync(target, `${link}.new`)
    renameSync(`${link}.new`, link)
  }
}

function toResult(plan: LabPlan): LabResult {
  const paths = labPaths(plan.name)
  return {
    name: plan.name,
    kubernetes: plan.kubernetes,
    kubeconfig: paths.kubeconfigLink,
    kubectl: paths.kubectl,
    cni: plan.cni,
    nodes: plan.nodes.map((node) => ({name: node.name, addresses: node.addresses})),
  }
}
