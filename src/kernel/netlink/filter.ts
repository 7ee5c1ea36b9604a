/** tc programs by clsact and a bpf filter: for kernels without tcx (before 6.6). */
import type {Direction} from '../bpf/link.ts'
import {isErrno} from '../errors.ts'
import {Attributes, BodyWriter, messageFlags, messageTypes, type NetlinkRequest} from './codec.ts'
import type {NetlinkSocket} from './socket.ts'

const attribute = {kind: 1, options: 2} as const
const bpfOption = {fd: 6, name: 7, flags: 8, id: 11} as const
const directAction = 1
const tcHeader = 20
const clsactParent = 0xfffffff1
const clsactHandle = 0xffff0000
const parents: Readonly<Record<Direction, number>> = {ingress: 0xfffffff2, egress: 0xfffffff3}
/** ETH_P_ALL in network order, in the low half of `info` */
const allProtocols = 0x0300
const handle = 1

function tcMessage(ifindex: number, handle: number, parent: number, info = 0): BodyWriter {
  const body = new BodyWriter(tcHeader)
  body.header.setInt32(4, ifindex, true)
  body.header.setUint32(8, handle, true)
  body.header.setUint32(12, parent, true)
  body.header.setUint32(16, info, true)
  return body
}

/** Gives a device the hooks; one that has them already is success for ensureClsact, EEXIST here. */
export function clsactAdd(ifindex: number): NetlinkRequest {
  return {
    type: messageTypes.newQdisc,
    flags: messageFlags.create | messageFlags.exclusive,
    body: tcMessage(ifindex, clsactHandle, clsactParent).text(attribute.kind, 'clsact').finish(),
    operation: `add clsact to device ${ifindex}`,
  }
}

export function ensureClsact(socket: NetlinkSocket, ifindex: number): void {
  const [error] = socket.tryAll([clsactAdd(ifindex)])
  if (error && !isErrno(error, 'EEXIST')) throw error
}

/** Takes the hooks and every filter on them away. */
export function clsactDelete(ifindex: number): NetlinkRequest {
  return {
    type: messageTypes.delQdisc,
    flags: 0,
    body: tcMessage(ifindex, clsactHandle, clsactParent).text(attribute.kind, 'clsact').finish(),
    operation: `delete clsact of device ${ifindex}`,
  }
}

export interface BpfFilter {
  readonly ifindex: number
  readonly direction: Direction
  /** the lower runs first, 1..65535 */
  readonly priority: number
}

/** Puts a program on a hook, in the place of the one with this priority: packets meet the old or the new one. */
export function filterReplace(filter: BpfFilter & {readonly program: number; readonly name: string}): NetlinkRequest {
  const info = ((filter.priority << 16) | allProtocols) >>> 0
  const body = tcMessage(filter.ifindex, handle, parents[filter.direction], info)
  body
    .text(attribute.kind, 'bpf')
    .nest(attribute.options, () =>
      body.u32(bpfOption.fd, filter.program).text(bpfOption.name, filter.name).u32(bpfOption.flags, directAction),
    )
  return {
    type: messageTypes.newFilter,
    flags: messageFlags.create | messageFlags.replace,
    body: body.finish(),
    operation: `attach ${filter.name} to ${filter.direction} of device ${filter.ifindex}`,
  }
}

/** @throws from the request: ENOENT */
export function filterDelete(filter: BpfFilter): NetlinkRequest {
  const info = ((filter.priority << 16) | allProtocols) >>> 0
  return {
    type: messageTypes.delFilter,
    flags: 0,
    body: tcMessage(filter.ifindex, handle, parents[filter.direction], info).text(attribute.kind, 'bpf').finish(),
    operation: `detach from ${filter.direction} of device ${filter.ifindex}`,
  }
}

export interface ListedFilter {
  readonly priority: number
  readonly name: string
  readonly programId: number
}

/** eBPF programs on a hook; none when the device has no hooks. */
export function listFilters(socket: NetlinkSocket, ifindex: number, direction: Direction): ListedFilter[] {
  const body = tcMessage(ifindex, 0, parents[direction]).finish()
  try {
    return socket.dump(
      {type: messageTypes.getFilter, flags: 0, body, operation: `list filters of device ${ifindex}`},
      (row) => {
        const attributes = new Attributes(row, tcHeader)
        const options = attributes.nested(attribute.options)
        // each priority has a head row without program
        if (attributes.text(attribute.kind) !== 'bpf' || !options?.has(bpfOption.id)) return undefined
        return {
          priority: row.getUint32(16, true) >>> 16,
          name: options.text(bpfOption.name) ?? '',
          programId: options.u32(bpfOption.id) ?? 0,
        }
      },
    )
  } catch (thrown) {
    if (isErrno(thrown, 'EINVAL', 'ENOENT')) return []
    throw thrown
  }
}
