/** What the programs are told before they are loaded. Pure. */
import {availableParallelism, totalmem} from 'node:os'
import {FLOW_SHARD_ENTRIES, FLOW_SHARDS_MAX} from '../../datapath/gen/constants.ts'
import {denyResponse, dsrDispatch, monitorLevel} from '../../datapath/gen/enums.ts'
import {type Config, configZero} from '../../datapath/gen/types.ts'
import type {Link} from '../../kernel/netlink/link.ts'
import type {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {type AgentConfig, answersDirectly} from '../config.ts'
import {hashSeed} from '../service/maglev.ts'

export interface DatapathNode {
  readonly routerIps: readonly Ip[]
  readonly host: Link
  readonly overlay: Link | undefined
  /** of the network namespace, as programs know it */
  readonly cookie: bigint
  /** bytes that reach every pod */
  readonly routeMtu: number
  /** the node's stack reassembles fragments before it routes them */
  readonly defrag: boolean
}

/** Addresses that nobody ever has (RFC 7600 dummy address, RFC 6666 discard prefix): for reassembled datagrams. */
export const defragAddresses = {v4: Ip.of('192.0.0.8'), v6: Ip.of('100::8')} as const

/** Source ports of translated flows: those of the first range, and what is below node ports when these are used up. */
export function natPorts(config: AgentConfig): {
  readonly min: number
  readonly max: number
  readonly lowMin: number
  readonly lowMax: number
} {
  const [nodeportMin] = portRange(config['node-port-range'])
  const lowMax = Math.min(nodeportMin, 32_768) - 1
  const low = lowMax < 1024 ? {lowMin: 0, lowMax: 0} : {lowMin: 1024, lowMax}
  return {min: 32_768, max: 65_535, ...low}
}

/** How many source ports one masquerade address has for one destination. */
export function natPortCount(config: AgentConfig): number {
  const {min, max, lowMin, lowMax} = natPorts(config)
  return max - min + 1 + (lowMin === 0 ? 0 : lowMax - lowMin + 1)
}

const noAddress = new Uint8Array(16)
/** Two entries of about 250 bytes, with what a hash map adds. */
const flowBytes = 640

export function datapathConfig(config: AgentConfig, node: DatapathNode): Config {
  const router = (family: 4 | 6) => node.routerIps.find((ip) => ip.family === family)?.toMappedBytes() ?? noAddress
  const native4 = config['ipv4-native-routing-cidr']
  const native6 = config['ipv6-native-routing-cidr']
  const [nodeportMin, nodeportMax] = portRange(config['node-port-range'])
  const ports = natPorts(config)
  const on = (flag: boolean) => (flag ? 1 : 0)
  return {
    ...configZero,
    enableIpv4: on(config['enable-ipv4']),
    enableIpv6: on(config['enable-ipv6']),
    tunnel: on(config['routing-mode'] === 'tunnel'),
    masqueradeIpv4: on(config['enable-ipv4'] && config['enable-ipv4-masquerade']),
    masqueradeIpv6: on(config['enable-ipv6'] && config['enable-ipv6-masquerade']),
    routeSource: on(config['enable-masquerade-to-route-source']),
    sourceCheck: on(config['enable-source-ip-verification']),
    // the mode may change while programs run: with `never` every endpoint has the open set
    policy: 1,
    denyResponse: denyResponses[config['policy-deny-response']],
    monitorLevel: monitorLevels[config['monitor-aggregation']],
    monitorFlags: tcpFlags(config['monitor-aggregation-flags']),
    eventDrop: on(config['bpf-events-drop-enabled']),
    eventTrace: on(config['bpf-events-trace-enabled']),
    eventVerdict: on(config['bpf-events-policy-verdict-enabled']),
    eventSocket: on(config['trace-sock']),
    eventPayload: payloadBytes(config),
    monitorIntervalS: Math.max(1, Math.round(config['monitor-aggregation-interval'] / 1000)),
    hostIfindex: node.host.ifindex,
    overlayIfindex: node.overlay?.ifindex ?? 0,
    hostV4: router(4),
    hostV6: router(6),
    hostMac: node.host.mac?.toBytes() ?? configZero.hostMac,
    services: 1,
    hostFirewall: on(config['enable-host-firewall']),
    nodeport: on(config['kube-proxy-replacement'] === 'true'),
    dsr: answersDirectly(config) ? dispatches[config['bpf-lb-dsr-dispatch']] : dsrDispatch.DSR_OFF,
    l2: on(config['enable-l2-announcements']),
    socketHostOnly: on(config['bpf-lb-sock-hostns-only']),
    bindProtection: on(config['node-port-bind-protection']),
    hostCookie: node.cookie,
    hashSeed: hashSeed(maglevSeed(config)),
    loopbackV4: config['ipv4-service-loopback-address'].toMappedBytes(),
    loopbackV6: config['ipv6-service-loopback-address'].toMappedBytes(),
    defrag: on(node.defrag),
    defragV4: node.defrag ? defragAddresses.v4.toMappedBytes() : noAddress,
    defragV6: node.defrag ? defragAddresses.v6.toMappedBytes() : noAddress,
    nativeV4: native4?.network.toMappedBytes() ?? noAddress,
    nativeV6: native6?.network.toMappedBytes() ?? noAddress,
    nativeV4Bits: mappedBits(native4),
    nativeV6Bits: mappedBits(native6),
    flowShards: flowShards(config),
    tcpEstablishedS: 8000,
    tcpOpeningS: 60,
    tcpClosingS: 10,
    anyEstablishedS: 60,
    anyOpeningS: 60,
    fragmentS: 30,
    natPortMin: ports.min,
    natPortMax: ports.max,
    natLowMin: ports.lowMin,
    natLowMax: ports.lowMax,
    nodeportMin,
    nodeportMax,
    clusterId: config['cluster-id'],
    timerIntervalMs: 100,
    podMtu: node.routeMtu,
    eventRings: Math.min(8, lowerPowerOfTwo(availableParallelism())),
    tunnelPort: config['tunnel-port'] || 8472,
    // a kube-proxy may have to translate what pods send
    hostRouting: on(config['kube-proxy-replacement'] === 'true' && !config['enable-host-legacy-routing']),
  }
}

/** Bytes of each packet that its events carry. None where flows are redacted: nobody knows what the bytes say. */
export function payloadBytes(config: AgentConfig): number {
  return config['hubble-redact-enabled'] ? 0 : config['trace-payloadlen']
}

/** 12 bytes; the configuration has checked its length. */
export function maglevSeed(config: AgentConfig): Uint8Array {
  return Uint8Array.from(Buffer.from(config['bpf-lb-maglev-hash-seed'], 'base64'))
}

const monitorLevels: Readonly<Record<AgentConfig['monitor-aggregation'], number>> = {
  none: monitorLevel.MONITOR_NONE,
  lowest: monitorLevel.MONITOR_LOWEST,
  low: monitorLevel.MONITOR_LOW,
  medium: monitorLevel.MONITOR_MEDIUM,
  maximum: monitorLevel.MONITOR_MAXIMUM,
}

const dispatches: Readonly<Record<AgentConfig['bpf-lb-dsr-dispatch'], number>> = {
  opt: dsrDispatch.DSR_OPTION,
  ipip: dsrDispatch.DSR_IPIP,
  geneve: dsrDispatch.DSR_GENEVE,
}

const denyResponses: Readonly<Record<AgentConfig['policy-deny-response'], number>> = {
  none: denyResponse.RESPONSE_NONE,
  icmp: denyResponse.RESPONSE_ICMP,
  reset: denyResponse.RESPONSE_RESET,
}

const flagBits: Readonly<Record<string, number>> = {fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128}

/** `all` means every flag. */
function tcpFlags(words: readonly string[]): number {
  if (words.includes('all')) return 0xff
  return words.reduce((bits, word) => bits | (flagBits[word.toLowerCase()] ?? 0), 0)
}

/** As many shards as the wanted number of flows takes, a power of two. Without a number: a share of the memory. */
function flowShards(config: AgentConfig): number {
  const asked = config['bpf-ct-global-tcp-max'] + config['bpf-ct-global-any-max']
  const flows = asked || (totalmem() * config['bpf-map-dynamic-size-ratio']) / flowBytes
  const shards = lowerPowerOfTwo(Math.ceil((flows * 2) / FLOW_SHARD_ENTRIES))
  return Math.min(FLOW_SHARDS_MAX, Math.max(8, shards))
}

function lowerPowerOfTwo(value: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, value)))
}

function mappedBits(cidr: Cidr | undefined): number {
  if (cidr === undefined) return 0
  return cidr.family === 4 ? 96 + cidr.length : cidr.length
}

function portRange(text: string): readonly [number, number] {
  const [min = 30_000, max = 32_767] = text.split(/[,-]/).map(Number)
  return [min, max]
}
