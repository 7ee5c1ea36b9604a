/**
 * Runs a program on bytes, without a device (BPF_PROG_TEST_RUN). A redirect returns 7 without its target; packets over
 * about 3.7 kB are refused; there is no tunnel metadata.
 */
import {addressOf} from '../libc.ts'
import {begin, bpf, commands} from './syscall.ts'

/** Fields of struct __sk_buff that a test may set, and those it reads afterwards. */
export interface SkbContext {
  readonly mark?: number
  readonly priority?: number
  /** five words */
  readonly cb?: readonly number[]
  /** a device that exists in the calling thread's network namespace */
  readonly ifindex?: number
  readonly ingressIfindex?: number
  readonly gsoSize?: number
  readonly gsoSegments?: number
  readonly wireLength?: number
}

export interface SkbRun {
  /** the program's return value */
  readonly result: number
  /** the packet afterwards */
  readonly packet: Uint8Array
  readonly mark: number
  readonly cb: readonly number[]
  readonly priority: number
  /** average of one run */
  readonly durationNs: number
}

export interface RunOptions {
  /** runs on the same packet; it keeps what each run changed */
  readonly repeat?: number
}

const skb = {
  mark: 8,
  priority: 32,
  ingressIfindex: 36,
  ifindex: 40,
  cb: 48,
  wireLength: 160,
  gsoSegments: 164,
  gsoSize: 176,
}
const skbBytes = 192
const packetBytes = 1 << 16

// one set of buffers at fixed addresses, as for every call of this door
const contextIn = new DataView(new ArrayBuffer(skbBytes))
const contextOut = new DataView(new ArrayBuffer(skbBytes))
const packetIn = new Uint8Array(packetBytes)
const packetOut = new Uint8Array(packetBytes)
const at = {
  contextIn: addressOf(contextIn.buffer),
  contextOut: addressOf(contextOut.buffer),
  packetIn: addressOf(packetIn),
  packetOut: addressOf(packetOut),
}

/**
 * Runs a tc program.
 *
 * @param packet from its Ethernet header, at least 14 bytes
 * @throws KernelError: EINVAL for a packet too short or too long, ENODEV for a device that is not here
 */
export function runSkbProgram(
  fd: number,
  packet: Uint8Array,
  context: SkbContext = {},
  options: RunOptions = {},
): SkbRun {
  writeSkb(context)
  packetIn.set(packet)
  const attributes = begin()
  attributes.setUint32(0, fd, true)
  attributes.setUint32(8, packet.byteLength, true)
  attributes.setUint32(12, packetBytes, true)
  attributes.setBigUint64(16, at.packetIn, true)
  attributes.setBigUint64(24, at.packetOut, true)
  attributes.setUint32(32, options.repeat ?? 1, true)
  attributes.setUint32(40, skbBytes, true)
  attributes.setUint32(44, skbBytes, true)
  attributes.setBigUint64(48, at.contextIn, true)
  attributes.setBigUint64(56, at.contextOut, true)
  bpf(commands.progTestRun, 80, 'run program on a packet')
  return {
    result: attributes.getInt32(4, true),
    packet: packetOut.slice(0, attributes.getUint32(12, true)),
    mark: contextOut.getUint32(skb.mark, true),
    priority: contextOut.getUint32(skb.priority, true),
    cb: [0, 1, 2, 3, 4].map((i) => contextOut.getUint32(skb.cb + i * 4, true)),
    durationNs: attributes.getUint32(36, true),
  }
}

function writeSkb(context: SkbContext): void {
  new Uint8Array(contextIn.buffer).fill(0)
  contextIn.setUint32(skb.mark, context.mark ?? 0, true)
  contextIn.setUint32(skb.priority, context.priority ?? 0, true)
  contextIn.setUint32(skb.ifindex, context.ifindex ?? 0, true)
  contextIn.setUint32(skb.ingressIfindex, context.ingressIfindex ?? 0, true)
  contextIn.setUint32(skb.wireLength, context.wireLength ?? 0, true)
  contextIn.setUint32(skb.gsoSize, context.gsoSize ?? 0, true)
  contextIn.setUint32(skb.gsoSegments, context.gsoSegments ?? 0, true)
  for (const [i, word] of (context.cb ?? []).slice(0, 5).entries()) contextIn.setUint32(skb.cb + i * 4, word, true)
}

export interface XdpRun {
  readonly result: number
  readonly packet: Uint8Array
  readonly durationNs: number
}

const xdpBytes = 24
const BPF_F_TEST_XDP_LIVE_FRAMES = 1 << 1

/** Runs an XDP program. @param ingressIfindex a device with an XDP-capable driver in this namespace, 0: loopback */
export function runXdpProgram(
  fd: number,
  packet: Uint8Array,
  context: {readonly ingressIfindex?: number} = {},
  options: RunOptions & {readonly live?: boolean} = {},
): XdpRun {
  packetIn.set(packet)
  new Uint8Array(contextIn.buffer).fill(0)
  contextIn.setUint32(4, packet.byteLength, true)
  contextIn.setUint32(12, context.ingressIfindex ?? 0, true)
  const attributes = begin()
  attributes.setUint32(0, fd, true)
  attributes.setUint32(8, packet.byteLength, true)
  attributes.setBigUint64(16, at.packetIn, true)
  attributes.setUint32(32, options.repeat ?? 1, true)
  attributes.setUint32(40, xdpBytes, true)
  attributes.setBigUint64(48, at.contextIn, true)
  // live frames go out for good: there is nothing to give back
  if (options.live) attributes.setUint32(64, BPF_F_TEST_XDP_LIVE_FRAMES, true)
  else {
    attributes.setUint32(12, packetBytes, true)
    attributes.setBigUint64(24, at.packetOut, true)
  }
  bpf(commands.progTestRun, 80, 'run program on a frame')
  return {
    result: attributes.getInt32(4, true),
    packet: packetOut.slice(0, attributes.getUint32(12, true)),
    durationNs: attributes.getUint32(36, true),
  }
}

/**
 * Runs a program of type syscall. It reads and writes `context` in place.
 *
 * @param context at most 64 kB
 * @returns the program's return value
 */
export function runSyscallProgram(fd: number, context: Uint8Array): number {
  packetIn.set(context)
  const attributes = begin()
  attributes.setUint32(0, fd, true)
  attributes.setUint32(40, context.byteLength, true)
  attributes.setBigUint64(48, at.packetIn, true)
  bpf(commands.progTestRun, 80, 'run syscall program')
  context.set(packetIn.subarray(0, context.byteLength))
  return attributes.getInt32(4, true)
}
