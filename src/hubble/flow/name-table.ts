/**
 * Names that somebody else tells of, as changes that can be sent between threads. An address that goes from one pod to
 * another keeps its former owner for flows of that time.
 */
import {readdirSync, readFileSync} from 'node:fs'
import type {Policy, Service} from '../../api/gen/flow.ts'
import type {EndpointName, FlowNames, ProcessOwner} from './names.ts'

/** What became known; undefined: it is gone. All plain values. */
export interface NameChanges {
  readonly endpoints?: readonly (readonly [ip: string, name: EndpointName | undefined])[]
  readonly identities?: readonly (readonly [identity: number, labels: readonly string[] | undefined])[]
  /** keys as `10.96.0.1:443/6`: address, port, number of the protocol */
  readonly services?: readonly (readonly [key: string, service: Service | undefined])[]
  /** names that an address was given for, the newest first */
  readonly dns?: readonly (readonly [ip: string, names: readonly string[] | undefined])[]
  readonly policies?: readonly (readonly [cookie: number, policy: Policy | undefined])[]
  readonly nodeLabels?: readonly string[]
  /** by the cookie of their network namespace */
  readonly processes?: readonly (readonly [netns: bigint, owner: ProcessOwner | undefined])[]
}

interface Holder {
  readonly since: number
  readonly name: EndpointName | undefined
}

/** former owners of an address that are remembered */
const holdersMax = 4

export class NameTable implements FlowNames {
  readonly nodeName: string
  nodeLabels: readonly string[] = []
  readonly #now: () => number
  readonly #holders = new Map<string, Holder[]>()
  readonly #identities = new Map<number, readonly string[]>()
  readonly #services = new Map<string, Service>()
  readonly #dns = new Map<string, readonly string[]>()
  readonly #policies = new Map<number, Policy>()
  readonly #processes = new Map<bigint, ProcessOwner>()
  #devices = new Map<number, string>()
  /** told of each pod whose address is its own no longer */
  onPodGone: ((namespace: string, pod: string) => void) | undefined

  constructor(nodeName: string, now: () => number = Date.now) {
    this.nodeName = nodeName
    this.#now = now
  }

  apply({
    endpoints = [],
    identities = [],
    services = [],
    policies = [],
    dns = [],
    processes = [],
    nodeLabels,
  }: NameChanges): void {
    for (const [ip, name] of endpoints) this.#hold(ip, name)
    for (const [identity, labels] of identities) set(this.#identities, identity, labels)
    for (const [key, service] of services) set(this.#services, key, service)
    for (const [netns, owner] of processes) set(this.#processes, netns, owner)
    for (const [ip, names] of dns) set(this.#dns, ip, names)
    for (const [cookie, policy] of policies) set(this.#policies, cookie, policy)
    if (nodeLabels !== undefined) this.nodeLabels = nodeLabels
  }

  endpoint(ip: string, timeMs: number): EndpointName | undefined {
    const holders = this.#holders.get(ip)
    if (holders === undefined) return undefined
    for (let i = holders.length - 1; i > 0; i--) if (holders[i]!.since <= timeMs) return holders[i]!.name
    // what the first owner did before we heard of it was its doing all the same
    return holders[0]!.name
  }

  /** Has a pod of this name an address now? */
  hasPod(namespace: string, podName: string): boolean {
    for (const holders of this.#holders.values()) {
      const name = holders.at(-1)?.name
      if (name !== undefined && name.podName === podName && name.namespace === namespace) return true
    }
    return false
  }

  identityLabels(identity: number): readonly string[] | undefined {
    return this.#identities.get(identity)
  }

  service(ip: string, port: number, protocol: number): Service | undefined {
    return this.#services.size === 0 ? undefined : this.#services.get(`${ip}:${port}/${protocol}`)
  }

  dnsNames(ip: string): readonly string[] {
    return this.#dns.get(ip) ?? []
  }

  device(ifindex: number): string {
    let name = this.#devices.get(ifindex)
    if (name === undefined) {
      this.#devices = deviceNames()
      name = this.#devices.get(ifindex) ?? ''
      // one that stays unknown is not looked for with each flow
      this.#devices.set(ifindex, name)
    }
    return name
  }

  process(netns: bigint): ProcessOwner | undefined {
    return this.#processes.get(netns)
  }

  identityOf(ip: string): number {
    return this.#holders.get(ip)?.at(-1)?.name?.identity ?? 0
  }

  policy(cookie: number): Policy | undefined {
    return this.#policies.get(cookie)
  }

  #hold(ip: string, name: EndpointName | undefined): void {
    const holders = this.#holders.get(ip) ?? []
    const newest = holders.at(-1)
    if (newest !== undefined && JSON.stringify(newest.name) === JSON.stringify(name)) return
    // the same pod with other labels is no other owner
    if (newest?.name !== undefined && name !== undefined && samePod(newest.name, name)) holders.pop()
    else if (newest?.name !== undefined) this.onPodGone?.(newest.name.namespace, newest.name.podName)
    holders.push({since: newest === undefined ? 0 : this.#now(), name})
    if (holders.length > holdersMax) holders.shift()
    this.#holders.set(ip, holders)
  }
}

function samePod(a: EndpointName, b: EndpointName): boolean {
  return a.namespace === b.namespace && a.podName === b.podName
}

function set<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

function deviceNames(): Map<number, string> {
  const names = new Map<number, string>()
  for (const name of readdirSync('/sys/class/net')) {
    try {
      names.set(Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8')), name)
    } catch {
      // it went away between the two reads
    }
  }
  return names
}
