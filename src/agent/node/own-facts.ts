/** Puts together what this node knows of itself. Pure. */
import type {Cidr} from '../../model/cidr.ts'
import type {IpFamily} from '../../model/ip.ts'
import {fail} from '../../runtime/errors.ts'
import type {AgentConfig} from '../config.ts'
import {codes} from '../errors.ts'
import type {LocalNodeRow, NodeRow} from '../state/rows.ts'
import type {NodeFacts} from './facts.ts'

/** The families that are on. */
export function familiesOf(config: AgentConfig): {readonly ipv4: boolean; readonly ipv6: boolean} {
  return {ipv4: config['enable-ipv4'], ipv6: config['enable-ipv6']}
}

/** The facts as the API server tells them now; undefined while there is no Node. */
export function factsFrom(
  config: AgentConfig,
  node: LocalNodeRow | undefined,
  ciliumNode: NodeRow | undefined,
  healthIps: NodeFacts['healthIps'],
): NodeFacts | undefined {
  if (node === undefined) return undefined
  const ranges = config.ipam === 'kubernetes' ? node.podCidrs : (ciliumNode?.podCidrs ?? [])
  return {
    uid: node.uid,
    internalIps: node.internalIps,
    externalIps: node.externalIps,
    podCidrs: ranges.filter((cidr) => isOn(config, cidr.family)),
    healthIps,
    runtime: node.runtime,
  }
}

/** Which family lacks a pod range; undefined: none. */
export function missingRange(config: AgentConfig, podCidrs: readonly Cidr[]): IpFamily | undefined {
  return ([4, 6] as const).find((family) => isOn(config, family) && !podCidrs.some((cidr) => cidr.family === family))
}

/**
 * The family of tunnels: what the configuration says, or IPv4 where the node has it.
 *
 * @throws NODE_ADDRESS_MISSING
 */
export function underlayOf(config: AgentConfig, facts: NodeFacts): IpFamily {
  const has = (family: IpFamily) => facts.internalIps.some((ip) => ip.family === family)
  const asked = {auto: undefined, ipv4: 4, ipv6: 6}[config['underlay-protocol']] as IpFamily | undefined
  const family = asked ?? (has(4) ? 4 : 6)
  if (!has(family)) fail(codes.NODE_ADDRESS_MISSING, {node: config.nodeName, family: `ipv${family}`})
  return family
}

/** @throws NODE_POD_CIDR_OVERLAPS: an address of the node, or one that the cluster knows it by, lies in its pod range */
export function refuseOverlap(facts: NodeFacts): void {
  for (const cidr of facts.podCidrs) {
    const inside = [...facts.internalIps, ...facts.externalIps].find((ip) => cidr.contains(ip))
    if (inside !== undefined)
      fail(codes.NODE_POD_CIDR_OVERLAPS, {cidr: String(cidr), other: `address ${inside} of this node`})
  }
}

function isOn(config: AgentConfig, family: IpFamily): boolean {
  return family === 4 ? config['enable-ipv4'] : config['enable-ipv6']
}
