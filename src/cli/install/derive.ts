/**
 * Values that follow from the cluster. Pure. 1 what the user says always stands; 2 a kind of cluster that keeps things
 * in other places says where; 3 what the defaults would get wrong here is set right, each with its reason.
 */
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {type Tree, tree, type Value} from '../chart/template/value.ts'
import {getPath, putPath} from '../chart/value-path.ts'
import type {ClusterFacts, ClusterKind} from './facts.ts'

export interface DerivedValue {
  readonly path: string
  readonly value: Value
  readonly reason: string
}

export interface Derived {
  readonly values: readonly DerivedValue[]
  /** what the user should know and cannot be derived away */
  readonly notes: readonly string[]
}

export interface DeriveOptions {
  /** the chart offers it: it is not in its table of later values */
  readonly offers: (path: string, value: Value) => boolean
  readonly nodesWithoutCilium: boolean
}

/** Where kinds of clusters keep their CNI files, when not where everybody does. */
const places: Partial<Record<ClusterKind, readonly (readonly [path: string, value: string])[]>> = {
  microk8s: [
    ['cni.binPath', '/var/snap/microk8s/current/opt/cni/bin'],
    ['cni.confPath', '/var/snap/microk8s/current/args/cni-network'],
    ['daemon.runPath', '/var/snap/microk8s/current/var/run/cilium'],
  ],
}

/** Pools to take when the default one is in use, in this order. */
const otherPools = {
  4: ['10.244.0.0/16', '10.42.0.0/16', '10.128.0.0/16', '172.20.0.0/16', '192.168.128.0/17'],
  6: ['fd00:10:244::/104', 'fd00:10:42::/104'],
} as const

export function deriveValues(facts: ClusterFacts, user: Tree, chart: Tree, options: DeriveOptions): Derived {
  const values: DerivedValue[] = []
  const notes: string[] = []
  const isGiven = (path: string): boolean => getPath(user, path) !== undefined
  const derive = (path: string, value: Value, reason: string): void => {
    if (!isGiven(path)) values.push({path, value, reason})
  }
  const effective = (path: string): Value =>
    getPath(user, path) ?? values.find((one) => one.path === path)?.value ?? getPath(chart, path) ?? null

  for (const [path, value] of places[facts.kind] ?? []) derive(path, value, `where ${facts.kind} keeps it`)
  if (facts.nodes.length === 1) derive('operator.replicas', 1n, 'one node')
  deriveFamilies(facts, derive)
  deriveIpam(facts, isGiven, derive, effective)
  deriveApiServer(facts, isGiven, derive, effective, options, notes)
  if (options.nodesWithoutCilium) derive('affinity', affinityOf(chart), '--nodes-without-cilium')

  const old = facts.nodes.filter(({kernel}) => isOlderThan(kernel, 6, 1))
  if (old.length > 0) {
    notes.push(
      `kernels older than 6.1 are not tested: ${old.map(({name, kernel}) => `${name} (${kernel})`).join(', ')}`,
    )
  }
  if (facts.networkPolicies > 0 && !options.offers('policyEnforcementMode', 'always')) {
    notes.push(`${facts.networkPolicies} NetworkPolicies exist: this version does not enforce them`)
  }
  return {values, notes}
}

/** Both families where every node has addresses of both, and one where all have only that. */
function deriveFamilies(facts: ClusterFacts, derive: (path: string, value: Value, reason: string) => void): void {
  const has = (family: 4 | 6) =>
    facts.nodes.length > 0 &&
    facts.nodes.every(({addresses}) => addresses.some((address) => Ip.parse(address)?.family === family))
  if (has(6)) derive('ipv6.enabled', true, 'all nodes have IPv6 addresses')
  if (has(6) && !has(4)) derive('ipv4.enabled', false, 'nodes have no IPv4 addresses')
}

function deriveIpam(
  facts: ClusterFacts,
  isGiven: (path: string) => boolean,
  derive: (path: string, value: Value, reason: string) => void,
  effective: (path: string) => Value,
): void {
  if (facts.kind === 'kind') derive('ipam.mode', 'kubernetes', 'kind gives nodes their podCIDRs')
  if (effective('ipam.mode') !== 'cluster-pool') return
  const taken = takenRanges(facts)
  for (const [family, name] of [
    [4, 'IPv4'],
    [6, 'IPv6'],
  ] as const) {
    const path = `ipam.operator.clusterPool${name}PodCIDRList`
    if (effective(`ipv${family}.enabled`) !== true || isGiven(path)) continue
    const overlap = firstOverlap(effective(path), taken)
    if (overlap === undefined) continue
    const everyNodeHas = facts.nodes.every(({podCidrs}) => hasFamily(podCidrs, family))
    if (everyNodeHas && !isGiven('ipam.mode')) {
      derive('ipam.mode', 'kubernetes', `the default pool overlaps ${overlap}; nodes have podCIDRs`)
      return
    }
    const free = otherPools[family].find((pool) => firstOverlap([pool], taken) === undefined)
    if (free !== undefined) derive(path, [free], `the default pool overlaps ${overlap}`)
  }
}

function deriveApiServer(
  facts: ClusterFacts,
  isGiven: (path: string) => boolean,
  derive: (path: string, value: Value, reason: string) => void,
  effective: (path: string) => Value,
  options: DeriveOptions,
  notes: string[],
): void {
  if (facts.kubeProxy.state === 'absent') {
    const offered = options.offers('kubeProxyReplacement', 'true')
    if (offered) derive('kubeProxyReplacement', 'true', 'there is no kube-proxy')
    else
      notes.push('there is no kube-proxy: pods reach Services by ClusterIP; NodePorts and the like are not served yet')
  }
  if (facts.kubeProxy.state !== 'absent' || isGiven('k8sServiceHost')) return
  const family = effective('ipv4.enabled') === true ? 4 : 6
  const endpoint =
    facts.apiEndpoints.find(({host}) => Ip.parse(host)?.family === family) ??
    facts.apiEndpoints.find(({host}) => Ip.parse(host) === undefined) ??
    facts.apiEndpoints[0]
  if (endpoint === undefined) return
  derive('k8sServiceHost', endpoint.host, 'nothing serves the kubernetes Service yet')
  derive('k8sServicePort', BigInt(endpoint.port), 'nothing serves the kubernetes Service yet')
  if (facts.apiEndpoints.length > 1) {
    notes.push(
      `there are ${facts.apiEndpoints.length} API servers; all nodes use ${endpoint.host}. Set k8sServiceHost to an address that stands for all`,
    )
  }
}

/** Nodes' and Services' ranges, each with what it is. */
export function takenRanges(facts: ClusterFacts): readonly {readonly cidr: Cidr; readonly what: string}[] {
  const ranges: {cidr: Cidr; what: string}[] = []
  const add = (text: string, what: string): void => {
    const cidr = Cidr.parseOrHost(text)
    if (cidr !== undefined) ranges.push({cidr, what})
  }
  for (const text of facts.serviceCidrs)
    add(text, text.includes('/') ? `the Services' CIDR ${text}` : `the Service address ${text}`)
  for (const node of facts.nodes) {
    for (const address of node.addresses) add(address, `the address ${address} of node ${node.name}`)
  }
  return ranges
}

/** What the first overlapping range is; undefined when none does. */
export function firstOverlap(pool: Value, taken: ReturnType<typeof takenRanges>): string | undefined {
  const cidrs = poolCidrs(pool)
  return taken.find(({cidr}) => cidrs.some((one) => one.overlaps(cidr)))?.what
}

/** A pool as the chart takes it: a list, or a text with words. */
export function poolCidrs(pool: Value): Cidr[] {
  const texts = Array.isArray(pool) ? pool : typeof pool === 'string' ? pool.split(/[\s,]+/) : []
  return texts
    .map((text) => (typeof text === 'string' ? Cidr.parse(text) : undefined))
    .filter((cidr) => cidr !== undefined)
}

export function hasFamily(cidrs: readonly string[], family: 4 | 6): boolean {
  return cidrs.some((text) => Cidr.parse(text)?.family === family)
}

/** The derived values as a tree, to lay below the user's. */
export function derivedTree(derived: Derived): Tree {
  const values = tree()
  for (const {path, value} of derived.values) putPath(values, path, value)
  return values
}

/** The chart's own affinity, and no node that is labelled to be left alone. */
function affinityOf(chart: Tree): Tree {
  const affinity = tree(Object.entries((getPath(chart, 'affinity') as Tree | undefined) ?? tree()))
  affinity['nodeAffinity'] = tree([
    [
      'requiredDuringSchedulingIgnoredDuringExecution',
      tree([
        [
          'nodeSelectorTerms',
          [
            tree([
              [
                'matchExpressions',
                [
                  tree([
                    ['key', 'cilium.io/no-schedule'],
                    ['operator', 'NotIn'],
                    ['values', ['true']],
                  ]),
                ],
              ],
            ]),
          ],
        ],
      ]),
    ],
  ])
  return affinity
}

function isOlderThan(kernel: string, major: number, minor: number): boolean {
  const [, first, second] = /^(\d+)\.(\d+)/.exec(kernel) ?? []
  if (first === undefined) return false
  return Number(first) < major || (Number(first) === major && Number(second) < minor)
}
