/** CiliumNodes → rows: how other nodes describe themselves. */
import type {NodeRow} from '../state/rows.ts'
import {cidrs, ips, list, type Metadata, texts} from './object.ts'

export interface CiliumNodeObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly bootid?: string
    readonly addresses?: readonly {readonly type?: string; readonly ip?: string}[] | null
    readonly health?: {readonly ipv4?: string; readonly ipv6?: string}
    readonly ipam?: {readonly podCIDRs?: readonly string[] | null}
  }
}

/** @param localName the name of the node we run on */
export function nodeRow({metadata, spec}: CiliumNodeObject, localName: string): NodeRow {
  const addresses = (type: string) =>
    ips(
      list(spec?.addresses)
        .filter((one) => one.type === type)
        .map((one) => one.ip),
    )
  return {
    name: metadata?.name ?? '',
    local: metadata?.name === localName,
    internalIps: addresses('InternalIP'),
    externalIps: addresses('ExternalIP'),
    routerIps: addresses('CiliumInternalIP'),
    healthIps: ips([spec?.health?.ipv4, spec?.health?.ipv6]),
    podCidrs: cidrs(list(spec?.ipam?.podCIDRs)),
    bootId: spec?.bootid,
    labels: texts(metadata?.labels),
  }
}
