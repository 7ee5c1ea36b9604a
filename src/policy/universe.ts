/** Who there is to talk to: identities with their labels, CIDR groups and services. */
import type {Cidr} from '../model/cidr.ts'
import type {Ip} from '../model/ip.ts'
import {LabelSet} from '../model/labels.ts'
import type {NamedPorts} from './cidr-classes.ts'

export interface PeerIdentity {
  readonly id: number
  readonly labels: LabelSet
  /** of its pods: `differ` when they do not agree, then their classes tell */
  readonly namedPorts: NamedPorts | 'differ'
}

export interface CidrGroup {
  readonly name: string
  readonly labels: LabelSet
  readonly cidrs: readonly Cidr[]
}

export interface PolicyService {
  readonly namespace: string
  readonly name: string
  readonly labels: LabelSet
  /** pods of its namespace with these labels; undefined: its backends are addresses that somebody wrote */
  readonly selector: Readonly<Record<string, string>> | undefined
  readonly backends: readonly Ip[]
}

/** What peers of rules refer to by name. */
export interface References {
  readonly cidrGroups: readonly CidrGroup[]
  readonly services: readonly PolicyService[]
}

/** Labels of a group or service, which have no source of their own. */
export function objectLabels(labels: Readonly<Record<string, string>> | undefined): LabelSet {
  return LabelSet.fromRecord(labels, 'k8s')
}
