/** CiliumLocalRedirectPolicies: traffic for an address or a service goes to pods of this node instead. Pure. */
import type {Cidr} from '../../model/cidr.ts'
import {Ip, type IpFamily} from '../../model/ip.ts'
import {LabelSet} from '../../model/labels.ts'
import {type LabelSelectorObject, type ParsedSelector, parseSelector, selects} from '../../model/selector.ts'
import {list, type Metadata} from '../reflect/object.ts'
import {isPort, protocolOf, short} from '../reflect/service.ts'
import type {PodRow} from '../state/rows.ts'
import {frontendKey} from './frontends.ts'
import type {FrontendBackend, FrontendRow, ServicePortRow, ServiceProtocol, ServiceRow} from './rows.ts'

export interface RedirectPort {
  /** empty: none */
  readonly name: string
  readonly port: number
  readonly protocol: ServiceProtocol
}

/** A CiliumLocalRedirectPolicy. */
export interface LocalRedirectRow {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly createdAt: number
  readonly from:
    | {readonly kind: 'address'; readonly ip: Ip; readonly ports: readonly RedirectPort[]}
    /** without ports: all that the service has */
    | {readonly kind: 'service'; readonly service: string; readonly ports: readonly RedirectPort[] | undefined}
    | undefined
  readonly to: readonly RedirectPort[]
  readonly pods: ParsedSelector
  /** the pods themselves go where they would go without the policy */
  readonly sparesBackends: boolean
  readonly problems: readonly string[]
}

interface PortObject {
  readonly port?: string
  readonly protocol?: string
  readonly name?: string
}

export interface LocalRedirectObject {
  readonly metadata?: Metadata & {readonly creationTimestamp?: string}
  readonly spec?: {
    readonly redirectFrontend?: {
      readonly addressMatcher?: {readonly ip?: string; readonly toPorts?: readonly PortObject[] | null}
      readonly serviceMatcher?: {
        readonly serviceName?: string
        readonly namespace?: string
        readonly toPorts?: readonly PortObject[] | null
      }
    }
    readonly redirectBackend?: {
      readonly localEndpointSelector?: LabelSelectorObject
      readonly toPorts?: readonly PortObject[] | null
    }
    readonly skipRedirectFromBackend?: boolean
  }
}

export function localRedirectRow({metadata, spec}: LocalRedirectObject): LocalRedirectRow {
  const namespace = metadata?.namespace ?? ''
  const problems: string[] = []
  const ports = (given: readonly PortObject[] | null | undefined, where: string): RedirectPort[] =>
    list(given).flatMap(({port, protocol: text, name}) => {
      const number = Number(port)
      const protocol = protocolOf(text)
      if (isPort(number) && protocol !== undefined) return [{name: name ?? '', port: number, protocol}]
      problems.push(`${where}.toPorts: ${short(port)} is no port`)
      return []
    })
  const {addressMatcher: address, serviceMatcher: service} = spec?.redirectFrontend ?? {}
  let from: LocalRedirectRow['from']
  if (address !== undefined) {
    const ip = Ip.parse(address.ip ?? '')
    if (ip === undefined || ip.isUnspecified || ip.isLoopback || ip.isMulticast)
      problems.push(`addressMatcher.ip: ${short(address.ip)} is no address that can be redirected`)
    else from = {kind: 'address', ip, ports: ports(address.toPorts, 'addressMatcher')}
  } else if (service !== undefined) {
    if (service.namespace !== namespace)
      problems.push(`serviceMatcher: ${short(service.namespace)} is not the policy's own namespace`)
    else {
      const given = list(service.toPorts)
      const named = given.length === 0 ? undefined : ports(given, 'serviceMatcher')
      from = {kind: 'service', service: `${namespace}/${service.serviceName ?? ''}`, ports: named}
    }
  } else problems.push('redirectFrontend has neither addressMatcher nor serviceMatcher')
  const pods = parseSelector(spec?.redirectBackend?.localEndpointSelector, {defaultSource: 'k8s'})
  if ('problem' in pods) problems.push(`localEndpointSelector.${pods.problem.path} ${pods.problem.reason}`)
  const to = ports(spec?.redirectBackend?.toPorts, 'redirectBackend')
  if (to.length === 0) problems.push('redirectBackend.toPorts has no port')
  const sparesBackends = spec?.skipRedirectFromBackend === true
  const createdAt = Date.parse(metadata?.creationTimestamp ?? '') || 0
  return {
    namespace,
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    createdAt,
    from,
    to,
    pods,
    sparesBackends,
    problems,
  }
}

/** What of the node and the cluster counts. */
export interface RedirectPlace {
  readonly node: string
  readonly families: readonly IpFamily[]
  /** addresses that policies may name; empty: all */
  readonly allowed: readonly Cidr[]
  readonly service: (key: string) => ServiceRow | undefined
  /** pods of this node in a namespace, with their addresses */
  readonly pods: (namespace: string) => Iterable<{readonly pod: PodRow; readonly ips: readonly Ip[]}>
  /** whose an address is, when it is somebody's that the policy may not speak for: a foreign service, a node, a pod */
  readonly owner: (ip: Ip, namespace: string) => string | undefined
}

/**
 * 1 A policy with a problem redirects nothing, and says so. 2 Backends are ready pods of this node and of the policy's
 * namespace. 3 Without any, nothing is redirected: traffic goes where it went. 4 One port is sent to the one port of the
 * backends; of several, each to that of the same name. 5 An address that belongs to others is not redirected. 6 Pods that a
 * policy spares are not redirected themselves: they find whoever had the frontend (FrontendClaims), or nobody.
 */
export function redirectsOf(
  policy: LocalRedirectRow,
  place: RedirectPlace,
): {readonly rows: readonly FrontendRow[]; readonly problems: readonly string[]} {
  const {from, namespace, to} = policy
  const problems = [...policy.problems]
  if (from === undefined || problems.length > 0) return {rows: [], problems}
  let ips: readonly Ip[]
  let ports: readonly RedirectPort[]
  let name = policy.name
  if (from.kind === 'address') {
    const owner = place.owner(from.ip, namespace)
    if (owner !== undefined) problems.push(`${from.ip} belongs to ${owner}`)
    if (place.allowed.length > 0 && !place.allowed.some((cidr) => cidr.contains(from.ip)))
      problems.push(
        `${from.ip} is in none of the ranges that may be redirected (localRedirectPolicies.addressMatcherCIDRs)`,
      )
    ips = [from.ip]
    ports = from.ports
  } else {
    const service = place.service(from.service)
    if (service === undefined) return {rows: [], problems: [`there is no service ${from.service} with addresses`]}
    if (service.type !== 'ClusterIP') problems.push(`service ${from.service} is not of type ClusterIP`)
    ips = service.clusterIps
    ports = from.ports === undefined ? service.ports : from.ports.flatMap((port) => named(service, port, problems))
    name = service.name
  }
  const pairs = ports.flatMap((port) => {
    const target =
      ports.length === 1 && to.length === 1 ? to[0]! : to.find((one) => one.name !== '' && one.name === port.name)
    if (target?.protocol === port.protocol) return [{port, target}]
    problems.push(`no port of the backends goes with ${port.name || port.port}/${port.protocol}`)
    return []
  })
  if (problems.length > 0) return {rows: [], problems}

  const {pods} = policy
  const selector = 'selector' in pods ? pods.selector : ({kind: 'none'} as const)
  const backends = [...place.pods(namespace)].filter(
    ({pod}) => pod.ready && !pod.terminating && !pod.hostNetwork && selects(selector, LabelSet.fromRecord(pod.labels)),
  )
  const rows = ips.flatMap((ip) =>
    pairs.flatMap(({port, target}): FrontendRow[] => {
      const active = backends.flatMap(({ips: own}): FrontendBackend[] => {
        const address = own.find(({family}) => family === ip.family)
        if (address === undefined) return []
        return [{ip: address, port: target.port, protocol: target.protocol, node: place.node, zone: undefined}]
      })
      if (active.length === 0 || !place.families.includes(ip.family)) return []
      return [
        {
          key: frontendKey(ip, port.port, port.protocol),
          ip,
          port: port.port,
          protocol: port.protocol,
          kind: 'LocalRedirect',
          namespace,
          name,
          portName: port.name,
          backends: {active: policy.sparesBackends ? [] : active, terminating: []},
          inside: policy.sparesBackends ? {active, terminating: []} : undefined,
          affinityS: 0,
          local: false,
          insideLocal: false,
          sourceRanges: [],
          denyRanges: false,
          internalOnly: true,
          direct: false,
          sparesBackends: policy.sparesBackends,
          tableSize: 0,
          createdAt: policy.createdAt,
        },
      ]
    }),
  )
  return {rows, problems}
}

/** The service's port that a policy names. */
function named(service: ServiceRow, {name, port, protocol}: RedirectPort, problems: string[]): ServicePortRow[] {
  const found = service.ports.find(
    (one) => one.port === port && one.protocol === protocol && (name === '' || one.name === name),
  )
  if (found === undefined)
    problems.push(`service ${service.namespace}/${service.name} has no port ${name || port}/${protocol}`)
  return found === undefined ? [] : [found]
}
