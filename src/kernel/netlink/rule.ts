/** Policy routing rules (RTM_*RULE): which routing table a packet looks into. */
import {Cidr} from '../../model/cidr.ts'
import {Ip, type IpFamily} from '../../model/ip.ts'
import {Attributes, BodyWriter, families, messageFlags, messageTypes, type NetlinkRequest} from './codec.ts'
import {routeProtocols} from './route.ts'
import type {NetlinkSocket} from './socket.ts'

const attribute = {
  destination: 1,
  source: 2,
  inputDevice: 3,
  priority: 6,
  mark: 10,
  table: 15,
  markMask: 16,
  protocol: 21,
} as const
const ruleHeader = 12
const toTable = 1

export interface Rule {
  readonly family: IpFamily
  /** the lower is asked first */
  readonly priority: number
  readonly table: number
  readonly from?: Cidr
  readonly to?: Cidr
  readonly mark?: number
  readonly markMask?: number
  /** name of the device that the packet came in by */
  readonly inputDevice?: string
  /** routeProtocols.cilium by default */
  readonly protocol?: number
}

function write(rule: Rule): Uint8Array {
  const body = new BodyWriter(ruleHeader)
  body.header.setUint8(0, families[`v${rule.family}`])
  body.header.setUint8(1, rule.to?.length ?? 0)
  body.header.setUint8(2, rule.from?.length ?? 0)
  body.header.setUint8(4, rule.table < 256 ? rule.table : 0)
  body.header.setUint8(7, toTable)
  if (rule.to) body.bytes(attribute.destination, rule.to.network.toBytes())
  if (rule.from) body.bytes(attribute.source, rule.from.network.toBytes())
  if (rule.inputDevice !== undefined) body.text(attribute.inputDevice, rule.inputDevice)
  body.u32(attribute.priority, rule.priority).u32(attribute.table, rule.table)
  if (rule.mark !== undefined) body.u32(attribute.mark, rule.mark).u32(attribute.markMask, rule.markMask ?? 0xffffffff)
  return body.u8(attribute.protocol, rule.protocol ?? routeProtocols.cilium).finish()
}

/** @throws from the request: EEXIST when the very same rule is there */
export function ruleAdd(rule: Rule): NetlinkRequest {
  return {
    type: messageTypes.newRule,
    flags: messageFlags.create | messageFlags.exclusive,
    body: write(rule),
    operation: `add rule ${rule.priority}`,
  }
}

/** @throws from the request: ENOENT */
export function ruleDelete(rule: Rule): NetlinkRequest {
  return {type: messageTypes.delRule, flags: 0, body: write(rule), operation: `delete rule ${rule.priority}`}
}

export interface ListedRule extends Rule {
  readonly protocol: number
}

function readRule(body: DataView): ListedRule | undefined {
  const family = body.getUint8(0)
  if (family !== families.v4 && family !== families.v6) return undefined
  const attributes = new Attributes(body, ruleHeader)
  const to = attributes.bytes(attribute.destination)
  const from = attributes.bytes(attribute.source)
  const mark = attributes.u32(attribute.mark)
  const inputDevice = attributes.text(attribute.inputDevice)
  return {
    family: family === families.v4 ? 4 : 6,
    priority: attributes.u32(attribute.priority) ?? 0,
    table: attributes.u32(attribute.table) ?? body.getUint8(4),
    ...(to ? {to: Cidr.from(Ip.fromBytes(to), body.getUint8(1))} : {}),
    ...(from ? {from: Cidr.from(Ip.fromBytes(from), body.getUint8(2))} : {}),
    ...(mark ? {mark, markMask: attributes.u32(attribute.markMask) ?? 0xffffffff} : {}),
    ...(inputDevice === undefined ? {} : {inputDevice}),
    protocol: attributes.u8(attribute.protocol) ?? 0,
  }
}

/** Rules of one family, in the order in which they are asked. */
export function listRules(socket: NetlinkSocket, family: IpFamily): ListedRule[] {
  const body = new BodyWriter(ruleHeader)
  body.header.setUint8(0, families[`v${family}`])
  return socket.dump({type: messageTypes.getRule, flags: 0, body: body.finish(), operation: 'list rules'}, readRule)
}
