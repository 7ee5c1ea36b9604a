/**
 * What this kernel can do, found by trying it: versions lie where distributions carry patches back. Devices are tried in
 * a network namespace made for it, so nothing of the node is touched. Some ten milliseconds.
 */
import {existsSync, readFileSync} from 'node:fs'
import {release} from 'node:os'
import {isErrno, KernelError} from '../errors.ts'
import {closeFd} from '../libc.ts'
import {clsactAdd} from '../netlink/filter.ts'
import {type DeviceKind, findLink, linkAdd, type NewDevice} from '../netlink/link.ts'
import {NetlinkSocket} from '../netlink/socket.ts'
import {inNewNetns} from '../netns.ts'
import {
  add,
  call,
  exit,
  type Instruction,
  loadProgram,
  move,
  type ProgramType,
  set,
  storeStack8,
  storeStack32,
  storeStack64,
  tryProgram,
} from './instructions.ts'
import {attachTcx, attachTypes, attachXdp} from './link.ts'
import {createMapFd} from './map.ts'
import {lacksBatches} from './map-batch.ts'
import {mapFlags, mapTypes} from './map-types.ts'
import {begin, commands, tryBpf} from './syscall.ts'
import {runSkbProgram} from './test-run.ts'

/** What is looked for, since which kernel it is expected, and what for. */
export const kernelFeatures = {
  jit: {since: '4.0', use: 'programs as machine code'},
  kernelBtf: {since: '5.4', use: 'kernel functions called by programs'},
  ringBuffer: {since: '5.8', use: 'events'},
  lpmTrie: {since: '4.11', use: 'addresses by prefix'},
  mapInMap: {since: '4.12', use: 'flow shards, rule sets'},
  lruHash: {since: '4.10', use: 'fragments'},
  socketStorage: {since: '5.2', use: 'socket load balancing'},
  arena: {since: '6.9', use: 'nothing yet'},
  batchHash: {since: '5.6', use: 'fast listings and prunes'},
  batchLpm: {since: '5.16', use: 'fast listings and prunes'},
  batchPerCpuArray: {since: '5.13', use: 'fast reading of counters'},
  syscallPrograms: {since: '5.14', use: 'work started by the agent'},
  redirectPeer: {since: '5.10', use: 'straight into the pod'},
  redirectNeighbour: {since: '5.10', use: 'straight out of the node'},
  checkMtu: {since: '5.12', use: '"too big" answers'},
  forEachMapElement: {since: '5.13', use: 'expiry of flows'},
  timer: {since: '5.15', use: 'expiry of flows'},
  loop: {since: '5.17', use: 'search for ports'},
  bootClock: {since: '5.8', use: 'times that go on while the machine sleeps'},
  socketAssign: {since: '5.7', use: 'redirects to a proxy'},
  netnsCookie: {since: '5.7', use: 'socket load balancing'},
  fibLookup: {since: '4.18', use: 'routes'},
  fibSkipNeighbour: {since: '6.3', use: 'routes to hosts that were never spoken to'},
  fibTable: {since: '6.5', use: 'routes of one table'},
  fibSource: {since: '6.7', use: 'the source address of masqueraded traffic'},
  fibMark: {since: '6.10', use: 'policy routing by mark'},
  tcx: {since: '6.6', use: 'programs exchanged without a lost packet'},
  clsact: {since: '4.5', use: 'programs on devices without tcx'},
  xdpNative: {since: '4.19', use: 'load balancing before the stack'},
  veth: {since: '2.6', use: 'pod devices'},
  netkit: {since: '6.7', use: 'pod devices (not used yet)'},
  vxlan: {since: '3.7', use: 'tunnels'},
  bridge: {since: '2.4', use: 'the lab'},
  dummy: {since: '2.4', use: 'nothing yet'},
  wireguard: {since: '5.6', use: 'encryption'},
  cgroupConnect: {since: '4.17', use: 'socket load balancing'},
} as const

export type KernelFeature = keyof typeof kernelFeatures

export interface KernelProbe {
  /** as `uname -r` says */
  readonly release: string
  readonly has: Readonly<Record<KernelFeature, boolean>>
}

/**
 * Tries everything.
 *
 * @throws KernelError: EPERM without the capabilities BPF, NET_ADMIN and SYS_ADMIN, which would make all look missing
 */
export function probeKernel(): KernelProbe {
  requirePermission()
  return {
    release: release(),
    has: {
      jit: readOr('/proc/sys/net/core/bpf_jit_enable', '1').trim() !== '0',
      kernelBtf: existsSync('/sys/kernel/btf/vmlinux'),
      ...probeMaps(),
      ...probeHelpers(),
      ...probeRoutes(),
      ...probeDevices(),
      syscallPrograms: loads('syscall', [set(0, 0), exit]),
      cgroupConnect: loads('cgroup_sock_addr', [set(0, 1), exit], attachTypes.cgroup_inet4_connect),
    },
  }
}

/** A map of the oldest kind: who may not make it may make nothing. */
function requirePermission(): void {
  closeFd(createMapFd('probe', {type: mapTypes.array, keySize: 4, valueSize: 4, maxEntries: 1, flags: 0}))
}

function readOr(path: string, otherwise: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : otherwise
}

interface MapSize {
  readonly keySize: number
  readonly valueSize: number
  readonly maxEntries?: number
  readonly flags?: number
  readonly innerFd?: number
}

function tryMap<T>(type: keyof typeof mapTypes, size: MapSize, use: (fd: number) => T, otherwise: T): T {
  let fd: number
  try {
    fd = createMapFd('probe', {maxEntries: 1, flags: 0, ...size, type: mapTypes[type]})
  } catch (thrown) {
    if (thrown instanceof KernelError) return otherwise
    throw thrown
  }
  try {
    return use(fd)
  } finally {
    closeFd(fd)
  }
}

function probeMaps() {
  const exists = () => true
  const hasBatches = (fd: number) => {
    begin().setUint32(36, fd, true)
    return !lacksBatches(tryBpf(commands.mapLookupBatch, 56))
  }
  const word = {keySize: 4, valueSize: 4}
  const lpm = {keySize: 8, valueSize: 4, flags: mapFlags.noPrealloc}
  return {
    ringBuffer: tryMap('ringbuf', {keySize: 0, valueSize: 0, maxEntries: 1 << 16}, exists, false),
    lpmTrie: tryMap('lpm_trie', lpm, exists, false),
    mapInMap: tryMap('hash', word, (innerFd) => tryMap('array_of_maps', {...word, innerFd}, exists, false), false),
    lruHash: tryMap('lru_hash', {...word, maxEntries: 16}, exists, false),
    socketStorage: probeHelper('sched_cls', 107),
    arena: tryMap('arena', {keySize: 0, valueSize: 0, flags: mapFlags.mmapable}, exists, false),
    batchHash: tryMap('hash', word, hasBatches, false),
    batchLpm: tryMap('lpm_trie', lpm, hasBatches, false),
    batchPerCpuArray: tryMap('percpu_array', word, hasBatches, false),
  }
}

function loads(type: ProgramType, instructions: readonly Instruction[], expectedAttachType = 0): boolean {
  const loaded = tryProgram(type, instructions, expectedAttachType)
  if ('fd' in loaded) closeFd(loaded.fd)
  return 'fd' in loaded
}

/**
 * Does the kernel know a helper, for this type of program? The call has no sense: a kernel that knows it complains about
 * the arguments, one that does not complains about the helper.
 */
export function probeHelper(type: ProgramType, helper: number): boolean {
  const loaded = tryProgram(type, [call(helper), set(0, 0), exit])
  if ('fd' in loaded) {
    closeFd(loaded.fd)
    return true
  }
  return !/unknown func|invalid func|cannot use helper/.test(loaded.log)
}

function probeHelpers() {
  return {
    redirectNeighbour: probeHelper('sched_cls', 152),
    redirectPeer: probeHelper('sched_cls', 155),
    checkMtu: probeHelper('sched_cls', 163),
    forEachMapElement: probeHelper('sched_cls', 164),
    timer: probeHelper('sched_cls', 169),
    loop: probeHelper('sched_cls', 181),
    bootClock: probeHelper('sched_cls', 125),
    socketAssign: probeHelper('sched_cls', 124),
    netnsCookie: probeHelper('cgroup_sock_addr', 122),
    fibLookup: probeHelper('sched_cls', 69),
  }
}

/** BPF_FIB_LOOKUP_SRC */
export const fibSourceFlag = 1 << 4

function probeRoutes() {
  const [direct, skipNeighbour, table, mark] = [1 << 0, 1 << 2, 1 << 3, 1 << 5] as const
  return {
    fibSkipNeighbour: probeFibFlags(skipNeighbour),
    fibTable: probeFibFlags(direct | table),
    fibSource: probeFibFlags(fibSourceFlag),
    fibMark: probeFibFlags(mark),
  }
}

/** Does the kernel know these flags of bpf_fib_lookup? It looks at them when it runs: an unknown one is EINVAL. */
export function probeFibFlags(flags: number): boolean {
  const AF_INET = 2
  const EINVAL = 22
  const paramsBytes = 64
  const ifindexOffset = 8
  const loopback = 1
  const fd = loadProgram('sched_cls', [
    ...Array.from({length: paramsBytes / 8}, (_, i) => storeStack64(-paramsBytes + i * 8, 0)),
    storeStack8(-paramsBytes, AF_INET),
    storeStack32(-paramsBytes + ifindexOffset, loopback),
    // r1 is the packet already
    move(2, 10),
    add(2, -paramsBytes),
    set(3, paramsBytes),
    set(4, flags),
    call(69),
    exit,
  ])
  try {
    return inNewNetns(() => runSkbProgram(fd, new Uint8Array(64)).result) !== -EINVAL
  } finally {
    closeFd(fd)
  }
}

function probeDevices() {
  return inNewNetns(() => {
    using route = new NetlinkSocket()
    const makes = (device: NewDevice & DeviceKind) => route.tryAll([linkAdd(device)])[0] === undefined
    const plain = (type: string) => makes({kind: 'plain', type, name: type})
    const veth = makes({kind: 'veth', name: 'veth', peer: {name: 'peer'}})
    const device = findLink(route, 'veth')?.ifindex ?? 1
    return {
      veth,
      netkit: plain('netkit'),
      vxlan: makes({kind: 'vxlan', name: 'vxlan', port: 8472, external: true}),
      bridge: makes({kind: 'bridge', name: 'bridge'}),
      dummy: plain('dummy'),
      wireguard: plain('wireguard'),
      clsact: route.tryAll([clsactAdd(device)])[0] === undefined,
      tcx: attaches(
        () => loadProgram('sched_cls', [set(0, -1), exit]),
        (fd) => attachTcx(fd, device, 'ingress'),
      ),
      xdpNative: attaches(
        () => loadProgram('xdp', [set(0, 2), exit]),
        (fd) => attachXdp(fd, device, 'native'),
      ),
    }
  })
}

function attaches(load: () => number, attach: (program: number) => number): boolean {
  const program = load()
  try {
    closeFd(attach(program))
    return true
  } catch (thrown) {
    // whatever the reason, it is not to be had; what is no answer of the kernel's is a fault of ours
    if (thrown instanceof KernelError && !isErrno(thrown, 'EPERM')) return false
    throw thrown
  } finally {
    closeFd(program)
  }
}
