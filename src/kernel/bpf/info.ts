/** What the kernel says about a map or program by its descriptor (BPF_OBJ_GET_INFO_BY_FD). */
import {KernelError} from '../errors.ts'
import {addressOf, closeFd} from '../libc.ts'
import {begin, bpf, commands, tryBpf} from './syscall.ts'

const info = new DataView(new ArrayBuffer(256))
const infoAddress = addressOf(info.buffer)

/** Fills the shared buffer; later fields that the kernel does not know stay zero. */
function read(fd: number, what: string): DataView {
  new Uint8Array(info.buffer).fill(0)
  const attributes = begin()
  attributes.setUint32(0, fd, true)
  attributes.setUint32(4, info.byteLength, true)
  attributes.setBigUint64(8, infoAddress, true)
  const result = tryBpf(commands.objInfo, 16)
  if (result < 0) throw new KernelError(-result, `read info of ${what}`)
  return info
}

/** A NUL-terminated name of the kernel's: at most `length` bytes, ASCII. */
function readName(view: DataView, offset: number, length: number): string {
  let name = ''
  for (let i = 0; i < length; i++) {
    const byte = view.getUint8(offset + i)
    if (byte === 0) break
    name += String.fromCharCode(byte)
  }
  return name
}

export interface MapInfo {
  readonly id: number
  /** cut to 15 characters by the kernel */
  readonly name: string
  readonly type: number
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries: number
  readonly flags: number
}

export function readMapInfo(fd: number): MapInfo {
  const view = read(fd, 'map')
  return {
    type: view.getUint32(0, true),
    id: view.getUint32(4, true),
    keySize: view.getUint32(8, true),
    valueSize: view.getUint32(12, true),
    maxEntries: view.getUint32(16, true),
    flags: view.getUint32(20, true),
    name: readName(view, 24, 16),
  }
}

export interface ProgramInfo {
  readonly id: number
  /** cut to 15 characters by the kernel */
  readonly name: string
  readonly type: number
  /** hash of its instructions, hex */
  readonly tag: string
  /** instructions that the verifier looked at; 0 before kernel 5.16 */
  readonly verifiedInstructions: number
  /** of its types; 0: it has none */
  readonly btfId: number
  /** instructions after the verifier's rewriting */
  readonly instructions: number
  /** bytes of machine code */
  readonly jitedBytes: number
  /** ns since boot */
  readonly loadedAt: bigint
  /** counted only while kernel.bpf_stats_enabled is 1 */
  readonly runs: bigint
  readonly runTimeNs: bigint
}

export function readProgramInfo(fd: number): ProgramInfo {
  const view = read(fd, 'program')
  let tag = ''
  for (let i = 0; i < 8; i++)
    tag += view
      .getUint8(8 + i)
      .toString(16)
      .padStart(2, '0')
  return {
    type: view.getUint32(0, true),
    id: view.getUint32(4, true),
    tag,
    btfId: view.getUint32(128, true),
    jitedBytes: view.getUint32(16, true),
    instructions: view.getUint32(20, true) / 8,
    loadedAt: view.getBigUint64(40, true),
    name: readName(view, 64, 16),
    runTimeNs: view.getBigUint64(192, true),
    runs: view.getBigUint64(200, true),
    verifiedInstructions: view.getUint32(216, true),
  }
}

/** The types that a program was loaded with, as BTF. @throws KernelError: ENOENT without such an id */
export function readBtf(id: number): Uint8Array {
  const attributes = begin()
  attributes.setUint32(0, id, true)
  const fd = bpf(commands.btfFdById, 12, `open types ${id}`)
  try {
    // asked twice: for the size, and for the bytes
    const size = read(fd, 'types').getUint32(8, true)
    const bytes = new Uint8Array(size)
    new Uint8Array(info.buffer).fill(0)
    info.setBigUint64(0, addressOf(bytes.buffer), true)
    info.setUint32(8, size, true)
    const again = begin()
    again.setUint32(0, fd, true)
    again.setUint32(4, info.byteLength, true)
    again.setBigUint64(8, infoAddress, true)
    bpf(commands.objInfo, 16, `read types ${id}`)
    return bytes
  } finally {
    closeFd(fd)
  }
}

export interface LinkInfo {
  readonly id: number
  readonly type: number
  readonly programId: number
  /** of a tcx or XDP link; 0 when its device is gone */
  readonly ifindex: number
  /** of a tcx or cgroup link */
  readonly attachType: number
  /** of a cgroup link */
  readonly cgroupId: bigint
}

const linkTypes = {cgroup: 3, xdp: 6, tcx: 11} as const

export function readLinkInfo(fd: number): LinkInfo {
  const view = read(fd, 'link')
  const type = view.getUint32(0, true)
  const onDevice = type === linkTypes.tcx || type === linkTypes.xdp
  return {
    type,
    id: view.getUint32(4, true),
    programId: view.getUint32(8, true),
    ifindex: onDevice ? view.getUint32(16, true) : 0,
    attachType:
      type === linkTypes.tcx ? view.getUint32(20, true) : type === linkTypes.cgroup ? view.getUint32(24, true) : 0,
    cgroupId: type === linkTypes.cgroup ? view.getBigUint64(16, true) : 0n,
  }
}
