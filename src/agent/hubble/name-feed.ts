/** Tells the thread of flows who is who: rows of tables in, names out. */

import type {Policy} from '../../api/gen/flow.ts'
import {qualifiedNode, serverName} from '../../api/hubble-names.ts'
import type {EndpointName} from '../../hubble/flow/names.ts'
import type {ToWorker} from '../../hubble/server/messages.ts'
import type {Peer} from '../../hubble/server/peers.ts'
import {isErrno} from '../../kernel/errors.ts'
import {inNetns, netnsCookie} from '../../kernel/netns.ts'
import {builtInIdentities, reservedLabels} from '../../model/identity.ts'
import type {Ip} from '../../model/ip.ts'
import type {PolicyRuleRow} from '../policy/rows.ts'
import type {FrontendRow} from '../service/rows.ts'
import type {EndpointRow, NodeRow, PodRow, RemoteEndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {policyLabels} from './policy-labels.ts'

const protocolNumbers: Readonly<Record<string, number>> = {TCP: 6, UDP: 17, SCTP: 132}
const hostIdentity = 1

export interface NameFeedOptions {
  readonly tables: Tables
  readonly clusterName: string
  readonly nodeName: string
  /** nodes announce a certificate */
  readonly tls: boolean
  /** of the addresses that nodes are announced with, when they have both */
  readonly family: 4 | 6
  readonly tell: (message: ToWorker) => void
}

export class NameFeed {
  readonly #options: NameFeedOptions
  readonly #ends: (() => void)[] = []
  /** of network namespaces, by inode */
  readonly #cookies = new Map<string, bigint>()

  constructor(options: NameFeedOptions) {
    this.#options = options
  }

  start(): void {
    const {tables} = this.#options
    this.#ends.push(
      tables.endpoints.subscribe((changes) => {
        for (const {row, old} of changes) this.#tellEndpoint(row, old)
      }),
      tables.pods.subscribe((changes) => {
        for (const {row} of changes) if (row !== undefined) this.#tellPod(row)
      }),
      tables.remoteEndpoints.subscribe((changes) => {
        for (const {row, old} of changes) this.#tellRemote(row, old)
      }),
      ...[tables.identities, tables.nodeIdentities].map((table) =>
        table.subscribe((changes) =>
          this.#names({
            identities: changes.map(({row, old}) => [(row ?? old)!.id, row?.labels.toStrings()] as const),
          }),
        ),
      ),
      tables.frontends.subscribe((changes) =>
        this.#names({services: changes.flatMap(({row, old}) => serviceNames(row, old))}),
      ),
      tables.policyRules.subscribe((changes) =>
        this.#names({
          policies: changes.map(({row, old}) => [(row ?? old)!.cookie, row && policyOf(row)] as const),
        }),
      ),
      tables.nodes.subscribe(() => this.#tellNodes()),
    )
  }

  stop(): void {
    for (const end of this.#ends) end()
  }

  /** All that is known now, for a thread that has just started. */
  readonly tellAll = (): void => {
    const {tables} = this.#options
    const reserved = builtInIdentities.flatMap((id) => {
      const labels = reservedLabels(id)
      return labels === undefined ? [] : [[id as number, labels.toStrings()] as const]
    })
    const identities = [...tables.identities.values(), ...tables.nodeIdentities.values()].map(
      (row) => [row.id as number, row.labels.toStrings()] as const,
    )
    this.#names({identities: [...reserved, ...identities]})
    this.#names({services: [...tables.frontends.values()].flatMap((row) => serviceNames(row, undefined))})
    for (const row of tables.remoteEndpoints.values()) this.#tellRemote(row, undefined)
    for (const row of tables.endpoints.values()) this.#tellEndpoint(row, undefined)
    this.#names({policies: [...tables.policyRules.values()].map((row) => [row.cookie, policyOf(row)] as const)})
    this.#tellNodes()
  }

  #names(changes: Extract<ToWorker, {kind: 'names'}>['changes']): void {
    this.#options.tell({kind: 'names', changes})
  }

  #tellEndpoint(row: EndpointRow | undefined, old: EndpointRow | undefined): void {
    const gone = old === undefined ? [] : [old.ipv4, old.ipv6]
    this.#tellAddresses(
      row === undefined ? undefined : this.#name(row.namespace, row.pod, row.identity),
      [row?.ipv4, row?.ipv6],
      gone,
    )
    if (row !== undefined) this.#tellProcesses(row)
    else if (old !== undefined) this.#forgetProcesses(old)
  }

  /** What a pod belongs to may be known later than its addresses. */
  #tellPod({namespace, name}: PodRow): void {
    for (const row of this.#options.tables.endpoints.by('pod', `${namespace}/${name}`)) this.#tellEndpoint(row, row)
  }

  #tellProcesses(row: EndpointRow): void {
    const netns = this.#cookies.get(row.netnsInode) ?? cookieOf(row)
    if (netns === undefined) return
    this.#cookies.set(row.netnsInode, netns)
    const ips = [row.ipv4, row.ipv6].filter((ip) => ip !== undefined).map(String)
    this.#names({processes: [[netns, {ips, identity: row.identity ?? 0, endpoint: row.id}]]})
  }

  #forgetProcesses({netnsInode}: EndpointRow): void {
    const netns = this.#cookies.get(netnsInode)
    if (netns === undefined) return
    this.#cookies.delete(netnsInode)
    this.#names({processes: [[netns, undefined]]})
  }

  #tellRemote(row: RemoteEndpointRow | undefined, old: RemoteEndpointRow | undefined): void {
    const name = row === undefined ? undefined : this.#name(row.namespace, row.name, row.identity)
    this.#tellAddresses(name, row?.ips ?? [], old?.ips ?? [])
  }

  #tellAddresses(
    name: EndpointName | undefined,
    ips: readonly (Ip | undefined)[],
    oldIps: readonly (Ip | undefined)[],
  ): void {
    const now = new Set(ips.filter((ip) => ip !== undefined).map(String))
    const gone = oldIps.filter((ip) => ip !== undefined && !now.has(String(ip))).map(String)
    this.#names({
      endpoints: [...[...now].map((ip) => [ip, name] as const), ...gone.map((ip) => [ip, undefined] as const)],
    })
  }

  #name(namespace: string, podName: string, id?: number): EndpointName {
    const {tables, clusterName} = this.#options
    const labels = id === undefined ? undefined : tables.identities.get(String(id))?.labels.toStrings()
    const pod = tables.pods.get(`${namespace}/${podName}`)
    return {
      namespace,
      podName,
      labels: labels ?? [],
      workloads: pod === undefined ? [] : [pod.workload],
      clusterName,
      ...(id === undefined ? {} : {identity: id}),
    }
  }

  #tellNodes(): void {
    const {tables, clusterName, nodeName, tls, family, tell} = this.#options
    const peer = (node: NodeRow): Peer | undefined => {
      const ip = node.internalIps.find((one) => one.family === family) ?? node.internalIps[0]
      if (ip === undefined) return undefined
      const tlsName = tls ? serverName(clusterName, node.name) : undefined
      return {name: qualifiedNode(clusterName, node.name), address: String(ip), tlsName}
    }
    const nodes = tables.nodes.sorted()
    tell({kind: 'peers', peers: nodes.map(peer).filter((one) => one !== undefined)})
    const own = nodes.find((node) => node.name === nodeName)
    if (own !== undefined) {
      this.#names({
        nodeLabels: Object.entries(own.labels).map(([key, value]) => `${key}=${value}`),
        processes: [[netnsCookie(), {ips: own.internalIps.map(String), identity: hostIdentity, endpoint: 0}]],
      })
    }
  }
}

/** By which the programs know the pod's processes; undefined: its namespace is gone. */
function cookieOf({netns}: EndpointRow): bigint | undefined {
  try {
    return inNetns(netns, netnsCookie)
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT', 'EINVAL')) return undefined
    throw thrown
  }
}

function serviceNames(
  row: FrontendRow | undefined,
  old: FrontendRow | undefined,
): (readonly [string, {name: string; namespace: string} | undefined])[] {
  const key = ({ip, port, protocol}: FrontendRow) => `${ip}:${port}/${protocolNumbers[protocol] ?? 0}`
  const changes: (readonly [string, {name: string; namespace: string} | undefined])[] = []
  if (old !== undefined) changes.push([key(old), undefined])
  if (row !== undefined) changes.push([key(row), {name: row.name, namespace: row.namespace}])
  return changes
}

/** The policy of a rule as flows name it. */
function policyOf(row: PolicyRuleRow): Policy {
  const {kind, namespace, name} = row
  return {name, namespace, kind, labels: policyLabels(row)}
}
