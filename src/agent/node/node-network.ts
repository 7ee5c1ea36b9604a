/** What of the network of this node is ours besides programs: devices, their addresses, the settings of the kernel. */
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import type {Ip, IpFamily} from '../../model/ip.ts'
import type {AgentConfig} from '../config.ts'
import type {PodNetwork} from '../endpoint/connections.ts'
import {defragAddresses} from './datapath-config.ts'
import {type DeviceChoice, lookAtDevices} from './device-watch.ts'
import type {NodeFacts} from './facts.ts'
import {reassemble} from './open-datapath.ts'
import {ensureOwnDevices, type OwnDevices, setDefragNeighbours, setRouterAddresses} from './own-devices.ts'
import {familiesOf, underlayOf} from './own-facts.ts'
import {tunnelOverhead} from './route-rows.ts'
import {prepareRouting, type Sysctl} from './sysctl.ts'

export interface NodeNetwork extends PodNetwork {
  readonly tunnel: boolean
  /** which address of a node tunnels go to */
  readonly underlay: IpFamily
  readonly own: OwnDevices
  /** the kernel reassembles datagrams for us */
  readonly defrag: boolean
  /** where datagrams go to be reassembled */
  readonly defragIps: readonly Ip[]
}

/** Makes what is missing and mends what is not as it should be; what is there already goes on carrying packets. */
export function layNetwork(options: {
  readonly config: AgentConfig
  readonly socket: NetlinkSocket
  readonly sysctl: Sysctl
  readonly choice: DeviceChoice
  readonly facts: NodeFacts
  readonly routerIps: readonly Ip[]
}): NodeNetwork {
  const {config, socket, sysctl, facts, routerIps} = options
  const families = familiesOf(config)
  const tunnel = config['routing-mode'] === 'tunnel'
  const underlay = underlayOf(config, facts)
  const {devices} = lookAtDevices(socket, options.choice, facts.internalIps)
  prepareRouting(sysctl, {...families, devices: devices.map(({name}) => name)})
  const mtu = config.mtu || Math.min(...devices.map((device) => device.mtu), 65_535)
  const routeMtu = tunnel ? mtu - tunnelOverhead(underlay) : mtu
  const tunnelPort = tunnel ? config['tunnel-port'] || 8472 : undefined
  const own = ensureOwnDevices(socket, sysctl, {...families, mtu, tunnelPort})
  setRouterAddresses(socket, own.host, routerIps)
  const defragIps = [...(families.ipv4 ? [defragAddresses.v4] : []), ...(families.ipv6 ? [defragAddresses.v6] : [])]
  setDefragNeighbours(socket, own.host, defragIps)
  const defrag = reassemble(config['bpf-root'])
  return {...families, routerIps, mtu, routeMtu, tunnel, underlay, own, defrag, defragIps}
}
