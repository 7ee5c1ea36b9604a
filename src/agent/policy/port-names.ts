/**
 * Which names the pods of each identity have for their ports. Pods of one identity may disagree; then each is known by
 * the class of its address instead.
 */
import type {NamedPorts} from '../../policy/cidr-classes.ts'
import {namedPortsText} from '../../policy/cidr-classes.ts'
import type {NamedPort} from './rows.ts'

const protocols: Readonly<Record<string, number>> = {TCP: 6, UDP: 17, SCTP: 132}
export const noPorts: NamedPorts = new Map()

export function namedPorts(ports: readonly NamedPort[]): NamedPorts {
  if (ports.length === 0) return noPorts
  const byName = new Map<string, {protocol: number; port: number}[]>()
  for (const {name, port, protocol} of ports) {
    const number = protocols[protocol]
    if (name === '' || number === undefined) continue
    const all = byName.get(name) ?? []
    if (!all.some((one) => one.protocol === number && one.port === port)) all.push({protocol: number, port})
    byName.set(name, all)
  }
  return byName
}

interface PodPorts {
  readonly identity: number
  readonly ports: NamedPorts
  readonly text: string
}

export class PortNames {
  private readonly pods = new Map<string, PodPorts>()
  private readonly byIdentity = new Map<number, Map<string, {ports: NamedPorts; pods: number}>>()

  /** @returns the identities whose pods' names may have changed */
  set(pod: string, identity: number | undefined, ports: readonly NamedPort[]): number[] {
    const before = this.pods.get(pod)
    const named = namedPorts(ports)
    const text = namedPortsText(named)
    if (before?.identity === identity && before?.text === text) return []
    const touched: number[] = []
    if (before !== undefined) {
      this.count(before, -1)
      touched.push(before.identity)
      this.pods.delete(pod)
    }
    if (identity !== undefined) {
      const now = {identity, ports: named, text}
      this.pods.set(pod, now)
      this.count(now, 1)
      touched.push(identity)
    }
    return touched
  }

  of(identity: number): NamedPorts | 'differ' {
    const all = this.byIdentity.get(identity)
    if (all === undefined) return noPorts
    return all.size > 1 ? 'differ' : all.values().next().value!.ports
  }

  ofPod(pod: string): NamedPorts {
    return this.pods.get(pod)?.ports ?? noPorts
  }

  private count({identity, ports, text}: PodPorts, by: 1 | -1): void {
    const all = this.byIdentity.get(identity) ?? new Map<string, {ports: NamedPorts; pods: number}>()
    const one = all.get(text) ?? {ports, pods: 0}
    one.pods += by
    if (one.pods === 0) all.delete(text)
    else all.set(text, one)
    if (all.size === 0) this.byIdentity.delete(identity)
    else this.byIdentity.set(identity, all)
  }
}
