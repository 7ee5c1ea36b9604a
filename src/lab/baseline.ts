/** What a cluster without our product runs: Debian's ptp plugin with plain routes, and kube-proxy. For comparison. */
import {cpSync, existsSync, mkdirSync, renameSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {isRunning, startDaemon} from './daemon.ts'
import {addPodRoutes} from './network.ts'
import {inNode, nodeDaemon} from './node.ts'
import {nodeFolders} from './node-config.ts'
import {labPaths} from './paths.ts'
import type {LabNode, LabPlan} from './plan.ts'
import {cniPluginsFolder} from './prerequisites.ts'

/** @param podCidrs by node name */
export async function installPtp(
  plan: LabPlan,
  podCidrs: ReadonlyMap<string, readonly string[]>,
  signal: AbortSignal,
): Promise<void> {
  await addPodRoutes(plan, podCidrs, signal)
  for (const node of plan.nodes) {
    const {cniBin, cniConf} = labPaths(plan.name).node(node.name)
    mkdirSync(cniBin, {recursive: true})
    for (const plugin of ['ptp', 'host-local', 'loopback']) {
      // A running plugin's file cannot be written to; a new one can take its place.
      if (existsSync(join(cniBin, plugin))) continue
      cpSync(join(cniPluginsFolder, plugin), join(cniBin, `.${plugin}`), {dereference: true})
      renameSync(join(cniBin, `.${plugin}`), join(cniBin, plugin))
    }
    const conflist = JSON.stringify(ptpConfig(podCidrs.get(node.name) ?? [], plan.mtu), undefined, 2)
    writeFileSync(join(cniConf, '.10-ptp.conflist'), `${conflist}\n`)
    renameSync(join(cniConf, '.10-ptp.conflist'), join(cniConf, '10-ptp.conflist'))
  }
}

export function ptpConfig(podCidrs: readonly string[], mtu: number): object {
  return {
    cniVersion: '1.0.0',
    name: 'ptp',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        mtu,
        ipam: {
          type: 'host-local',
          ranges: podCidrs.map((subnet) => [{subnet}]),
          routes: podCidrs.map((cidr) => ({dst: cidr.includes(':') ? '::/0' : '0.0.0.0/0'})),
        },
      },
    ],
  }
}

export async function startKubeProxy(plan: LabPlan, node: LabNode, signal: AbortSignal): Promise<void> {
  const argv = inNode(plan, node, [
    `${nodeFolders.binaries}/kube-proxy`,
    '--kubeconfig=/etc/kubernetes/kube-proxy.conf',
    `--hostname-override=${node.name}`,
    `--proxy-mode=${plan.kubeProxy}`,
    `--cluster-cidr=${plan.podCidrs.join(',')}`,
    // the table of connections is the machine's
    '--conntrack-max-per-core=0',
  ])
  const id = nodeDaemon(plan, node, 'kube-proxy')
  await startDaemon(id, argv, () => isRunning(id), signal)
}
