/** Nodes as the API shows them. Pure. */
import type {NodeAddressing, NodeAddressingElement, NodeElement} from '../../api/models.ts'
import type {Cidr} from '../../model/cidr.ts'
import type {Ip} from '../../model/ip.ts'
import type {NodeRow} from '../state/rows.ts'

export function nodeModel(row: NodeRow, cluster: string): NodeElement {
  return {
    name: `${cluster}/${row.name}`,
    'primary-address': addressing(row.internalIps, row.podCidrs),
    'secondary-addresses': [
      ...secondary(
        row.internalIps.filter((ip) => !isPrimary(ip, row.internalIps)),
        'InternalIP',
      ),
      ...secondary(row.externalIps, 'ExternalIP'),
      ...secondary(row.routerIps, 'CiliumInternalIP'),
    ],
    'health-endpoint-address': addressing(row.healthIps, []),
    source: row.local ? 'local' : 'custom-resource',
  }
}

/** The first address of each family, with the node's pod range of that family. */
export function addressing(ips: readonly Ip[], ranges: readonly Cidr[]): NodeAddressing {
  const element = (family: 4 | 6): NodeAddressingElement => {
    const ip = ips.find((one) => one.family === family)
    const range = ranges.find((cidr) => cidr.family === family)
    return {
      enabled: ip !== undefined,
      ...(ip ? {ip: String(ip)} : {}),
      ...(range ? {'alloc-range': String(range)} : {}),
    }
  }
  return {ipv4: element(4), ipv6: element(6)}
}

function isPrimary(ip: Ip, all: readonly Ip[]): boolean {
  return all.find((one) => one.family === ip.family) === ip
}

function secondary(ips: readonly Ip[], type: string): NodeAddressingElement[] {
  return ips.map((ip) => ({enabled: true, ip: String(ip), 'address-type': type}))
}
