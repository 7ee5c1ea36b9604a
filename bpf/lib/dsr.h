/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Direct server return: a node that is asked for a service hands the client's packet to the backend's node, and that
 * one answers the client from the service's address.
 *
 *     client ──► node ──────────────────────► backend's node ──► backend
 *       ▲        (flow: FLOW_DSR, one way)     │ (dsr_receive.h)    │
 *       └──────────────────────────────────────┴────────────────────┘
 *
 * Two ways to say for whom the backend answers (cfg.dsr): an option in the IP header of a packet that is translated to
 * the backend, on the first packet of a TCP connection and on all of other protocols; or the packet as it came, inside
 * another one from this node to the backend, IP in IP or Geneve. The backend's node believes only what it knows itself:
 * the service must be one of those. docs/decisions/direct-server-return.md */
#ifndef LIB_DSR_H
#define LIB_DSR_H

#include "address.h"
#include "dsr_outer.h"
#include "maps.h"
#include "scratch.h"
#include "service.h"

#define IP4_HEADER_MAX 60

/* Copied into fragments, class control, number 26. */
#define DSR_OPTION4_TYPE 0x9a

struct dsr_option4 {
	__u8 type;
	__u8 length;
	__be16 port;
	__be32 addr;
};

/* A whole destination options header. Who does not know the option skips it. */
#define DSR_OPTION6_TYPE 0x1b

struct dsr_option6 {
	__u8 next;
	__u8 length; /* in 8 bytes beyond the first 8 */
	__u8 type;
	__u8 option_length;
	struct addr addr;
	__be16 port;
	__u16 pad;
};

/* Does the flow say the client's source port to the backend's node as it is? */
static __always_inline bool dsr_keeps_port(const struct flow *forward)
{
	return (forward->flags & FLOW_SERVED) ||
	       (forward->flags & (FLOW_DSR | FLOW_WRAPPED)) == FLOW_DSR;
}

static __always_inline bool dsr_keeps_source(const struct target *target)
{
	return cfg.dsr == DSR_OPTION && (target->flags & TARGET_DSR);
}

/* What is different about the pair of entries in the scratch: at the node that was asked, and at the backend's. */
static __always_inline void dsr_open(const struct pkt *p, struct scratch *s)
{
	if (s->target.flags & TARGET_DSR) {
		s->forward.flags |= FLOW_DSR;
		if (cfg.dsr != DSR_OPTION) {
			s->forward.flags = (s->forward.flags & ~FLOW_SNAT) | FLOW_WRAPPED;
			s->reverse.flags &= ~FLOW_SNAT;
		}
		/* whatever comes from the backend by this tuple is another flow's */
		s->reverse_key.zone = FLOW_ZONE_DSR;
		s->forward.peer_zone = FLOW_ZONE_DSR;
	} else if ((p->flags & PKT_DSR) && !s->dsr.wrapped) {
		s->forward.flags |= FLOW_SERVED;
		s->reverse.flags |= FLOW_SERVED | FLOW_DNAT;
		s->forward.service = s->reverse.service = s->target.service;
		s->reverse.to_src = s->dsr.service;
		s->reverse.to_sport = s->dsr.service_port;
	}
}

/* The connection is named once, by its first packet or the first that has come by this node: routers are slow with
 * options, and large packets have no room for them. */
static __always_inline bool dsr_option_due(const struct pkt *p)
{
	return !(p->flags & (PKT_RELATED | PKT_LATER_FRAGMENT)) &&
	       (p->key.proto != IPPROTO_TCP || p->related == TRACE_NEW ||
		(p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN);
}

/* By how much the packet will grow. */
static __always_inline __u32 dsr_bytes(const struct pkt *p, const struct flow *flow)
{
	if (flow->flags & FLOW_WRAPPED)
		return dsr_outer_bytes(p);
	if (!(flow->flags & FLOW_DSR) || !dsr_option_due(p))
		return 0;
	return pkt_is_v6(p) ? sizeof(struct dsr_option6) : sizeof(struct dsr_option4);
}

/* Puts the packet into another one. */
static __always_inline int dsr_wrap(struct __sk_buff *ctx, struct pkt *p, const struct flow *flow)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO |
		      (cfg.dsr == DSR_GENEVE ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP : 0);
	__u32 bytes = dsr_outer_bytes(p);
	struct dsr_outer6 outer6 = {};
	struct dsr_outer4 outer4 = {};

	if (pkt_is_v6(p)) {
		dsr_outer6(p, flow, &outer6);
		if (bpf_skb_adjust_room(ctx, bytes, BPF_ADJ_ROOM_MAC,
					flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6) ||
		    bpf_skb_store_bytes(ctx, p->l3, &outer6, bytes, BPF_F_RECOMPUTE_CSUM))
			return -DROP_ERROR_WRITING_TO_PACKET;
		return 0;
	}
	dsr_outer4(p, flow, &outer4);
	if (bpf_skb_adjust_room(ctx, bytes, BPF_ADJ_ROOM_MAC,
				flags | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4) ||
	    bpf_skb_store_bytes(ctx, p->l3, &outer4, bytes, BPF_F_RECOMPUTE_CSUM))
		return -DROP_ERROR_WRITING_TO_PACKET;
	return 0;
}

/* Writes the service's address and port behind the fixed part of the IPv4 header. */
static __always_inline int dsr_name4(struct __sk_buff *ctx, struct pkt *p)
{
	struct dsr_option4 option = {.type = DSR_OPTION4_TYPE, .length = sizeof(option)};
	__be32 was = 0, is[3];
	__u8 *first = (void *)is;
	__s64 diff;

	option.port = p->key.dport;
	option.addr = p->key.dst.w[3];
	if (p->l4 - p->l3 + sizeof(option) > IP4_HEADER_MAX)
		return -DROP_INVALID_PACKET;
	if (bpf_skb_adjust_room(ctx, sizeof(option), BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_load_bytes(ctx, p->l3, &was, sizeof(was)))
		return -DROP_ERROR_WRITING_TO_PACKET;
	is[0] = was;
	*first += sizeof(option) / 4;
	*(__be16 *)(first + 2) = bpf_htons(p->length + sizeof(option));
	memcpy(&is[1], &option, sizeof(option));
	diff = bpf_csum_diff(&was, sizeof(was), is, sizeof(is), 0);
	if (bpf_skb_store_bytes(ctx, p->l3, is, sizeof(was), 0) ||
	    bpf_skb_store_bytes(ctx, p->l3 + sizeof(struct iphdr), &option, sizeof(option), 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	if (bpf_l3_csum_replace(ctx, p->l3 + offsetof(struct iphdr, check), 0, diff, 0))
		return -DROP_ERROR_WHILE_CORRECTING_L3_CHECKSUM;
	return 0;
}

/* The same in a destination options header, the first behind the IPv6 header. */
static __always_inline int dsr_name6(struct __sk_buff *ctx, struct pkt *p)
{
	struct dsr_option6 option = {.length = sizeof(option) / 8 - 1,
				     .type = DSR_OPTION6_TYPE,
				     .option_length = sizeof(option) - 4};
	__be16 length = bpf_htons(p->length - sizeof(struct ipv6hdr) + sizeof(option));
	__u32 next_at = p->l3 + offsetof(struct ipv6hdr, nexthdr);
	__u8 next = IP6_DEST_OPTIONS;

	if (bpf_skb_load_bytes(ctx, next_at, &option.next, 1))
		return -DROP_INVALID_PACKET;
	/* these must come first */
	if (option.next == IP6_HOP_OPTIONS)
		return -DROP_INVALID_IPV6_EXTENSION_HEADER;
	option.addr = p->key.dst;
	option.port = p->key.dport;
	if (bpf_skb_adjust_room(ctx, sizeof(option), BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_store_bytes(ctx, next_at, &next, 1, BPF_F_RECOMPUTE_CSUM) ||
	    bpf_skb_store_bytes(ctx, p->l3 + offsetof(struct ipv6hdr, payload_len), &length,
				sizeof(length), BPF_F_RECOMPUTE_CSUM) ||
	    bpf_skb_store_bytes(ctx, p->l3 + sizeof(struct ipv6hdr), &option, sizeof(option),
				BPF_F_RECOMPUTE_CSUM))
		return -DROP_ERROR_WRITING_TO_PACKET;
	return 0;
}

/* Makes the packet tell the backend's node for whom it answers. Called last before it leaves. Returns 0 or a negative
 * reason. */
__separate int dsr_send(struct __sk_buff *ctx, struct pkt *p, const struct flow *flow)
{
	if (!p || !flow)
		return -DROP_INVALID_TC_BUFFER;
	if (flow->flags & FLOW_WRAPPED)
		return dsr_wrap(ctx, p, flow);
	if (!dsr_option_due(p))
		return 0;
	return pkt_is_v6(p) ? dsr_name6(ctx, p) : dsr_name4(ctx, p);
}

/* The target of a packet that another node has handed over. What it says of the service must be true: the packet's
 * sender would otherwise choose the source of our answers. Returns 0 or a negative reason. */
__separate int dsr_target(struct pkt *p)
{
	const struct frontend *frontend;
	struct backend_search search = {};
	struct frontend_key key = {};
	struct scratch *s = scratch();
	const struct address *known;

	if (!p || !s)
		return -DROP_INVALID_TC_BUFFER;
	key.addr = s->dsr.wrapped ? p->key.dst : s->dsr.service;
	key.port = s->dsr.wrapped ? p->key.dport : s->dsr.service_port;
	key.proto = p->key.proto;
	known = address_exact(&key.addr);
	frontend = frontend_find(&key, false);
	if (!frontend && known && (known->flags & ADDRESS_NODES))
		frontend = frontend_of_nodes(&key, !pkt_is_v6(p));
	if (!frontend || !(frontend->flags & FRONTEND_DSR))
		return -DROP_NO_SERVICE_PORT;
	s->target.service = frontend->service;
	if (!s->dsr.wrapped)
		return 0;
	search.wanted = s->dsr.backend;
	backend_search(frontend, &search);
	if (!search.found)
		return -DROP_SERVICE_BACKEND_NOT_FOUND;
	s->target.addr = s->dsr.backend;
	s->target.port = search.port;
	s->target.backend = search.ref;
	s->target.flags = TARGET_SERVICE;
	return 0;
}

#endif
