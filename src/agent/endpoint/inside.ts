/** What a pod's interface looks like from inside. For use in inNetns. */
import {listAddresses} from '../../kernel/netlink/address.ts'
import {findLink} from '../../kernel/netlink/link.ts'
import {NetlinkSocket} from '../../kernel/netlink/socket.ts'

/** The addresses of an interface of the namespace where the calling thread is; undefined when there is none. */
export function addressesInside(ifname: string): string[] | undefined {
  using socket = new NetlinkSocket()
  const link = findLink(socket, ifname)
  return link === undefined ? undefined : listAddresses(socket, link.ifindex).map(({ip}) => ip.toString())
}
