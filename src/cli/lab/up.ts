import {resolve} from 'node:path'
import {mergeKubeconfig} from '../../lab/kubeconfig-merge.ts'
import type {KubeProxyMode, LabCni, LabFamily, LabOptions} from '../../lab/plan.ts'
import {type LabResult, labUp} from '../../lab/up.ts'
import {type ProgressOptions, runWithProgress} from './progress.ts'

export type {LabResult} from '../../lab/up.ts'

export interface LabUpFlags {
  readonly name: string
  readonly nodes?: number | undefined
  readonly 'node-names'?: string | undefined
  readonly kubernetes?: string | undefined
  readonly 'bin-dir'?: string | undefined
  readonly 'kube-proxy'?: KubeProxyMode | undefined
  readonly cni?: LabCni | undefined
  readonly 'ip-families'?: string | undefined
  readonly 'pod-cidr'?: string | undefined
  readonly 'service-cidr'?: string | undefined
  readonly mtu?: number | undefined
  readonly kubeconfig?: string | undefined
}

/** Makes a lab, or goes on making it. */
export async function bringUp(flags: LabUpFlags, options: ProgressOptions): Promise<LabResult> {
  const work = labUp(toLabOptions(flags))
  try {
    await runWithProgress(work.steps, options)
    const result = work.result()
    if (flags.kubeconfig !== undefined) mergeKubeconfig(result.kubeconfig, flags.kubeconfig)
    return result
  } finally {
    work.close()
  }
}

function toLabOptions(flags: LabUpFlags): LabOptions {
  const list = (text: string | undefined) => text?.split(',').map((part) => part.trim())
  const given: Record<string, unknown> = {
    name: flags.name,
    nodes: flags.nodes,
    nodeNames: list(flags['node-names']),
    kubernetes: flags.kubernetes,
    binDir: flags['bin-dir'] === undefined ? undefined : resolve(flags['bin-dir']),
    kubeProxy: flags['kube-proxy'],
    cni: flags.cni,
    ipFamilies: list(flags['ip-families']) as LabFamily[] | undefined,
    podCidr: list(flags['pod-cidr']),
    serviceCidr: list(flags['service-cidr']),
    mtu: flags.mtu,
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as LabOptions
}
