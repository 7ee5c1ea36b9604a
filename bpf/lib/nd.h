/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Neighbour discovery (RFC 4861) with pods: the gateway's address is answered from here, what concerns the link
 * between pod and node goes to the stack, and what could mislead the node is forbidden. */
#ifndef LIB_ND_H
#define LIB_ND_H

#include "address.h"
#include "csum.h"
#include "endpoint.h"
#include "eth.h"

#define ND_SOURCE_MAC		     1
#define ND_TARGET_MAC		     2
#define ND_HOP_LIMIT		     255
#define ND_ROUTER_SOLICITED_OVERRIDE 0xe0000000

struct nd_message {
	struct icmp_header icmp;
	struct addr target;
};

struct nd_option {
	__u8 type;
	__u8 length; /* in 8 bytes */
	__u8 mac[6];
};

struct nd_advert {
	struct ipv6hdr ip;
	struct nd_message message;
	struct nd_option option;
};

static __always_inline bool nd_is_link_message(const struct pkt *p)
{
	__u8 type = p->tcp_flags;

	return pkt_is_v6(p) && p->key.proto == IPPROTO_ICMP6 && !(p->flags & PKT_LATER_FRAGMENT) &&
	       ((type >= ICMP6_MLD_QUERY && type <= ICMP6_REDIRECT) || type == ICMP6_MLD2_REPORT);
}

struct nd_answer {
	struct mac to;
	struct mac own;
	__u32 flags;
};

/* Turns the question of p->key.src for p->key.dst into the advertisement. Returns 0 or a negative reason. */
static __always_inline int nd_advertise(struct __sk_buff *ctx, struct pkt *p,
					const struct nd_answer *answer)
{
	struct nd_advert a = {};
	struct eth_header *eth;
	__be32 pseudo[2] = {bpf_htonl(sizeof(a) - sizeof(a.ip)), bpf_htonl(IPPROTO_ICMP6)};
	__s64 sum;

	a.ip.version = 6;
	a.ip.payload_len = bpf_htons(sizeof(a) - sizeof(a.ip));
	a.ip.nexthdr = IPPROTO_ICMP6;
	a.ip.hop_limit = ND_HOP_LIMIT;
	memcpy(&a.ip.saddr, &p->key.dst, 16);
	memcpy(&a.ip.daddr, &p->key.src, 16);
	a.message.icmp.type = ICMP6_NEIGHBOUR_ADVERT;
	a.message.icmp.id = bpf_htons(answer->flags >> 16);
	memcpy(&a.message.target, &p->key.dst, 16);
	a.option.type = ND_TARGET_MAC;
	a.option.length = 1;
	mac_copy(a.option.mac, answer->own.b);
	sum = bpf_csum_diff(NULL, 0, (void *)&a.ip.saddr, 32, 0);
	sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), sum);
	sum = bpf_csum_diff(NULL, 0, (void *)&a.message, sizeof(a) - sizeof(a.ip), sum);
	a.message.icmp.checksum = ~csum_fold(sum);

	if (ctx_read(ctx, len) != ETH_HLEN + sizeof(a) &&
	    bpf_skb_change_tail(ctx, ETH_HLEN + sizeof(a), 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	if (bpf_skb_store_bytes(ctx, ETH_HLEN, &a, sizeof(a), 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	eth = pkt_at(ctx, p, 0, sizeof(*eth));
	if (!eth)
		return -DROP_INVALID_PACKET;
	mac_copy(eth->dst, answer->to.b);
	mac_copy(eth->src, answer->own.b);
	return 0;
}

/* The gateway's. */
static __always_inline int nd_advertise_gateway(struct __sk_buff *ctx, struct pkt *p,
						const struct endpoint *row)
{
	struct nd_answer answer = {
		.to = row->mac,
		.own = row->node_mac,
		.flags = ND_ROUTER_SOLICITED_OVERRIDE,
	};
	int ret = nd_advertise(ctx, p, &answer);

	p->point = TRACE_TO_ENDPOINT;
	p->action = TEST_PEER;
	p->out = ctx_read(ctx, ifindex);
	return ret;
}

static __always_inline int nd_to_stack(struct pkt *p)
{
	p->point = TRACE_TO_STACK;
	p->action = TEST_PASS;
	return 0;
}

/* Does the message's first option, if it is a link-layer address, name the pod's own? */
static __always_inline bool nd_option_is_own(struct __sk_buff *ctx, struct pkt *p,
					     const struct endpoint *row)
{
	struct nd_option option;
	__u32 at = p->l4 + sizeof(struct nd_message), end = p->l3 + p->length;

	if (at + sizeof(option) > end || bpf_skb_load_bytes(ctx, at, &option, sizeof(option)))
		return true;
	return (option.type != ND_SOURCE_MAC && option.type != ND_TARGET_MAC) ||
	       mac_equal(option.mac, &row->mac);
}

/* A pod's message to its link. Returns 0 with p->action set, or a negative reason. */
__separate int nd_from_pod(struct __sk_buff *ctx, struct pkt *p, bool check)
{
	const struct endpoint *row = endpoint_of_device(ctx_read(ctx, ifindex));
	struct addr gateway = addr_load(&cfg.host_v6);
	bool own, local, none;
	struct addr target;
	__u8 type;

	if (!p || !row)
		return -DROP_INVALID_TC_BUFFER;
	own = addr_equal(&p->key.src, &row->v6) && !addr_is_zero(&row->v6);
	local = address_is_link_local6(&p->key.src);
	none = addr_is_zero(&p->key.src);
	type = p->tcp_flags;
	if (check && !own && !local && !none)
		return -DROP_INVALID_SOURCE_IP;
	switch (type) {
	case ICMP6_MLD_QUERY:
	case ICMP6_ROUTER_ADVERT:
	case ICMP6_REDIRECT:
		return -DROP_FORBIDDEN_ICMPV6_MESSAGE;
	case ICMP6_NEIGHBOUR_SOLICIT:
	case ICMP6_NEIGHBOUR_ADVERT:
		break;
	default:
		/* joins, leaves, and the search for a router that need not answer */
		return nd_to_stack(p);
	}
	if (p->ttl != ND_HOP_LIMIT || p->l4 != p->l3 + sizeof(struct ipv6hdr) ||
	    p->length < sizeof(struct ipv6hdr) + sizeof(struct nd_message) ||
	    (p->flags & PKT_FRAGMENT) ||
	    bpf_skb_load_bytes(ctx, p->l4 + sizeof(struct icmp_header), &target, sizeof(target)))
		return -DROP_FORBIDDEN_ICMPV6_MESSAGE;
	if (check && !nd_option_is_own(ctx, p, row))
		return -DROP_INVALID_SOURCE_MAC;
	if (type == ICMP6_NEIGHBOUR_ADVERT) {
		if (check && !addr_equal(&target, &row->v6) && !address_is_link_local6(&target))
			return -DROP_INVALID_SOURCE_IP;
		return nd_to_stack(p);
	}
	p->key.dst = target;
	/* it asks whether anybody has its own address, or for the node's address on the link */
	if (none || address_is_link_local6(&target))
		return nd_to_stack(p);
	if (!addr_equal(&target, &gateway))
		return -DROP_UNKNOWN_L3_TARGET_ADDRESS;
	return nd_advertise_gateway(ctx, p, row);
}

#endif
