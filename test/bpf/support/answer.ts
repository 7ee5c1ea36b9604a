/** The packet that the receiver of another would send back. */

import {icmp, type Packet, tcp, udp} from './packet.ts'
import {type ParsedPacket, parsePacket} from './parse.ts'

/**
 * Swaps the ends: answer(request.packet).synAck(), answer(query).data('reply'), answer(ping) (an echo reply).
 *
 * @param received with its Ethernet header
 * @throws TypeError for packets that nobody answers (fragments, unknown protocols)
 */
export function answer(received: Uint8Array | Packet): Packet {
  const bytes = received instanceof Uint8Array ? received : received.bytes
  const packet = parsePacket(bytes)
  return reversed(packet).mac(packet.macDestination, packet.macSource)
}

function reversed(packet: ParsedPacket): Packet {
  const {transport} = packet
  if (transport?.tcp) {
    const length = packet.payload.length + (/[SF]/.test(transport.tcp.flags) ? 1 : 0)
    return tcp(packet.dst, packet.src).seq(transport.tcp.ack || 5000, (transport.tcp.seq + length) >>> 0)
  }
  if (transport?.icmp) {
    const [id, sequence] = [word(transport.icmp.rest, 0), word(transport.icmp.rest, 2)]
    return icmp(packet.dst, packet.src).echoReply(id, sequence).data(packet.payload.slice())
  }
  if (packet.protocol === 'udp' && transport) return udp(packet.dst, packet.src)
  throw new TypeError(`nobody answers a packet of protocol ${packet.protocol}`)
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}
