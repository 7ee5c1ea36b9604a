/**
 * Finds the endpoints of the agent before this one, without asking anybody but the disk and the kernel: which still
 * live, which belong to pods that will be back (the node was rebooted), and what is a leftover of a call cut short.
 */
import {closeSync, openSync} from 'node:fs'
import {findLink} from '../../kernel/netlink/link.ts'
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {netnsIdentity} from '../../kernel/netns.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {NodePools} from '../ipam/node-pools.ts'
import {healthDevice, isOwnDevice} from '../node/device-names.ts'
import {listEndpointDevices} from '../node/own-devices.ts'
import type {EndpointMap} from '../reconcile/datapath-door.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {FormerEndpoints} from './former.ts'
import {removePair} from './pod-device.ts'
import type {EndpointRecords} from './record.ts'
import type {Slots} from './slots.ts'

export interface RestoreOptions {
  readonly records: EndpointRecords
  readonly slots: Slots
  readonly pools: NodePools
  readonly former: FormerEndpoints
  readonly endpointMap: EndpointMap
  readonly socket: NetlinkSocket
  readonly ifindexBase: number
  readonly slotCount: number
  readonly bootId: string
  readonly log: Log
}

export interface Restored {
  /** endpoints that live; their slots and addresses are taken */
  readonly rows: readonly EndpointRow[]
  readonly former: number
  /** devices without a record that were removed */
  readonly leftovers: number
}

export async function restoreEndpoints(options: RestoreOptions): Promise<Restored> {
  const {records, slots, pools, endpointMap, socket, log} = options
  const inMap = endpointMap.read()
  for (const slot of inMap) slots.remember(slot)
  const {rows, unreadable} = await records.readAll()
  const alive: EndpointRow[] = []
  let former = 0
  for (const row of rows) {
    if (isAlive(row, options)) {
      if (await claim(row, options)) alive.push(row)
    } else if (await keepFormer(row, options)) former++
  }
  // somebody lives there whom we do not know: neither slot nor addresses may be given to another
  for (const id of unreadable) {
    const known = inMap.find(({slot}) => slot === id)
    slots.restore({slot: id, generation: known?.generation ?? 1})
    for (const ip of known?.ips ?? []) pools.restore(ip, `unknown endpoint ${id}`)
  }
  const kept = new Set([...alive.map(({id}) => id), ...unreadable])
  let leftovers = 0
  for (const device of listEndpointDevices(socket, options.ifindexBase, options.slotCount)) {
    const ours = isOwnDevice(device.name) && device.name !== healthDevice
    if (!ours || kept.has(device.ifindex - options.ifindexBase)) continue
    log.info('removing a device that no endpoint has', {device: device.name})
    removePair(socket, device.ifindex)
    leftovers++
  }
  return {rows: alive, former, leftovers}
}

/** The namespace is the very one that was connected, and the node's end is still there. */
function isAlive(row: EndpointRow, {bootId, socket}: RestoreOptions): boolean {
  return row.bootId === bootId && hasNamespace(row) && findLink(socket, row.ifindex)?.name === row.hostDevice
}

/** Does the namespace that the endpoint was made in still exist? */
export function hasNamespace(row: Pick<EndpointRow, 'netns' | 'netnsInode'>): boolean {
  let fd: number
  try {
    fd = openSync(row.netns, 'r')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw thrown
  }
  try {
    return netnsIdentity(fd) === row.netnsInode
  } finally {
    closeSync(fd)
  }
}

/** Takes slot and addresses. Two records with the same address cannot both be right: the younger counts. */
async function claim(row: EndpointRow, {slots, pools, records, log}: RestoreOptions): Promise<boolean> {
  try {
    for (const ip of [row.ipv4, row.ipv6]) if (ip !== undefined) pools.restore(ip, `${row.namespace}/${row.pod}`)
  } catch (thrown) {
    log.warn('an endpoint record contradicts another and is dropped', {
      endpoint: row.id,
      error: CiliumError.from(thrown),
    })
    await records.remove(row.id)
    return false
  }
  slots.restore({slot: row.id, generation: row.generation})
  return true
}

async function keepFormer(row: EndpointRow, options: RestoreOptions): Promise<boolean> {
  const {former, records} = options
  if (!(await claim(row, options))) return false
  const replaced = former.keep(row)
  if (replaced === undefined) return true
  options.slots.release(replaced.id)
  for (const ip of [replaced.ipv4, replaced.ipv6]) if (ip !== undefined) options.pools.release(ip)
  await records.remove(replaced.id)
  return replaced !== row
}
