/**
 * Reason codes of drops and of counted events, one list for the command line, metrics, the flow API and the datapath.
 * Numbers and texts are those that users of Cilium know; from 208 on they are ours. bpf/abi/reason.h carries the same
 * numbers; a test compares the two.
 */

export interface DropReason {
  /** byte-sized code in events and counters */
  readonly code: number
  /** name in bpf/abi/reason.h, without its DROP_ prefix */
  readonly name: string
  /** what people read, also the `reason` label of metrics */
  readonly text: string
  /** member of the flow API's DropReason enum, whose number is the code; absent where the API has none */
  readonly proto: string | undefined
}

const table: readonly (readonly [number, string, string, string | undefined])[] = [
  [130, 'INVALID_SOURCE_MAC', 'Invalid source mac', 'INVALID_SOURCE_MAC'],
  [131, 'INVALID_DESTINATION_MAC', 'Invalid destination mac', 'INVALID_DESTINATION_MAC'],
  [132, 'INVALID_SOURCE_IP', 'Invalid source ip', 'INVALID_SOURCE_IP'],
  [133, 'POLICY_DENIED', 'Policy denied', 'POLICY_DENIED'],
  [134, 'INVALID_PACKET', 'Invalid packet', 'INVALID_PACKET_DROPPED'],
  [135, 'CT_TRUNCATED_OR_INVALID_HEADER', 'CT: Truncated or invalid header', 'CT_TRUNCATED_OR_INVALID_HEADER'],
  [136, 'FRAGMENTATION_NEEDED', 'Fragmentation needed', 'CT_MISSING_TCP_ACK_FLAG'],
  [137, 'CT_UNKNOWN_L4_PROTOCOL', 'CT: Unknown L4 protocol', 'CT_UNKNOWN_L4_PROTOCOL'],
  [
    138,
    'CT_CANNOT_CREATE_ENTRY_FROM_PACKET',
    "CT: Can't create entry from packet",
    'CT_CANNOT_CREATE_ENTRY_FROM_PACKET',
  ],
  [139, 'UNSUPPORTED_L3_PROTOCOL', 'Unsupported L3 protocol', 'UNSUPPORTED_L3_PROTOCOL'],
  [140, 'MISSED_TAIL_CALL', 'Missed tail call', 'MISSED_TAIL_CALL'],
  [141, 'ERROR_WRITING_TO_PACKET', 'Error writing to packet', 'ERROR_WRITING_TO_PACKET'],
  [142, 'UNKNOWN_L4_PROTOCOL', 'Unknown L4 protocol', 'UNKNOWN_L4_PROTOCOL'],
  [143, 'UNKNOWN_ICMPV4_CODE', 'Unknown ICMPv4 code', 'UNKNOWN_ICMPV4_CODE'],
  [144, 'UNKNOWN_ICMPV4_TYPE', 'Unknown ICMPv4 type', 'UNKNOWN_ICMPV4_TYPE'],
  [145, 'UNKNOWN_ICMPV6_CODE', 'Unknown ICMPv6 code', 'UNKNOWN_ICMPV6_CODE'],
  [146, 'UNKNOWN_ICMPV6_TYPE', 'Unknown ICMPv6 type', 'UNKNOWN_ICMPV6_TYPE'],
  [147, 'ERROR_RETRIEVING_TUNNEL_KEY', 'Error retrieving tunnel key', 'ERROR_RETRIEVING_TUNNEL_KEY'],
  [148, 'ERROR_RETRIEVING_TUNNEL_OPTIONS', 'Error retrieving tunnel options', 'ERROR_RETRIEVING_TUNNEL_OPTIONS'],
  [149, 'INVALID_GENEVE_OPTION', 'Invalid Geneve option', 'INVALID_GENEVE_OPTION'],
  [150, 'UNKNOWN_L3_TARGET_ADDRESS', 'Unknown L3 target address', 'UNKNOWN_L3_TARGET_ADDRESS'],
  [151, 'STALE_OR_UNROUTABLE_IP', 'Stale or unroutable IP', 'STALE_OR_UNROUTABLE_IP'],
  [152, 'NO_MATCHING_LOCAL_CONTAINER_FOUND', 'No matching local container found', 'NO_MATCHING_LOCAL_CONTAINER_FOUND'],
  [
    153,
    'ERROR_WHILE_CORRECTING_L3_CHECKSUM',
    'Error while correcting L3 checksum',
    'ERROR_WHILE_CORRECTING_L3_CHECKSUM',
  ],
  [
    154,
    'ERROR_WHILE_CORRECTING_L4_CHECKSUM',
    'Error while correcting L4 checksum',
    'ERROR_WHILE_CORRECTING_L4_CHECKSUM',
  ],
  [155, 'CT_MAP_INSERTION_FAILED', 'CT: Map insertion failed', 'CT_MAP_INSERTION_FAILED'],
  [156, 'INVALID_IPV6_EXTENSION_HEADER', 'Invalid IPv6 extension header', 'INVALID_IPV6_EXTENSION_HEADER'],
  [157, 'IP_FRAGMENTATION_NOT_SUPPORTED', 'IP fragmentation not supported', 'IP_FRAGMENTATION_NOT_SUPPORTED'],
  [158, 'SERVICE_BACKEND_NOT_FOUND', 'Service backend not found', 'SERVICE_BACKEND_NOT_FOUND'],
  [
    160,
    'NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT',
    'No tunnel/encapsulation endpoint (datapath BUG!)',
    'NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT',
  ],
  [161, 'NAT46X64_DISABLED', 'NAT 46/64 not enabled', 'FAILED_TO_INSERT_INTO_PROXYMAP'],
  [
    162,
    'REACHED_EDT_RATE_LIMITING_DROP_HORIZON',
    'Reached EDT rate-limiting drop horizon',
    'REACHED_EDT_RATE_LIMITING_DROP_HORIZON',
  ],
  [163, 'UNKNOWN_CONNECTION_TRACKING_STATE', 'Unknown connection tracking state', 'UNKNOWN_CONNECTION_TRACKING_STATE'],
  [164, 'LOCAL_HOST_IS_UNREACHABLE', 'Local host is unreachable', 'LOCAL_HOST_IS_UNREACHABLE'],
  [
    165,
    'NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION',
    'No configuration available to perform policy decision',
    'NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION',
  ],
  [166, 'UNSUPPORTED_L2_PROTOCOL', 'Unsupported L2 protocol', 'UNSUPPORTED_L2_PROTOCOL'],
  [167, 'NO_MAPPING_FOR_NAT_MASQUERADE', 'No mapping for NAT masquerade', 'NO_MAPPING_FOR_NAT_MASQUERADE'],
  [
    168,
    'UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE',
    'Unsupported protocol for NAT masquerade',
    'UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE',
  ],
  [169, 'FIB_LOOKUP_FAILED', 'FIB lookup failed', 'FIB_LOOKUP_FAILED'],
  [
    170,
    'ENCAPSULATION_TRAFFIC_IS_PROHIBITED',
    'Encapsulation traffic is prohibited',
    'ENCAPSULATION_TRAFFIC_IS_PROHIBITED',
  ],
  [171, 'INVALID_IDENTITY', 'Invalid identity', 'INVALID_IDENTITY'],
  [172, 'UNKNOWN_SENDER', 'Unknown sender', 'UNKNOWN_SENDER'],
  [173, 'NAT_NOT_NEEDED', 'NAT not needed', 'NAT_NOT_NEEDED'],
  [174, 'IS_A_CLUSTERIP', 'Is a ClusterIP', 'IS_A_CLUSTERIP'],
  [
    175,
    'FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND',
    'First logical datagram fragment not found',
    'FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND',
  ],
  [176, 'FORBIDDEN_ICMPV6_MESSAGE', 'Forbidden ICMPv6 message', 'FORBIDDEN_ICMPV6_MESSAGE'],
  [177, 'DENIED_BY_LB_SRC_RANGE_CHECK', 'Denied by LB src range check', 'DENIED_BY_LB_SRC_RANGE_CHECK'],
  [178, 'SOCKET_LOOKUP_FAILED', 'Socket lookup failed', 'SOCKET_LOOKUP_FAILED'],
  [179, 'SOCKET_ASSIGN_FAILED', 'Socket assign failed', 'SOCKET_ASSIGN_FAILED'],
  [
    180,
    'PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL',
    'Proxy redirection not supported for protocol',
    'PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL',
  ],
  [181, 'POLICY_DENY', 'Policy denied by denylist', 'POLICY_DENY'],
  [182, 'VLAN_FILTERED', 'VLAN traffic disallowed by VLAN filter', 'VLAN_FILTERED'],
  [183, 'INVALID_VNI', 'Incorrect VNI from VTEP', 'INVALID_VNI'],
  [184, 'INVALID_TC_BUFFER', 'Failed to update or lookup TC buffer', 'INVALID_TC_BUFFER'],
  [185, 'NO_SID', 'No SID was found for the IP address', 'NO_SID'],
  [186, 'MISSING_SRV6_STATE', 'SRv6 state was removed during tail call', 'MISSING_SRV6_STATE'],
  [187, 'NAT46', 'L3 translation from IPv4 to IPv6 failed (NAT46)', 'NAT46'],
  [188, 'NAT64', 'L3 translation from IPv6 to IPv4 failed (NAT64)', 'NAT64'],
  [189, 'AUTH_REQUIRED', 'Authentication required', 'AUTH_REQUIRED'],
  [190, 'CT_NO_MAP_FOUND', 'No conntrack map found', 'CT_NO_MAP_FOUND'],
  [191, 'SNAT_NO_MAP_FOUND', 'No nat map found', 'SNAT_NO_MAP_FOUND'],
  [192, 'INVALID_CLUSTER_ID', 'Invalid ClusterID', 'INVALID_CLUSTER_ID'],
  [
    193,
    'UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP',
    'Unsupported packet protocol for DSR encapsulation',
    'UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP',
  ],
  [194, 'NO_EGRESS_GATEWAY', 'No egress gateway found', 'NO_EGRESS_GATEWAY'],
  [195, 'UNENCRYPTED_TRAFFIC', 'Traffic is unencrypted', 'UNENCRYPTED_TRAFFIC'],
  [196, 'TTL_EXCEEDED', 'TTL exceeded', 'TTL_EXCEEDED'],
  [197, 'NO_NODE_ID', 'No node ID found', 'NO_NODE_ID'],
  [198, 'RATE_LIMITED', 'Rate limited', 'DROP_RATE_LIMITED'],
  [199, 'IGMP_HANDLED', 'IGMP handled', 'IGMP_HANDLED'],
  [200, 'IGMP_SUBSCRIBED', 'IGMP subscribed', 'IGMP_SUBSCRIBED'],
  [201, 'MULTICAST_HANDLED', 'Multicast handled', 'MULTICAST_HANDLED'],
  [202, 'HOST_NOT_READY', 'Host datapath not ready', 'DROP_HOST_NOT_READY'],
  [203, 'EP_NOT_READY', 'Endpoint policy program not available', 'DROP_EP_NOT_READY'],
  [204, 'NO_EGRESS_IP', 'No Egress IP configured', 'DROP_NO_EGRESS_IP'],
  [205, 'PUNT_PROXY', 'Punt to proxy', 'DROP_PUNT_PROXY'],
  [206, 'NO_DEVICE', 'No device', undefined],
  [207, 'FRAG_NOT_FOUND_WORLD', 'First logical datagram fragment not found from world', 'DROP_FRAG_NOT_FOUND_WORLD'],
  [208, 'FLOW_TABLE_FULL', 'Flow table full', undefined],
  [209, 'TOO_MANY_UNANSWERED', 'Too many unanswered flows', undefined],
  [210, 'STALE_ENDPOINT', 'Stale endpoint', undefined],
  [211, 'UNKNOWN_ADDRESS', 'Unknown address', undefined],
  [212, 'NO_MASQUERADE_ADDRESS', 'No masquerade address', undefined],
  [213, 'NO_SERVICE_PORT', 'No such port or protocol on the service address', undefined],
  [214, 'NO_LOCAL_BACKEND', 'No backend of the service on this node', undefined],
  [215, 'NO_SOCKET_ROOM', 'Socket speaks to more services than it can remember', undefined],
]

/** All drop reasons, by code. */
export const dropReasons: readonly DropReason[] = table.map(([code, name, text, proto]) => ({code, name, text, proto}))

/** Codes below 130 are not drops: they label other counters. */
export const countReasons: ReadonlyMap<number, string> = new Map([
  [1, 'drop'],
  [2, 'debug'],
  [3, 'capture'],
  [4, 'trace'],
  [5, 'policy-verdict'],
  [7, 'trace-sock'],
  [129, 'l7'],
  [0, 'Success'],
  [2, 'Invalid packet'],
  [3, 'Interface'],
  [4, 'Interface Decrypted'],
  [5, 'LB, sock cgroup: No backend slot entry found'],
  [6, 'LB, sock cgroup: No backend entry found'],
  [7, 'LB, sock cgroup: Reverse entry update failed'],
  [8, 'LB, sock cgroup: Reverse entry stale'],
  [9, 'Fragmented packet'],
  [10, 'Fragmented packet entry update failed'],
  [11, 'Missed tail call to custom program'],
  [12, 'Interface Decrypting'],
  [13, 'Interface Encrypting'],
  [14, 'LB: sock cgroup: Reverse entry delete succeeded'],
  [15, 'MTU error message'],
])

const byCode = new Map(dropReasons.map((reason) => [reason.code, reason]))

/** The codes by name: `dropCodes.POLICY_DENIED` is 133. */
export const dropCodes: Readonly<Record<string, number>> = Object.fromEntries(table.map(([code, name]) => [name, code]))

export function isDrop(code: number): boolean {
  return code >= 130
}

export function dropReason(code: number): DropReason | undefined {
  return byCode.get(code)
}

/**
 * The text of any reason code. A non-zero extended error (a signed byte, mostly a negative errno) is appended.
 * An unknown code is shown as its number.
 */
export function reasonText(code: number, extendedError = 0): string {
  const text = byCode.get(code)?.text ?? countReasons.get(code) ?? String(code)
  return extendedError === 0 ? text : `${text}, ${extendedError}`
}

/** The flow API's name of a drop code: DROP_REASON_UNKNOWN where it has none. */
export function dropReasonProto(code: number): string {
  return byCode.get(code)?.proto ?? 'DROP_REASON_UNKNOWN'
}

/** Finds a drop reason by number, text, name or flow API name, in any case: what users type into filters. */
export function findDropReason(query: string): DropReason | undefined {
  const wanted = query.toLowerCase()
  return dropReasons.find(
    ({code, name, text, proto}) =>
      String(code) === wanted ||
      text.toLowerCase() === wanted ||
      name.toLowerCase() === wanted ||
      proto?.toLowerCase() === wanted,
  )
}
