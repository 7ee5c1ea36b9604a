/**
 * Reassembly in the node's stack before it routes: what fragments that come out of order need (docs/decisions/fragments.md).
 * A netfilter program that accepts everything asks for it (kernel 6.6); the kernel's own reassembly does the work.
 * Without it, a rule of somebody else that tracks connections has the same effect, and is not ours to make.
 */
import {pinReplacing} from '../kernel/bpf/pin.ts'
import {begin, bpf, commands} from '../kernel/bpf/syscall.ts'
import {isErrno} from '../kernel/errors.ts'
import {addressOf, closeFd} from '../kernel/libc.ts'

const BPF_PROG_TYPE_NETFILTER = 32
const BPF_NETFILTER = 45
const NF_INET_PRE_ROUTING = 0
const BPF_F_NETFILTER_IP_DEFRAG = 1
/** After reassembly (-400), before everything else. */
const priority = -399
const families = {v4: 2, v6: 10} as const

/** r0 = 1 (NF_ACCEPT); exit */
const acceptAll = Uint8Array.from([0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])
const license = Uint8Array.from(Buffer.from('Dual BSD/GPL\0'))

/**
 * Makes the stack of the calling thread's network namespace reassemble fragments, for as long as the pins live.
 *
 * @param pinAt path of a pin by family
 * @returns false when the kernel has no such programs
 */
export function enableDefrag(pinAt: (family: 'v4' | 'v6') => string): boolean {
  let program: number
  try {
    program = loadAccept()
  } catch (thrown) {
    if (isErrno(thrown, 'EINVAL', 'EOPNOTSUPP')) return false
    throw thrown
  }
  try {
    for (const family of ['v4', 'v6'] as const) {
      const link = attach(program, families[family])
      if (link === undefined) continue
      try {
        pinReplacing(link, pinAt(family))
      } finally {
        closeFd(link)
      }
    }
    return true
  } finally {
    closeFd(program)
  }
}

function loadAccept(): number {
  const attributes = begin()
  attributes.setUint32(0, BPF_PROG_TYPE_NETFILTER, true)
  attributes.setUint32(4, acceptAll.length / 8, true)
  attributes.setBigUint64(8, addressOf(acceptAll), true)
  attributes.setBigUint64(16, addressOf(license), true)
  attributes.setUint32(68, BPF_NETFILTER, true)
  return bpf(commands.progLoad, 72, 'load netfilter program')
}

/** Undefined: an agent before this one has done it, and its pin is there. */
function attach(program: number, family: number): number | undefined {
  const attributes = begin()
  attributes.setUint32(0, program, true)
  attributes.setUint32(8, BPF_NETFILTER, true)
  attributes.setUint32(16, family, true)
  attributes.setUint32(20, NF_INET_PRE_ROUTING, true)
  attributes.setInt32(24, priority, true)
  attributes.setUint32(28, BPF_F_NETFILTER_IP_DEFRAG, true)
  try {
    return bpf(commands.linkCreate, 48, 'ask for reassembly')
  } catch (thrown) {
    // two programs of one priority are refused
    if (isErrno(thrown, 'EBUSY')) return undefined
    throw thrown
  }
}
