/**
 * Socket programs on the node's cgroup: every process below it, in pods or not, is served. Links are pinned, so that
 * they outlive the agent and change their program between two calls.
 */
import {type AttachType, attachCgroup} from '../kernel/bpf/link.ts'
import {closeFd, openFd} from '../kernel/libc.ts'
import type {HookProgram} from './generation.ts'
import {putPinnedLink, removePinnedLink} from './pinned-link.ts'
import {pinPaths} from './pins.ts'

/**
 * In the order in which they go on: what gives services back is there before anything is sent to backends, so that no
 * process ever sees a stranger answer.
 */
const hooks = {
  cil_sock4_recvmsg: 'cgroup_udp4_recvmsg',
  cil_sock6_recvmsg: 'cgroup_udp6_recvmsg',
  cil_sock4_getpeername: 'cgroup_inet4_getpeername',
  cil_sock6_getpeername: 'cgroup_inet6_getpeername',
  cil_sock4_post_bind: 'cgroup_inet4_post_bind',
  cil_sock6_post_bind: 'cgroup_inet6_post_bind',
  cil_sock4_connect: 'cgroup_inet4_connect',
  cil_sock6_connect: 'cgroup_inet6_connect',
  cil_sock4_sendmsg: 'cgroup_udp4_sendmsg',
  cil_sock6_sendmsg: 'cgroup_udp6_sendmsg',
} as const satisfies Partial<Record<HookProgram, AttachType>>

export type SocketProgram = keyof typeof hooks

/**
 * Puts the socket programs on a cgroup, or in the place of older ones of ours.
 *
 * @param cgroup folder of a cgroup (version 2)
 * @throws KernelError: ENOENT without the folder, EBADF when it is none of a cgroup2 file system
 */
export function attachSockets(root: string, cgroup: string, program: (name: SocketProgram) => number): void {
  const folder = openFd(cgroup)
  try {
    for (const [name, hook] of Object.entries(hooks) as [SocketProgram, AttachType][]) {
      const path = pinPaths.cgroupLink(root, hook)
      const descriptor = program(name)
      putPinnedLink(path, descriptor, () => attachCgroup(descriptor, folder, hook))
    }
  } finally {
    closeFd(folder)
  }
}

/** Takes the socket programs away: first those that send to backends. What is connected stays connected. */
export function detachSockets(root: string): void {
  for (const hook of Object.values(hooks).reverse()) {
    removePinnedLink(pinPaths.cgroupLink(root, hook))
  }
}
