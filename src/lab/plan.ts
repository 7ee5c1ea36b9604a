/**
 * What a lab will be: pure, from options to addresses and names. Everything else in this folder reads the plan.
 *
 *     host ── cilabN ─┐                    ┌── node1 eth0 172.30.N.11  fd00:172:30:N::11
 *                     br0 (fabric netns) ──┼── node2 eth0 172.30.N.12  fd00:172:30:N::12
 *     outside eth0 ───┘ .1 gateway         └── ...
 *     203.0.113.10      .2 API server, etcd, controllers
 */
import {Cidr} from '../model/cidr.ts'
import {Ip} from '../model/ip.ts'
import {fail} from '../runtime/errors.ts'
import {LAB_NAME_INVALID, LAB_OPTION_INVALID} from './errors.ts'

export type LabFamily = 'ipv4' | 'ipv6'
export type KubeProxyMode = 'none' | 'iptables' | 'nftables'
export type LabCni = 'none' | 'ptp'

/** What a user may say about a lab; everything has a default. */
export interface LabOptions {
  readonly name?: string
  /** number of nodes, when nodeNames does not name them */
  readonly nodes?: number
  readonly nodeNames?: readonly string[]
  /** Kubernetes version with its v */
  readonly kubernetes?: string
  /** folder with ready kube-apiserver, kubelet, ... instead of a build */
  readonly binDir?: string
  readonly kubeProxy?: KubeProxyMode
  /** ptp: Debian's plugin with plain routes, as a baseline */
  readonly cni?: LabCni
  /** families of nodes, pods and services, the primary one first */
  readonly ipFamilies?: readonly LabFamily[]
  readonly podCidr?: readonly string[]
  readonly serviceCidr?: readonly string[]
  /** MTU of every link in bytes */
  readonly mtu?: number
}

export interface LabNode {
  readonly name: string
  /** counted from 1 */
  readonly number: number
  /** by family, the primary one first */
  readonly addresses: readonly string[]
  readonly mac: string
}

export interface LabPlan {
  readonly name: string
  /** tells labs of one machine apart: third byte of the underlay */
  readonly index: number
  readonly kubernetes: string
  readonly binDir?: string
  readonly kubeProxy: KubeProxyMode
  readonly cni: LabCni
  readonly ipFamilies: readonly LabFamily[]
  readonly podCidrs: readonly string[]
  readonly serviceCidrs: readonly string[]
  readonly mtu: number
  readonly nodes: readonly LabNode[]
}

export const defaultKubernetes = 'v1.34.4'
export const defaultLabName = 'lab'

/** Addresses of the outside namespace. The last four are what connectivity tests of other projects reach for by default. */
export const outsideAddresses = {
  gateway: {ipv4: '203.0.113.1', ipv6: '2001:db8:113::1'},
  main: {ipv4: '203.0.113.10', ipv6: '2001:db8:113::10'},
  other: {ipv4: '203.0.113.20', ipv6: '2001:db8:113::20'},
  dns: {ipv4: '203.0.113.53', ipv6: '2001:db8:113::53'},
  one: {ipv4: '1.1.1.1', ipv6: '2606:4700:4700::1111'},
  oneOther: {ipv4: '1.0.0.1', ipv6: '2606:4700:4700::1001'},
} as const

const defaultCidrs = {
  pod: {ipv4: '10.244.0.0/16', ipv6: 'fd00:10:244::/56'},
  service: {ipv4: '10.96.0.0/16', ipv6: 'fd00:10:96::/112'},
} as const

const largestNodeCount = 100

/**
 * @param index number of the lab on this machine, 0..255
 * @throws LAB_NAME_INVALID, LAB_OPTION_INVALID
 */
export function planLab(options: LabOptions, index: number): LabPlan {
  const name = checkLabName(options.name ?? defaultLabName)
  const ipFamilies = checkFamilies(options.ipFamilies ?? ['ipv4', 'ipv6'])
  const podCidrs = checkCidrs('--pod-cidr', options.podCidr, ipFamilies, defaultCidrs.pod)
  const serviceCidrs = checkCidrs('--service-cidr', options.serviceCidr, ipFamilies, defaultCidrs.service)
  const nodeNames = checkNodeNames(options)
  const mtu = options.mtu ?? 1500
  if (!Number.isInteger(mtu) || mtu < 1280 || mtu > 65_000) {
    fail(LAB_OPTION_INVALID, {option: '--mtu', value: mtu, reason: 'an MTU is a number from 1280 to 65000'})
  }
  refuseOverlap([
    ...podCidrs.map((text) => ['--pod-cidr', text] as const),
    ...serviceCidrs.map((text) => ['--service-cidr', text] as const),
    ...ipFamilies.map((family) => ['the node network', underlay(index, family)] as const),
    ['the outside network', '203.0.113.0/24'],
    ['the outside network', '2001:db8:113::/64'],
  ])
  return {
    name,
    index,
    kubernetes: checkVersion(options.kubernetes ?? defaultKubernetes),
    ...(options.binDir === undefined ? {} : {binDir: options.binDir}),
    kubeProxy: options.kubeProxy ?? 'none',
    cni: options.cni ?? 'none',
    ipFamilies,
    podCidrs,
    serviceCidrs,
    mtu,
    nodes: nodeNames.map((node, i) => planNode(index, ipFamilies, node, i + 1)),
  }
}

/** A node of this number. Its MAC is derived, so that neighbours of a rebooted node stay right. */
export function planNode(index: number, families: readonly LabFamily[], name: string, number: number): LabNode {
  return {
    name: checkName('node', name, 40),
    number,
    addresses: families.map((family) => nodeAddress(index, family, number)),
    mac: `02:c1:ab:${hex(index)}:${hex(number >> 8)}:${hex(number & 0xff)}`,
  }
}

/** The lowest number that no node has: numbers are addresses, and there are few. @throws LAB_OPTION_INVALID when all are taken */
export function freeNodeNumber(nodes: readonly LabNode[]): number {
  checkCount(nodes.length + 1)
  let number = 1
  while (nodes.some((node) => node.number === number)) number++
  return number
}

/** The node network: 172.30.N.0/24 or fd00:172:30:N::/64 (N in decimal digits, so that both read alike). */
export function underlay(index: number, family: LabFamily): string {
  return Cidr.of(family === 'ipv4' ? `172.30.${index}.0/24` : `fd00:172:30:${index}::/64`).toString()
}

/** A host of the node network: 1 gateway, 2 API server, 10+n node n, 254 the machine itself. */
export function underlayHost(index: number, family: LabFamily, host: number): string {
  return Ip.of(family === 'ipv4' ? `172.30.${index}.${host}` : `fd00:172:30:${index}::${host}`).toString()
}

export const hostNumbers = {gateway: 1, api: 2, machine: 254} as const

function nodeAddress(index: number, family: LabFamily, number: number): string {
  return underlayHost(index, family, 10 + number)
}

/** The address of the API server that clients use: the primary family's. */
export function apiAddress(plan: LabPlan): string {
  return underlayHost(plan.index, plan.ipFamilies[0]!, hostNumbers.api)
}

export function apiUrl(plan: LabPlan): string {
  return `https://${bracketed(apiAddress(plan))}:6443`
}

/** The n-th address of each service CIDR: 1 is `kubernetes`, 10 is `kube-dns`. */
export function serviceAddresses(plan: LabPlan, n: number): readonly string[] {
  return plan.serviceCidrs.map((text) => Cidr.of(text).at(n)!.toString())
}

/** Names of network namespaces, cgroups and the like all begin with the lab's. */
export function namespaceName(plan: {readonly name: string}, place: string): string {
  return `${plan.name}-${place}`
}

/** Names of the two namespaces that are not nodes. No node may take them. */
export const places = {fabric: 'fabric', outside: 'outside'} as const

export function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

export function prefixLength(family: LabFamily): number {
  return family === 'ipv4' ? 24 : 64
}

export function familyOf(text: string): LabFamily {
  return text.includes(':') ? 'ipv6' : 'ipv4'
}

export function checkLabName(name: string): string {
  return checkName('lab', name, 20)
}

function checkName(kind: 'lab' | 'node', name: string, limit: number): string {
  if (name.length > limit || !/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) || (kind === 'node' && name in places)) {
    fail(LAB_NAME_INVALID, {kind, name, limit})
  }
  return name
}

function checkNodeNames(options: LabOptions): readonly string[] {
  const names = options.nodeNames ?? Array.from({length: checkCount(options.nodes ?? 3)}, (_, i) => `node${i + 1}`)
  if (options.nodes !== undefined && names.length !== options.nodes) {
    fail(LAB_OPTION_INVALID, {option: '--nodes', value: options.nodes, reason: `${names.length} node names are given`})
  }
  checkCount(names.length)
  if (new Set(names).size !== names.length) {
    fail(LAB_OPTION_INVALID, {option: '--node-names', value: names.join(','), reason: 'a name is there twice'})
  }
  return names
}

function checkCount(count: number): number {
  if (!Number.isInteger(count) || count < 1 || count > largestNodeCount) {
    fail(LAB_OPTION_INVALID, {option: '--nodes', value: count, reason: `a lab has 1 to ${largestNodeCount} nodes`})
  }
  return count
}

function checkFamilies(families: readonly LabFamily[]): readonly LabFamily[] {
  const bad = families.some((family) => family !== 'ipv4' && family !== 'ipv6')
  if (families.length === 0 || bad || new Set(families).size !== families.length) {
    fail(LAB_OPTION_INVALID, {
      option: '--ip-families',
      value: families.join(','),
      reason: 'it is ipv4, ipv6, or both with a comma',
    })
  }
  return families
}

function checkCidrs(
  option: string,
  given: readonly string[] | undefined,
  families: readonly LabFamily[],
  defaults: Readonly<Record<LabFamily, string>>,
): readonly string[] {
  if (given === undefined) return families.map((family) => defaults[family])
  const reject = (reason: string): never => fail(LAB_OPTION_INVALID, {option, value: given.join(','), reason})
  const cidrs = given.map((text) => Cidr.parse(text, {hostBits: 'refuse'}) ?? reject(`${text} is not a CIDR`))
  if (cidrs.length !== families.length || cidrs.some((cidr, i) => `ipv${cidr.family}` !== families[i])) {
    reject(`one CIDR for each of ${families.join(',')} is needed, in this order`)
  }
  for (const cidr of cidrs) {
    // kube-apiserver and the node allocator have these limits
    if (option === '--service-cidr' && cidr.network.bits - cidr.length > 20)
      reject(`${cidr} is larger than 2^20 addresses`)
    if (option === '--service-cidr' && cidr.size < 16n) reject(`${cidr} has fewer than 16 addresses`)
    if (option === '--pod-cidr' && cidr.length > nodeMask(cidr.family === 4 ? 'ipv4' : 'ipv6')) {
      reject(`${cidr} has no room for a node`)
    }
    if (option === '--pod-cidr' && nodeMask(cidr.family === 4 ? 'ipv4' : 'ipv6') - cidr.length > 16) {
      reject(`${cidr} is larger than 2^16 nodes`)
    }
  }
  return cidrs.map(String)
}

/** Length of the pod CIDR that each node gets. */
export function nodeMask(family: LabFamily): number {
  return family === 'ipv4' ? 24 : 64
}

function checkVersion(version: string): string {
  if (!/^v1\.\d+\.\d+$/.test(version)) {
    fail(LAB_OPTION_INVALID, {option: '--kubernetes', value: version, reason: 'a version looks like v1.34.4'})
  }
  return version
}

function refuseOverlap(named: readonly (readonly [string, string])[]): void {
  for (const [i, [option, text]] of named.entries()) {
    for (const [other, otherText] of named.slice(i + 1)) {
      if (Cidr.of(text).overlaps(Cidr.of(otherText))) {
        fail(LAB_OPTION_INVALID, {option, value: text, reason: `it overlaps ${other} (${otherText})`})
      }
    }
  }
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
