/** On which addresses of this node its node ports are served. Pure. */
import type {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import type {DeviceRow} from '../state/rows.ts'

/**
 * Every address of the node's devices, but those that only one link or this machine knows; with `ranges` those within.
 *
 * @param ranges value nodePort.addresses; empty: all
 */
export function nodePortIps(devices: readonly DeviceRow[], ranges: readonly Cidr[]): Ip[] {
  const ips = devices.flatMap(({addresses}) => addresses.map(({network}) => network))
  const usable = ips.filter((ip) => !ip.isLinkLocal && !ip.isLoopback && !ip.isMulticast)
  return ranges.length === 0 ? usable : usable.filter((ip) => ranges.some((range) => range.contains(ip)))
}
