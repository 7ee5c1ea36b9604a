/** CiliumNodes → rows: how other nodes describe themselves. */
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import type {NodeRow} from '../state/rows.ts'
import {list, type Metadata, texts} from './object.ts'

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
    list(spec?.addresses)
      .filter((address) => address.type === type)
      .map((address) => Ip.parse(address.ip ?? ''))
      .filter((ip) => ip !== undefined)
  return {
    name: metadata?.name ?? '',
    local: metadata?.name === localName,
    internalIps: addresses('InternalIP'),
    externalIps: addresses('ExternalIP'),
    routerIps: addresses('CiliumInternalIP'),
    healthIps: [spec?.health?.ipv4, spec?.health?.ipv6]
      .map((text) => Ip.parse(text ?? ''))
      .filter((ip) => ip !== undefined),
    podCidrs: list(spec?.ipam?.podCIDRs)
      .map((text) => Cidr.parse(text))
      .filter((cidr) => cidr !== undefined),
    bootId: spec?.bootid,
    labels: texts(metadata?.labels),
  }
}
