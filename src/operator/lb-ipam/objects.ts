/** Pools and Services → rows. Nothing that users wrote is trusted. */
import type {KubeObject, Service} from '../../k8s/resources.ts'
import {Cidr} from '../../model/cidr.ts'
import {compareIps, Ip, type IpFamily} from '../../model/ip.ts'
import {type LabelSelectorObject, parseSelector} from '../../model/selector.ts'
import type {Block, Condition, LbServiceRow, PoolRow} from './rows.ts'

export const satisfiedCondition = 'cilium.io/IPAMRequestSatisfied'

const ownClasses: ReadonlySet<string> = new Set(['io.cilium/bgp-control-plane', 'io.cilium/l2-announcer'])

export interface PoolObject extends KubeObject {
  readonly spec?: {
    readonly serviceSelector?: LabelSelectorObject
    readonly allowFirstLastIPs?: string
    readonly blocks?: readonly {readonly cidr?: string; readonly start?: string; readonly stop?: string}[]
    readonly disabled?: boolean
  }
  readonly status?: {readonly conditions?: readonly Condition[]}
}

export function poolRow({metadata, spec, status}: PoolObject): PoolRow {
  const problems: string[] = []
  const reserve = spec?.allowFirstLastIPs === 'No'
  const blocks = list(spec?.blocks).flatMap((block) => {
    const read = blockOf(block, reserve)
    if (typeof read === 'string') problems.push(read)
    return typeof read === 'string' ? [] : [read]
  })
  return {
    name: metadata.name,
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 0,
    created: metadata.creationTimestamp ?? '',
    disabled: spec?.disabled === true,
    blocks,
    selector: parseSelector(spec?.serviceSelector, {defaultSource: 'k8s'}),
    problems,
    conditions: list(status?.conditions),
  }
}

/** A block, or what is wrong with it. Of prefixes with one or two addresses none is reserved: nothing would be left. */
function blockOf(
  {cidr, start, stop}: NonNullable<NonNullable<PoolObject['spec']>['blocks']>[number],
  reserve: boolean,
): Block | string {
  if (cidr !== undefined) {
    const parsed = Cidr.parseOrHost(cidr)
    if (parsed === undefined) return `${JSON.stringify(cidr.slice(0, 64))} is no CIDR`
    const inner = reserve && parsed.size > 2n
    return {
      first: inner ? parsed.at(1)! : parsed.network,
      last: inner ? parsed.at(parsed.size - 2n)! : parsed.last,
      text: cidr,
    }
  }
  const first = Ip.parse(start ?? '')
  const last = Ip.parse(stop || (start ?? ''))
  const text = stop ? `${start} to ${stop}` : `${start}`
  if (first === undefined || last === undefined || first.family !== last.family || compareIps(first, last) > 0)
    return `${JSON.stringify(text.slice(0, 100))} is no run of addresses`
  return {first, last, text}
}

export interface ServiceChoice {
  readonly families: readonly IpFamily[]
  /** services without a class are ours */
  readonly classless: boolean
}

/** @returns undefined for services that neither want addresses of us nor have any */
export function lbServiceRow({metadata, spec, status}: Service, choice: ServiceChoice): LbServiceRow | undefined {
  const balanced = spec?.type === 'LoadBalancer'
  const ours = balanced && (spec.loadBalancerClass ? ownClasses.has(spec.loadBalancerClass) : choice.classless)
  const conditions = list(status?.conditions)
  if (!ours && !conditions.some(({type}) => type === satisfiedCondition)) return undefined
  const annotation = (...names: readonly string[]) =>
    names.map((name) => metadata.annotations?.[name]).find((value) => typeof value === 'string') ?? ''
  const asked = words(annotation('lbipam.cilium.io/ips', 'io.cilium/lb-ipam-ips'))
  if (spec?.loadBalancerIP) asked.push(spec.loadBalancerIP)
  const requested = new Map<string, Ip>()
  const problems: string[] = []
  for (const text of asked) {
    const ip = Ip.parse(text)
    if (ip === undefined) problems.push(`${JSON.stringify(text.slice(0, 64))} is no address`)
    else if (choice.families.includes(ip.family)) requested.set(String(ip), ip)
    else problems.push(`IPv${ip.family} is not enabled, so ${ip} cannot be given`)
  }
  const families = list(spec?.ipFamilies).map((family): IpFamily => (family === 'IPv6' ? 6 : 4))
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 0,
    created: metadata.creationTimestamp ?? '',
    ours,
    labels: {
      ...metadata.labels,
      'io.kubernetes.service.namespace': metadata.namespace ?? '',
      'io.kubernetes.service.name': metadata.name,
    },
    families: choice.families.filter((family) => families.includes(family)),
    requested: [...requested.values()],
    problems,
    ports: list(spec?.ports).map(({port, protocol}) => `${port}/${protocol ?? 'TCP'}`),
    local: spec?.externalTrafficPolicy === 'Local',
    pods: JSON.stringify(Object.entries(spec?.selector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))),
    sharingKey: annotation('lbipam.cilium.io/sharing-key', 'io.cilium/lb-ipam-sharing-key'),
    sharingNamespaces: words(
      annotation('lbipam.cilium.io/sharing-cross-namespace', 'io.cilium/lb-ipam-sharing-cross-namespace'),
    ),
    ingress: list(status?.loadBalancer?.ingress)
      .map(({ip}) => Ip.parse(ip ?? ''))
      .filter((ip) => ip !== undefined),
    conditions,
  }
}

function words(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

function list<T>(value: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : []
}
