/** CiliumL2AnnouncementPolicies: which services this node may answer for, and on which devices. Pure. */
import type {Ip} from '../../model/ip.ts'
import {LabelSet} from '../../model/labels.ts'
import {type LabelSelectorObject, type ParsedSelector, parseSelector, selects} from '../../model/selector.ts'
import {list, type Metadata} from '../reflect/object.ts'
import type {ServiceRow} from '../service/rows.ts'

export interface L2PolicyRow {
  readonly name: string
  readonly uid: string
  readonly nodes: ParsedSelector
  readonly services: ParsedSelector
  readonly loadBalancerIps: boolean
  readonly externalIps: boolean
  /** regular expressions; empty: all devices */
  readonly devices: readonly string[]
  readonly problems: readonly string[]
}

export interface L2PolicyObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly nodeSelector?: LabelSelectorObject
    readonly serviceSelector?: LabelSelectorObject
    readonly loadBalancerIPs?: boolean
    readonly externalIPs?: boolean
    readonly interfaces?: readonly string[] | null
  }
}

export function l2PolicyRow({metadata, spec}: L2PolicyObject): L2PolicyRow {
  const nodes = parseSelector(spec?.nodeSelector, {defaultSource: 'k8s'})
  const services = parseSelector(spec?.serviceSelector, {defaultSource: 'k8s'})
  const problems = [
    ...('problem' in nodes ? [`nodeSelector.${nodes.problem.path} ${nodes.problem.reason}`] : []),
    ...('problem' in services ? [`serviceSelector.${services.problem.path} ${services.problem.reason}`] : []),
  ]
  const devices = list(spec?.interfaces).map(String)
  for (const text of devices)
    if (pattern(text) === undefined)
      problems.push(`interfaces: ${JSON.stringify(text.slice(0, 64))} is no regular expression`)
  return {
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    nodes,
    services,
    loadBalancerIps: spec?.loadBalancerIPs === true,
    externalIps: spec?.externalIPs === true,
    devices,
    problems,
  }
}

/** A service that this node may lead. */
export interface Candidate {
  readonly namespace: string
  readonly name: string
  readonly ips: readonly Ip[]
  readonly devices: readonly string[]
}

/**
 * 1 A policy speaks for the nodes and services that its selectors select, absent ones select all; one that cannot be
 * read speaks for none. 2 Only services without a class, or of the class io.cilium/l2-announcer. 3 With the external
 * policy Local, only a node that has a backend. 4 What several policies give is given together.
 */
export function candidates(
  policies: readonly L2PolicyRow[],
  services: Iterable<ServiceRow>,
  node: {
    readonly labels: Readonly<Record<string, string>>
    readonly devices: readonly string[]
    /** a backend of the service that outside clients reach is here */
    readonly serves: (service: ServiceRow) => boolean
  },
): Candidate[] {
  const labels = LabelSet.fromRecord(node.labels)
  const here = policies.filter(({nodes, problems}) => problems.length === 0 && matches(nodes, labels))
  if (here.length === 0) return []
  const found: Candidate[] = []
  for (const service of services) {
    const {namespace, name, loadBalancerIps, externalIps, loadBalancerClass} = service
    if (loadBalancerIps.length + externalIps.length === 0) continue
    if (loadBalancerClass !== '' && loadBalancerClass !== 'io.cilium/l2-announcer') continue
    const own = LabelSet.fromRecord({
      ...service.labels,
      'io.kubernetes.service.namespace': namespace,
      'io.kubernetes.service.name': name,
    })
    const speaking = here.filter((policy) => matches(policy.services, own))
    const ips = new Map<string, Ip>()
    const devices = new Set<string>()
    for (const policy of speaking) {
      const all = [...(policy.loadBalancerIps ? loadBalancerIps : []), ...(policy.externalIps ? externalIps : [])]
      for (const ip of all) ips.set(String(ip), ip)
      for (const device of node.devices) if (all.length > 0 && speaksOn(policy, device)) devices.add(device)
    }
    if (ips.size === 0 || devices.size === 0 || (service.externalLocal && !node.serves(service))) continue
    found.push({namespace, name, ips: [...ips.values()], devices: [...devices].sort()})
  }
  return found
}

function matches(parsed: ParsedSelector, labels: LabelSet): boolean {
  return 'selector' in parsed && (parsed.selector.kind === 'absent' || selects(parsed.selector, labels))
}

function speaksOn({devices}: L2PolicyRow, name: string): boolean {
  return devices.length === 0 || devices.some((text) => pattern(text)?.test(name))
}

function pattern(text: string): RegExp | undefined {
  try {
    return text.length <= 256 ? new RegExp(text) : undefined
  } catch {
    return undefined // told as a problem of the policy
  }
}
