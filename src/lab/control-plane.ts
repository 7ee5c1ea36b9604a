/** etcd, kube-apiserver, controller-manager and scheduler: in the fabric namespace, on no node, at the lab's API address. */
import {mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {readyz} from './api-server.ts'
import {ensureToolsCgroup} from './cgroup.ts'
import {type DaemonId, isRunning, startDaemon, stopDaemon} from './daemon.ts'
import {netnsPath} from './network.ts'
import {labPaths} from './paths.ts'
import {apiAddress, type LabPlan, nodeMask, places} from './plan.ts'
import {tryTool} from './tool.ts'

const place = 'control-plane'

/** The lab's processes that are on no node, in the order of their start. */
export const controlPlaneProcesses = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const
type ControlPlaneProcess = (typeof controlPlaneProcesses)[number]

export function controlPlaneDaemon(plan: {readonly name: string}, process: ControlPlaneProcess): DaemonId {
  return {lab: plan.name, place, process}
}

export async function startEtcd(plan: LabPlan, signal: AbortSignal): Promise<void> {
  mkdirSync(labPaths(plan.name).etcd, {recursive: true, mode: 0o700})
  await start(plan, 'etcd', etcdCommand(plan), signal, async () => {
    const probe = ['--endpoints=http://127.0.0.1:2379', 'endpoint', 'health']
    const health = ['etcdctl', '--dial-timeout=1s', '--command-timeout=1s', ...probe]
    const env = {...process.env, ETCDCTL_API: '3'}
    return (
      (
        await tryTool('nsenter', [`--net=${netnsPath(plan, places.fabric)}`, ...health], {
          env,
          signal,
          cgroup: ensureToolsCgroup(plan.name),
        })
      ).status === 0
    )
  })
}

export async function startApiServer(plan: LabPlan, binDir: string, signal: AbortSignal): Promise<void> {
  await start(plan, 'kube-apiserver', apiServerCommand(plan, binDir), signal, () => readyz(plan))
}

/** Ends the API server as a crash would; etcd and the nodes go on. */
export async function stopApiServer(plan: LabPlan, signal: AbortSignal): Promise<void> {
  await stopDaemon(controlPlaneDaemon(plan, 'kube-apiserver'), signal)
}

/** Controllers and scheduler: told apart from their start, they find the API server when it is there. */
export async function startControllers(plan: LabPlan, binDir: string, signal: AbortSignal): Promise<void> {
  const running = (process: ControlPlaneProcess) => async () => isRunning(controlPlaneDaemon(plan, process))
  const [manager, scheduler] = ['kube-controller-manager', 'kube-scheduler'] as const
  await Promise.all([
    start(plan, manager, controllerManagerCommand(plan, binDir), signal, running(manager)),
    start(plan, scheduler, schedulerCommand(plan, binDir), signal, running(scheduler)),
  ])
}

async function start(
  plan: LabPlan,
  process: ControlPlaneProcess,
  argv: readonly string[],
  signal: AbortSignal,
  ready: () => Promise<boolean>,
): Promise<void> {
  const command = ['nsenter', `--net=${netnsPath(plan, places.fabric)}`, ...argv]
  await startDaemon(controlPlaneDaemon(plan, process), command, ready, signal)
}

function etcdCommand(plan: LabPlan): readonly string[] {
  return [
    'etcd',
    `--data-dir=${labPaths(plan.name).etcd}`,
    '--listen-client-urls=http://127.0.0.1:2379',
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:2380',
    '--initial-advertise-peer-urls=http://127.0.0.1:2380',
    '--initial-cluster=default=http://127.0.0.1:2380',
    // A lab is no place for fsync: it survives killed processes, and a power cut ends it anyway.
    '--unsafe-no-fsync',
  ]
}

export function apiServerCommand(plan: LabPlan, binDir: string): readonly string[] {
  const pki = (file: string) => join(labPaths(plan.name).pki, file)
  return [
    join(binDir, 'kube-apiserver'),
    '--etcd-servers=http://127.0.0.1:2379',
    '--secure-port=6443',
    `--bind-address=${plan.ipFamilies.includes('ipv6') ? '::' : '0.0.0.0'}`,
    `--advertise-address=${apiAddress(plan)}`,
    `--service-cluster-ip-range=${plan.serviceCidrs.join(',')}`,
    `--tls-cert-file=${pki('apiserver.crt')}`,
    `--tls-private-key-file=${pki('apiserver.key')}`,
    `--client-ca-file=${pki('ca.crt')}`,
    `--kubelet-certificate-authority=${pki('ca.crt')}`,
    `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
    `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
    // Node names are in no DNS that the API server asks.
    '--kubelet-preferred-address-types=InternalIP',
    `--service-account-key-file=${pki('sa.pub')}`,
    `--service-account-signing-key-file=${pki('sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--profiling=false',
  ]
}

export function controllerManagerCommand(plan: LabPlan, binDir: string): readonly string[] {
  const pki = (file: string) => join(labPaths(plan.name).pki, file)
  return [
    join(binDir, 'kube-controller-manager'),
    `--kubeconfig=${pki('controller-manager.conf')}`,
    `--authentication-kubeconfig=${pki('controller-manager.conf')}`,
    `--authorization-kubeconfig=${pki('controller-manager.conf')}`,
    `--service-account-private-key-file=${pki('sa.key')}`,
    `--root-ca-file=${pki('ca.crt')}`,
    `--cluster-signing-cert-file=${pki('ca.crt')}`,
    `--cluster-signing-key-file=${pki('ca.key')}`,
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    '--allocate-node-cidrs=true',
    `--cluster-cidr=${plan.podCidrs.join(',')}`,
    `--service-cluster-ip-range=${plan.serviceCidrs.join(',')}`,
    ...nodeMaskFlags(plan),
  ]
}

/** One family has one flag of another name. */
function nodeMaskFlags(plan: LabPlan): readonly string[] {
  if (plan.ipFamilies.length === 1) return [`--node-cidr-mask-size=${nodeMask(plan.ipFamilies[0]!)}`]
  return plan.ipFamilies.map((family) => `--node-cidr-mask-size-${family}=${nodeMask(family)}`)
}

function schedulerCommand(plan: LabPlan, binDir: string): readonly string[] {
  const config = join(labPaths(plan.name).pki, 'scheduler.conf')
  return [
    join(binDir, 'kube-scheduler'),
    `--kubeconfig=${config}`,
    `--authentication-kubeconfig=${config}`,
    `--authorization-kubeconfig=${config}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ]
}
