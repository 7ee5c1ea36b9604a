/**
 * Links: what holds a program on its hook. A link lives while a descriptor or a pin of it does, and its program can be
 * exchanged without a packet in between (BPF_LINK_UPDATE). Interface numbers are those of the calling thread's network
 * namespace. tcx needs kernel 6.6; src/kernel/netlink/filter.ts is the fallback.
 */
import {addressOf} from '../libc.ts'
import {begin, bpf, commands} from './syscall.ts'

/** Hooks, enum bpf_attach_type. */
export const attachTypes = {
  cgroup_inet_ingress: 0,
  cgroup_inet_egress: 1,
  cgroup_inet_sock_create: 2,
  cgroup_inet4_bind: 8,
  cgroup_inet6_bind: 9,
  cgroup_inet4_connect: 10,
  cgroup_inet6_connect: 11,
  cgroup_inet4_post_bind: 12,
  cgroup_inet6_post_bind: 13,
  cgroup_udp4_sendmsg: 14,
  cgroup_udp6_sendmsg: 15,
  cgroup_udp4_recvmsg: 19,
  cgroup_udp6_recvmsg: 20,
  cgroup_inet4_getpeername: 29,
  cgroup_inet6_getpeername: 30,
  cgroup_inet4_getsockname: 31,
  cgroup_inet6_getsockname: 32,
  cgroup_inet_sock_release: 34,
  xdp: 37,
  tcx_ingress: 46,
  tcx_egress: 47,
  netkit_primary: 54,
  netkit_peer: 55,
} as const

export type AttachType = keyof typeof attachTypes
export type Direction = 'ingress' | 'egress'

function create(program: number, target: number, type: number, flags: number, operation: string): number {
  const attributes = begin()
  attributes.setUint32(0, program, true)
  attributes.setUint32(4, target, true)
  attributes.setUint32(8, type, true)
  attributes.setUint32(12, flags, true)
  return bpf(commands.linkCreate, 48, operation)
}

/** BPF_F_BEFORE, BPF_F_AFTER without a relative: first or last of the programs on the hook. */
const orders = {first: 1 << 3, last: 1 << 4} as const

/**
 * Attaches a tc program to a device by tcx.
 *
 * @param order among other programs on the hook
 * @returns descriptor of the link, the caller's
 * @throws KernelError: ENODEV, EINVAL on kernels before 6.6
 */
export function attachTcx(
  program: number,
  ifindex: number,
  direction: Direction,
  order: keyof typeof orders = 'last',
): number {
  const type = direction === 'ingress' ? attachTypes.tcx_ingress : attachTypes.tcx_egress
  return create(program, ifindex, type, orders[order], `attach to ${direction} of device ${ifindex}`)
}

const xdpModes = {native: 1 << 2, generic: 1 << 1} as const

/** Attaches an XDP program. @throws KernelError: EOPNOTSUPP when the driver lacks native XDP, EBUSY when taken */
export function attachXdp(program: number, ifindex: number, mode: keyof typeof xdpModes): number {
  return create(program, ifindex, attachTypes.xdp, xdpModes[mode], `attach ${mode} XDP to device ${ifindex}`)
}

/** Attaches a socket program to a cgroup (version 2) by a descriptor of its folder. */
export function attachCgroup(program: number, cgroup: number, type: AttachType): number {
  return create(program, cgroup, attachTypes[type], 0, `attach ${type} to cgroup`)
}

const BPF_F_REPLACE = 1 << 2

/**
 * Exchanges the program of a link; every packet meets the old or the new one.
 *
 * @param expected the program that must be there now
 * @throws KernelError: ENOLINK when the device is gone (attach anew), EPERM when another program than expected is there
 */
export function updateLink(link: number, program: number, expected?: number): void {
  const attributes = begin()
  attributes.setUint32(0, link, true)
  attributes.setUint32(4, program, true)
  if (expected !== undefined) {
    attributes.setUint32(8, BPF_F_REPLACE, true)
    attributes.setUint32(12, expected, true)
  }
  bpf(commands.linkUpdate, 16, 'update link')
}

/** Takes the program off its hook at once, whoever still holds the link. */
export function detachLink(link: number): void {
  begin().setUint32(0, link, true)
  bpf(commands.linkDetach, 4, 'detach link')
}

export interface AttachedProgram {
  readonly programId: number
  /** 0 when it was attached without a link */
  readonly linkId: number
}

const queryCapacity = 64
const programIds = new DataView(new ArrayBuffer(queryCapacity * 4))
const linkIds = new DataView(new ArrayBuffer(queryCapacity * 4))
const programIdsAddress = addressOf(programIds.buffer)
const linkIdsAddress = addressOf(linkIds.buffer)

/**
 * What is attached to a hook, in the order in which it runs (tcx, cgroup).
 *
 * @param target interface number (tcx) or descriptor of a cgroup
 */
export function queryPrograms(target: number, type: AttachType): AttachedProgram[] {
  const isTcx = type === 'tcx_ingress' || type === 'tcx_egress'
  const attributes = begin()
  attributes.setUint32(0, target, true)
  attributes.setUint32(4, attachTypes[type], true)
  attributes.setBigUint64(16, programIdsAddress, true)
  attributes.setUint32(24, queryCapacity, true)
  if (isTcx) attributes.setBigUint64(40, linkIdsAddress, true)
  new Uint8Array(linkIds.buffer).fill(0)
  bpf(commands.progQuery, 64, `list programs of ${type}`)
  const count = Math.min(attributes.getUint32(24, true), queryCapacity)
  return Array.from({length: count}, (_, i) => ({
    programId: programIds.getUint32(i * 4, true),
    linkId: linkIds.getUint32(i * 4, true),
  }))
}
