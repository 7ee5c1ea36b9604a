/** What a lab's wires lack of a network card, for programs in the driver. */
import {exit, loadProgram, set} from '../../../src/kernel/bpf/instructions.ts'
import {closeFd} from '../../../src/kernel/libc.ts'
import {findLink, linkSet} from '../../../src/kernel/netlink/link.ts'
import {NetlinkSocket} from '../../../src/kernel/netlink/socket.ts'
import {inNetns} from '../../../src/kernel/netns.ts'
import {netnsPath} from '../../../src/lab/network.ts'
import {readPlan} from '../../../src/lab/state.ts'
import type {Cluster} from './cluster.ts'

const XDP_PASS = 2

/**
 * Lets the nodes' programs send from the driver. A veth takes a frame from its peer's driver only while it has a program
 * itself; and a frame that is sent that way must have its checksum, which between two veths nobody makes. Costs the nodes
 * their segmentation offload, so it is not a lab's default.
 */
export async function takeDriverFrames(cluster: Cluster, nodes: readonly string[]): Promise<void> {
  const ports = nodes.map((_, i) => `port${i + 1}`)
  for (const node of nodes) await cluster.at(node, 'ethtool', '-K', 'eth0', 'tx', 'off')
  const pass = loadProgram('xdp', [set(0, XDP_PASS), exit])
  try {
    inNetns(netnsPath(readPlan(cluster.name), 'fabric'), () => {
      using socket = new NetlinkSocket()
      for (const port of ports) {
        const link = findLink(socket, port)
        if (link === undefined) throw new Error(`the lab has no ${port}`)
        socket.run(linkSet(link.ifindex, {xdp: pass}))
      }
    })
  } finally {
    closeFd(pass)
  }
}

/** Frames that a node's eth0 has sent from its driver since it was made. */
export async function driverFrames(cluster: Cluster, node: string): Promise<number> {
  const text = await cluster.at(node, 'ethtool', '-S', 'eth0')
  return [...text.matchAll(/rx_queue_\d+_xdp_tx: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0)
}
