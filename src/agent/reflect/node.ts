/** The Node of this node → a row. */
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import type {LocalNodeRow} from '../state/rows.ts'
import {list, type Metadata, texts} from './object.ts'

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
    list(status?.addresses)
      .filter((address) => address.type === type)
      .map((address) => Ip.parse(address.address ?? ''))
      .filter((ip) => ip !== undefined)
  // podCIDRs repeats podCIDR; old API servers have only the latter
  const cidrs = new Set([...list(spec?.podCIDRs), spec?.podCIDR ?? ''])
  return {
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    internalIps: addresses('InternalIP'),
    externalIps: addresses('ExternalIP'),
    podCidrs: [...cidrs].map((text) => Cidr.parse(text)).filter((cidr) => cidr !== undefined),
    labels: texts(metadata?.labels),
    taints: list(spec?.taints).map(({key, value, effect}) => ({key: key ?? '', value, effect: effect ?? ''})),
    runtime: status?.nodeInfo?.containerRuntimeVersion,
  }
}
