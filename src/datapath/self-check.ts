/**
 * Tries a new generation before any link is switched to it: packets are made up on slot 0, which no pod ever has, and
 * must leave as they should. The generation's configuration maps are still nobody's, so rows for the trial are harmless.
 */
import {randomInt} from 'node:crypto'
import {BpfMap} from '../kernel/bpf/map.ts'
import {runSkbProgram} from '../kernel/bpf/test-run.ts'
import {isDrop, reasonText} from '../model/drop-reasons.ts'
import {declareErrors, fail} from '../runtime/errors.ts'
import {COUNTER_DIRECTIONS} from './gen/constants.ts'
import {addressFlags, ruleSetNumber} from './gen/enums.ts'
import {ciliumIpcache, ciliumLxc, ciliumMetrics} from './gen/maps.ts'
import {addressZero, type Config, type Counter, endpointZero} from './gen/types.ts'

const codes = declareErrors({
  DATAPATH_SELF_CHECK: {
    what: 'the new datapath failed its check: {what} gave {result}, not {expected}{reasons}',
    advice: 'the running datapath stays in place; report this with the kernel version',
  },
})

/** What tc programs return: TC_ACT_OK, TC_ACT_SHOT, TC_ACT_REDIRECT. */
const actions = {pass: 0, drop: 2, redirect: 7} as const

/** Loopback stands for slot 0. */
const trialSlot = 0
const podMac = [2, 0, 0, 0, 0, 1]
const nodeMac = [2, 0, 0, 0, 0, 2]

/** Addresses for documentation (RFC 5737, RFC 3849). */
const family4 = {
  etherType: [0x08, 0x00],
  pod: [...new Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 1],
  node: [...new Array(10).fill(0), 0xff, 0xff, 192, 0, 2, 2],
}
const family6 = {
  etherType: [0x86, 0xdd],
  pod: [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), 1],
  node: [0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), 2],
}

interface Checked {
  program(name: string): number
  map(name: string): number
}

/** @throws DATAPATH_SELF_CHECK */
export function checkPrograms(generation: Checked, config: Config): void {
  using endpoints = new BpfMap(generation.map('cilium_lxc'), ciliumLxc)
  using addresses = new BpfMap(generation.map('cilium_ipcache'), ciliumIpcache)
  using counters = new BpfMap(generation.map('cilium_metrics'), ciliumMetrics)
  const fromContainer = generation.program('cil_from_container')
  const expect = (what: string, packet: readonly number[], expected: keyof typeof actions) => {
    const before = dropCounts(counters)
    const {result} = runSkbProgram(fromContainer, Uint8Array.from(packet))
    if (result === actions[expected]) return
    const reasons = [...dropCounts(counters)].filter(([reason, packets]) => packets !== before.get(reason))
    fail(codes.DATAPATH_SELF_CHECK, {
      what,
      result,
      expected: actions[expected],
      // the running programs count in the same place: theirs may stand beside the one that is meant
      reasons: reasons.map(([reason]) => `, dropped by ${reasonText(reason)}`).join(),
    })
  }
  const families = [...(config.enableIpv4 ? [family4] : []), ...(config.enableIpv6 ? [family6] : [])]
  const rows = families.map(({node}) => Uint8Array.from(node))
  try {
    endpoints.put(trialSlot, {
      ...endpointZero,
      ifindex: 1,
      identity: 1,
      generation: 1,
      egressSet: ruleSetNumber.SET_OPEN,
      v4: Uint8Array.from(family4.pod),
      v6: Uint8Array.from(family6.pod),
      mac: Uint8Array.from(podMac),
      nodeMac: Uint8Array.from(nodeMac),
    })
    for (const row of rows) addresses.put(row, {...addressZero, identity: 1, flags: addressFlags.ADDRESS_LOCAL_HOST})
    if (config.enableIpv4) {
      expect('a question for the gateway', arpRequest(config.hostV4), 'redirect')
      expect('a packet of IPv4', udp4(), 'pass')
    }
    if (config.enableIpv6) expect('a packet of IPv6', udp6(), 'pass')
  } finally {
    endpoints.put(trialSlot, endpointZero)
    for (const row of rows) addresses.delete(row)
  }
}

/** Packets that were dropped since the node started, by reason. */
function dropCounts(counters: BpfMap<number, readonly Counter[]>): Map<number, number> {
  const counts = new Map<number, number>()
  for (const [index, processors] of counters.entries()) {
    const reason = Math.floor(index / COUNTER_DIRECTIONS)
    const packets = processors.reduce((sum, one) => sum + one.packets, counts.get(reason) ?? 0)
    if (isDrop(reason)) counts.set(reason, packets)
  }
  return counts
}

function arpRequest(gateway: Uint8Array): number[] {
  const ethernet = [255, 255, 255, 255, 255, 255, ...podMac, 0x08, 0x06]
  const body = [0, 1, 0x08, 0x00, 6, 4, 0, 1, ...podMac, ...family4.pod.slice(12), 0, 0, 0, 0, 0, 0]
  return [...ethernet, ...body, ...gateway.subarray(12)]
}

/**
 * To the discard port; checksums are the receiver's to look at. The source port is any of the ephemeral ones: a flow that
 * the check before has left rests on rows that are gone, and would answer for this one.
 */
const udpHeader = () => [0xc0 | randomInt(64), randomInt(256), 0, 9, 0, 8, 0, 0]

function udp4(): number[] {
  const ip = [0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, ...family4.pod.slice(12), ...family4.node.slice(12)]
  return [...nodeMac, ...podMac, ...family4.etherType, ...ip, ...udpHeader()]
}

function udp6(): number[] {
  const ip = [0x60, 0, 0, 0, 0, 8, 17, 64, ...family6.pod, ...family6.node]
  return [...nodeMac, ...podMac, ...family6.etherType, ...ip, ...udpHeader()]
}
