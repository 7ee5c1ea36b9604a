/** Security identities: the number a packet's sender is known by. */
import type {IpFamily} from './ip.ts'
import {Label, LabelSet} from './labels.ts'

/** A security identity number (32 bits). Only `identity()` and the constants below make one. */
export type Identity = number & {readonly __brand: 'Identity'}

/** Takes a number that is known to be an identity. @throws RangeError outside 0 .. 2^32-1 */
export function identity(number: number): Identity {
  if (!Number.isInteger(number) || number < 0 || number > 0xffffffff) throw new RangeError(`not an identity: ${number}`)
  return number as Identity
}

/** Annotation of a CiliumIdentity: since when the operator finds no user of it. Whoever takes it into use removes it. */
export const heartbeatAnnotation = 'io.cilium.heartbeat'

/** The built-in identities. Numbers and names are Cilium's. */
export const reservedIdentities = {
  unknown: 0,
  host: 1,
  world: 2,
  unmanaged: 3,
  health: 4,
  init: 5,
  'remote-node': 6,
  'kube-apiserver': 7,
  ingress: 8,
  'world-ipv4': 9,
  'world-ipv6': 10,
} as const satisfies Record<string, number> as {readonly [K in ReservedName]: Identity}

export type ReservedName =
  | 'unknown'
  | 'host'
  | 'world'
  | 'unmanaged'
  | 'health'
  | 'init'
  | 'remote-node'
  | 'kube-apiserver'
  | 'ingress'
  | 'world-ipv4'
  | 'world-ipv6'

const reservedNames = new Map<number, ReservedName>(
  Object.entries(reservedIdentities).map(([name, number]) => [number, name as ReservedName]),
)

/** The name of a built-in identity (`host`), or undefined. */
export function reservedName(id: Identity): ReservedName | undefined {
  return reservedNames.get(id)
}

/** Reads a reserved name or a number, decimal or 0x: what `--identity` takes. */
export function parseIdentity(text: string): Identity | undefined {
  if (Object.hasOwn(reservedIdentities, text)) return reservedIdentities[text as ReservedName]
  if (!/^(\d{1,10}|0x[0-9a-f]{1,8})$/i.test(text)) return undefined
  const number = Number(text)
  return number > 0xffffffff ? undefined : (number as Identity)
}

/** The name where there is one, otherwise the number. */
export function formatIdentity(id: Identity): string {
  return reservedNames.get(id) ?? String(id)
}

/** API servers that run on no node of the cluster, by family: of local scope, for they belong to the world, too. */
export const outsideApiServers: Readonly<Record<IpFamily, Identity>> = {
  4: 0x01000001 as Identity,
  6: 0x01000002 as Identity,
}

/** Every identity whose labels `reservedLabels` knows. */
export const builtInIdentities: readonly Identity[] = [
  ...Object.values(reservedIdentities),
  ...Object.values(outsideApiServers),
]

/**
 * The labels of a built-in identity. The remote node that carries the API server (7) is a remote node, too. The same
 * number 1 gets `reserved:kube-apiserver` in addition where the API server runs on the local node (`apiServerHere`).
 */
export function reservedLabels(id: Identity, options: {apiServerHere?: boolean} = {}): LabelSet | undefined {
  const name = reservedNames.get(id) ?? (Object.values(outsideApiServers).includes(id) ? 'kube-apiserver' : undefined)
  if (name === undefined) return undefined
  const names: string[] = [name]
  if (id === outsideApiServers[4]) names.push('world', 'world-ipv4')
  else if (id === outsideApiServers[6]) names.push('world', 'world-ipv6')
  else if (name === 'kube-apiserver') names.push('remote-node')
  if (name === 'host' && options.apiServerHere === true) names.push('kube-apiserver')
  return LabelSet.of(names.map((key) => Label.make('reserved', key)))
}

/** Upper eight bits of an identity. */
const localScope = 0x01
const remoteNodeScope = 0x02

/**
 * Where a number is valid: everywhere for reserved and cluster identities, on this node alone for local ones (CIDRs
 * and names outside) and for remote-node ones (nodes told apart by labels).
 */
export type IdentityScope =
  | 'reserved'
  | 'well-known'
  | 'user-reserved'
  | 'cluster'
  | 'local'
  | 'remote-node'
  | 'invalid'

export function identityScope(id: Identity): IdentityScope {
  const scope = id >>> 24
  if (scope === localScope) return (id & 0xffffff) === 0 ? 'invalid' : 'local'
  if (scope === remoteNodeScope) return (id & 0xffffff) === 0 ? 'invalid' : 'remote-node'
  if (scope !== 0) return 'invalid'
  if (id < 100) return 'reserved'
  if (id < 116) return 'well-known'
  if (id < 128) return 'reserved'
  return id < 256 ? 'user-reserved' : 'cluster'
}

/** An inclusive range of identity numbers. */
export interface IdentityRange {
  readonly first: Identity
  readonly last: Identity
}

export const localIdentities: IdentityRange = {first: identity(0x01000001), last: identity(0x01ffffff)}
export const remoteNodeIdentities: IdentityRange = {first: identity(0x02000001), last: identity(0x02ffffff)}

/** How many clusters a mesh may have: more clusters leave fewer identities to each. */
export type MaxConnectedClusters = 255 | 511

/**
 * The numbers that pods of a cluster get: 65 536 per cluster, or 32 768 with 511 clusters; those of cluster 0 begin
 * after the reserved ones. @throws RangeError for a cluster id that does not fit
 */
export function clusterIdentities(clusterId: number, maxClusters: MaxConnectedClusters = 255): IdentityRange {
  if (!Number.isInteger(clusterId) || clusterId < 0 || clusterId > maxClusters) {
    throw new RangeError(`cluster id ${clusterId} is not within 0..${maxClusters}`)
  }
  const shift = clusterBitShift(maxClusters)
  const base = clusterId << shift
  return {first: identity(base + 256), last: identity(base + (1 << shift) - 1)}
}

/** The cluster that a cluster identity belongs to. */
export function clusterOf(id: Identity, maxClusters: MaxConnectedClusters = 255): number {
  return (id & 0xffffff) >>> clusterBitShift(maxClusters)
}

/** True for what is outside: `world`, and in dual stack also its two family forms. */
export function isWorld(id: Identity, options: {dualStack: boolean}): boolean {
  if (id === reservedIdentities.world) return true
  return options.dualStack && (id === reservedIdentities['world-ipv4'] || id === reservedIdentities['world-ipv6'])
}

/** True for what belongs to the cluster: not the world, not a node-local number. */
export function isCluster(id: Identity, options: {dualStack: boolean}): boolean {
  const scope = identityScope(id)
  return !isWorld(id, options) && scope !== 'local' && scope !== 'invalid'
}

/** The identity of an outside address: one per family in dual stack, a common one otherwise. */
export function worldIdentity(family: IpFamily, options: {dualStack: boolean}): Identity {
  if (!options.dualStack) return reservedIdentities.world
  return family === 4 ? reservedIdentities['world-ipv4'] : reservedIdentities['world-ipv6']
}

/** Tunnel headers and packet marks carry 24 bits, so numbers with a scope never leave the node. */
export function fitsOnWire(id: Identity): boolean {
  return id >>> 24 === 0
}

function clusterBitShift(maxClusters: MaxConnectedClusters): number {
  return maxClusters === 255 ? 16 : 15
}
