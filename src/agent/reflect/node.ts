/** The Node of this node → a row. */
import type {LocalNodeRow} from '../state/rows.ts'
import {cidrs, ips, list, type Metadata, texts} from './object.ts'

export interface NodeObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly podCIDR?: string
    readonly podCIDRs?: readonly string[] | null
    readonly taints?: readonly {readonly key?: string; readonly value?: string; readonly effect?: string}[] | null
  }
  readonly status?: {
    readonly addresses?: readonly {readonly type?: string; readonly address?: string}[] | null
    readonly nodeInfo?: {readonly containerRuntimeVersion?: string; readonly bootID?: string}
  }
}

export function localNodeRow({metadata, spec, status}: NodeObject): LocalNodeRow {
  const addresses = (type: string) =>
    ips(
      list(status?.addresses)
        .filter((one) => one.type === type)
        .map((one) => one.address),
    )
  // podCIDRs repeats podCIDR; old API servers have only the latter
  const ranges = new Set([...list(spec?.podCIDRs), spec?.podCIDR])
  return {
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    internalIps: addresses('InternalIP'),
    externalIps: addresses('ExternalIP'),
    podCidrs: cidrs([...ranges]),
    labels: texts(metadata?.labels),
    taints: list(spec?.taints).map(({key, value, effect}) => ({key: key ?? '', value, effect: effect ?? ''})),
    runtime: status?.nodeInfo?.containerRuntimeVersion,
  }
}
