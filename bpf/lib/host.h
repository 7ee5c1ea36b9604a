/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The node's own traffic under policy (host firewall): what of it no rule is asked about, and what becomes of packets
 * without a flow. Dead code unless cfg.host_firewall. docs/decisions/host-firewall.md */
#ifndef LIB_HOST_H
#define LIB_HOST_H

#include "endpoint.h"
#include "scratch.h"

#define DHCP4_SERVER 67
#define DHCP4_CLIENT 68
#define DHCP6_CLIENT 546
#define DHCP6_SERVER 547

static __always_inline bool host_address(const struct address *row)
{
	return cfg.host_firewall && row && (row->flags & ADDRESS_LOCAL_HOST);
}

/* Is this a new flow of the node's own stack, which has rules? */
static __always_inline bool host_is_judged(const struct pkt *p)
{
	return cfg.host_firewall && (p->flags & PKT_HOST);
}

/* The overlay's outer packets between nodes: what is inside is judged as a packet of its own. */
static __always_inline bool host_is_overlay(const struct pkt *p, __u32 peer_flags)
{
	return cfg.tunnel && p->key.proto == IPPROTO_UDP &&
	       p->key.dport == bpf_htons(cfg.tunnel_port) && (peer_flags & ADDRESS_REMOTE_NODE);
}

/* A client's talk with the server that gives it its address, either way. */
static __always_inline bool host_is_dhcp(const struct pkt *p)
{
	__u16 client = pkt_is_v6(p) ? DHCP6_CLIENT : DHCP4_CLIENT;
	__u16 server = pkt_is_v6(p) ? DHCP6_SERVER : DHCP4_SERVER;
	__u16 sport = bpf_ntohs(p->key.sport), dport = bpf_ntohs(p->key.dport);

	if (p->key.proto != IPPROTO_UDP)
		return false;
	return hook_is_egress(p->hook) ? sport == client && dport == server
				       : sport == server && dport == client;
}

/* What a node does not work without, whatever policy says: errors about its packets, DHCP, the overlay. Neighbour
 * discovery, multicast and broadcast do not come as far as here. */
static __always_inline bool host_is_excepted(const struct pkt *p, const struct end *peer)
{
	return (p->flags & PKT_ERROR) || host_is_dhcp(p) || host_is_overlay(p, peer->flags);
}

/* Nothing is denied to the node in this direction. */
static __always_inline bool host_is_open(const struct pkt *p)
{
	const struct endpoint *row = endpoint_at(HOST_SLOT);

	return !row || (row->flags & ENDPOINT_AUDIT) ||
	       (p->dir == DIR_EGRESS ? row->egress_set : row->ingress_set) == SET_OPEN;
}

/* What becomes of the node's own packet, of which `ret` was said: 1 where the node has no rules nothing is refused;
 * 2 what its rules allow passes also when there was no room to remember it; 3 everything else is refused. Returns
 * `ret`, or FLOW_UNTRACKED: the stack may have it. */
static __always_inline int host_outcome(const struct pkt *p, int ret)
{
	switch (-ret) {
	case DROP_CT_NO_MAP_FOUND:
	case DROP_CT_MAP_INSERTION_FAILED:
	case DROP_FLOW_TABLE_FULL:
	case DROP_TOO_MANY_UNANSWERED:
	case DROP_NO_MAPPING_FOR_NAT_MASQUERADE:
	case DROP_UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE:
		return FLOW_UNTRACKED;
	}
	return ret < 0 && host_is_open(p) ? FLOW_UNTRACKED : ret;
}

#endif
