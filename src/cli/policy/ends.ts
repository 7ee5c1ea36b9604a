/** The ends of a connection as people write them: pods, nodes, services, addresses, and a port at the end. */
import {Ip} from '../../model/ip.ts'
import {parsePort, parseProtocol, protocolNumbers} from '../../model/port.ts'
import {type Member, outsideMember} from '../../policy/cluster-model.ts'
import {fail} from '../../runtime/errors.ts'
import type {ClusterObjects} from './cluster-objects.ts'
import {POLICY_END_INVALID, POLICY_END_UNKNOWN, POLICY_PORT_INVALID} from './errors.ts'

/** Somebody at an address; a service's port may be another at each of its backends. */
export interface End {
  readonly member: Member
  readonly ip: Ip | undefined
  /** undefined: what was asked for */
  readonly port?: number
}

export interface AskedPort {
  readonly protocol: number
  /** ICMP: the type */
  readonly port: number
}

/** Reads `80`, `80/TCP`, `8/ICMP`. @throws POLICY_PORT_INVALID */
export function parseAskedPort(text: string): AskedPort {
  const [number = '', name = 'TCP', ...more] = text.split('/')
  const protocol = parseProtocol(name)
  if (protocol === undefined || protocol === 'any' || more.length > 0) return fail(POLICY_PORT_INVALID, {text})
  const icmp = protocol === 'icmp' || protocol === 'icmpv6'
  const port = parsePort(number, {zero: icmp})
  if (port === undefined || (icmp && port > 255)) return fail(POLICY_PORT_INVALID, {text})
  return {protocol: protocolNumbers[protocol], port}
}

/** Splits `default/web:80/TCP` or `[fd00::1]:80` into end and port. @throws POLICY_PORT_INVALID */
export function splitPort(text: string): readonly [end: string, port: AskedPort] {
  const bracketed = /^\[([^\]]+)\]:(.+)$/.exec(text)
  const [, end, port] = bracketed ?? /^(.+):([^:]+)$/.exec(text) ?? []
  if (end === undefined || port === undefined) return fail(POLICY_PORT_INVALID, {text})
  return [end, parseAskedPort(port)]
}

/**
 * Everybody whom this text means, an end for each address family.
 *
 * @throws POLICY_END_INVALID, POLICY_END_UNKNOWN
 */
export function findEnds(text: string, cluster: ClusterObjects, members: readonly Member[], asked?: AskedPort): End[] {
  const ip = Ip.parse(text.replace(/^\[|\]$/g, ''))
  if (ip !== undefined) {
    const owner = members.find(({ips}) => ips.some((one) => one.equals(ip)))
    return [{member: owner ?? outsideMember(String(ip), [ip]), ip}]
  }
  const parts = text.split('/')
  if (parts.some((part) => part === '') || parts.length > 3) return fail(POLICY_END_INVALID, {text})
  if (parts[0] === 'svc' || parts[0] === 'service') return serviceEnds(parts.slice(1), text, cluster, members, asked)
  if (parts.length === 3) return fail(POLICY_END_INVALID, {text})
  const found = members.filter(({key, kind}) =>
    parts.length === 2 ? key === text : kind === 'pod' && key.endsWith(`/${text}`),
  )
  if (found.length === 0) {
    return fail(POLICY_END_UNKNOWN, {kind: parts[0] === 'node' ? 'node' : 'pod', name: text})
  }
  return found.flatMap(endsOf)
}

function serviceEnds(
  parts: readonly string[],
  text: string,
  {services, slices}: ClusterObjects,
  members: readonly Member[],
  asked: AskedPort | undefined,
): End[] {
  const [namespace, name] = parts.length === 1 ? ['default', parts[0]] : parts
  const service = services.find(({metadata}) => metadata.namespace === namespace && metadata.name === name)
  if (service === undefined) return fail(POLICY_END_UNKNOWN, {kind: 'service', name: `${namespace}/${name}`})
  const port = service.spec?.ports?.find(
    (one) => asked === undefined || (one.port === asked.port && numberOf(one.protocol) === asked.protocol),
  )
  if (asked !== undefined && port === undefined) return fail(POLICY_PORT_INVALID, {text: `${text}:${asked.port}`})
  const own = slices.filter(
    ({metadata}) => metadata.namespace === namespace && metadata.labels?.['kubernetes.io/service-name'] === name,
  )
  return own.flatMap(({endpoints, ports}) => {
    const backend = ports?.find((one) => (one.name ?? '') === (port?.name ?? ''))?.port
    return (endpoints ?? []).flatMap(({addresses}) =>
      addresses.flatMap((address): End[] => {
        const ip = Ip.parse(address)
        if (ip === undefined) return []
        const member = members.find(({ips}) => ips.some((one) => one.equals(ip))) ?? outsideMember(address, [ip])
        return [{member, ip, ...(backend == null ? {} : {port: backend})}]
      }),
    )
  })
}

function numberOf(protocol: string | undefined): number | undefined {
  const name = parseProtocol(protocol ?? 'TCP')
  return name === undefined ? undefined : protocolNumbers[name]
}

function endsOf(member: Member): End[] {
  return member.ips.length === 0 ? [{member, ip: undefined}] : member.ips.map((ip) => ({member, ip}))
}
