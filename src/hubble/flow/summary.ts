/** The line that says what a packet is: `TCP Flags: SYN, ACK`, `ICMPv4 EchoRequest`, `UDP`. */
import type {Layer4, TCPFlags} from '../../api/gen/flow.ts'

const flagNames = ['SYN', 'ACK', 'RST', 'FIN', 'PSH', 'URG', 'ECE', 'CWR', 'NS'] as const

const icmp4: Readonly<Record<number, string>> = {
  0: 'EchoReply',
  3: 'DestinationUnreachable',
  4: 'SourceQuench',
  5: 'Redirect',
  8: 'EchoRequest',
  9: 'RouterAdvertisement',
  10: 'RouterSolicitation',
  11: 'TimeExceeded',
  12: 'ParameterProblem',
  13: 'TimestampRequest',
  14: 'TimestampReply',
}
const unreachable4: Readonly<Record<number, string>> = {
  0: 'Net',
  1: 'Host',
  2: 'Protocol',
  3: 'Port',
  4: 'FragmentationNeeded',
  9: 'NetAdminProhibited',
  10: 'HostAdminProhibited',
  13: 'CommAdminProhibited',
}
const icmp6: Readonly<Record<number, string>> = {
  1: 'DestinationUnreachable',
  2: 'PacketTooBig',
  3: 'TimeExceeded',
  4: 'ParameterProblem',
  128: 'EchoRequest',
  129: 'EchoReply',
  133: 'RouterSolicitation',
  134: 'RouterAdvertisement',
  135: 'NeighborSolicitation',
  136: 'NeighborAdvertisement',
  137: 'Redirect',
}

export function flagsText(flags: TCPFlags | undefined): string {
  return flagNames.filter((name) => flags?.[name] === true).join(', ')
}

/** Empty for a packet without a known protocol. */
export function packetSummary(l4: Layer4 | undefined): string {
  if (l4?.TCP !== undefined) return `TCP Flags: ${flagsText(l4.TCP.flags)}`
  if (l4?.UDP !== undefined) return 'UDP'
  if (l4?.SCTP !== undefined) return 'SCTP'
  if (l4?.ICMPv4 !== undefined) {
    const {type = 0, code = 0} = l4.ICMPv4
    const detail = type === 3 && unreachable4[code] !== undefined ? `(${unreachable4[code]})` : ''
    return `ICMPv4 ${icmp4[type] ?? type}${detail}`
  }
  if (l4?.ICMPv6 !== undefined) return `ICMPv6 ${icmp6[l4.ICMPv6.type ?? 0] ?? l4.ICMPv6.type}`
  if (l4?.VRRP !== undefined) return 'VRRP'
  if (l4?.IGMP !== undefined) return 'IGMP'
  return ''
}
