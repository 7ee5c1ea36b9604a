/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv6 (RFC 8200): parsing with a bounded walk over extension headers, and the rewrites of its header. */
#ifndef LIB_IPV6_H
#define LIB_IPV6_H

#include "pkt.h"
#include "l4.h"
#include <linux/ipv6.h>

#define IP6_HOP_OPTIONS	 0
#define IP6_ROUTING	 43
#define IP6_FRAGMENT	 44
#define IP6_AUTH	 51
#define IP6_DEST_OPTIONS 60
#define IP6_MOBILITY	 135
#define IP6_HIP		 139
#define IP6_SHIM6	 140

/* Longer chains are refused: nothing sends them, and every node on the way would have to walk them. */
#define IP6_EXTENSIONS_MAX 8

#define IP6_FRAGMENT_MORE 0x0001

struct ipv6_extension {
	__u8 next;
	__u8 length; /* in 8 bytes beyond the first 8; AUTH: in 4 bytes beyond the first 8 */
	__be16 fragment;
	__be32 fragment_id;
};

static __always_inline bool ipv6_is_extension(__u8 next)
{
	switch (next) {
	case IP6_HOP_OPTIONS:
	case IP6_ROUTING:
	case IP6_FRAGMENT:
	case IP6_AUTH:
	case IP6_DEST_OPTIONS:
	case IP6_MOBILITY:
	case IP6_HIP:
	case IP6_SHIM6:
		return true;
	}
	return false;
}

/* Where a walk over headers stands. */
struct ipv6_chain {
	__u32 at;  /* offset of the next header */
	__u32 end; /* of the packet */
	__u32 fragment_id;
	__u8 proto; /* kind of the next header */
	bool fragment;
	bool later; /* a fragment that is not the first */
	__u8 pad;
};

/* Walks over extension headers to what follows them, or to the end of a later fragment's own. Returns 0 or a negative
 * reason. */
__separate int ipv6_walk(struct __sk_buff *ctx, struct ipv6_chain *c)
{
	struct ipv6_extension header;
	__u32 i, bytes, fragment, offset;

	if (!c)
		return -DROP_INVALID_TC_BUFFER;
		/* verifier: it refuses a loop whose end falls through to its beginning, as the compiler lays this one out → none
	 * (before kernel 6.7) */
#pragma unroll
	for (i = 0; i < IP6_EXTENSIONS_MAX; i++) {
		if (!ipv6_is_extension(c->proto))
			return 0;
		if (c->at + sizeof(header) > c->end ||
		    bpf_skb_load_bytes(ctx, c->at, &header, sizeof(header)))
			return -DROP_INVALID_IPV6_EXTENSION_HEADER;
		bytes = (header.length + 1) * 8;
		switch (c->proto) {
		case IP6_AUTH:
			bytes = (header.length + 2) * 4;
			break;
		case IP6_ROUTING:
			/* type 0 with segments left: a source route by way of strangers (RFC 5095) */
			if (!(header.fragment & bpf_htons(0xff00)) && header.fragment)
				return -DROP_INVALID_IPV6_EXTENSION_HEADER;
			break;
		case IP6_FRAGMENT:
			bytes = sizeof(header);
			fragment = bpf_ntohs(header.fragment);
			offset = fragment & ~7u;
			/* a datagram in one piece is no fragment (RFC 6946) */
			if (!offset && !(fragment & IP6_FRAGMENT_MORE))
				break;
			if (c->fragment)
				return -DROP_INVALID_IPV6_EXTENSION_HEADER;
			c->fragment = true;
			c->fragment_id = header.fragment_id;
			if (!offset)
				break;
			c->later = true;
			c->at += bytes;
			c->proto = header.next;
			return offset + c->end - c->at > 65535 ? -DROP_INVALID_PACKET : 0;
		}
		if (c->at + bytes > c->end || c->at + bytes > PKT_OFFSET_MAX)
			return -DROP_INVALID_IPV6_EXTENSION_HEADER;
		c->at += bytes;
		c->proto = header.next;
	}
	return ipv6_is_extension(c->proto) ? -DROP_INVALID_IPV6_EXTENSION_HEADER : 0;
}

/* Fills the packet from its IPv6 header at p->l3. Returns 0 or a negative reason. */
static __always_inline int ipv6_parse(struct __sk_buff *ctx, struct pkt *p)
{
	struct ipv6hdr *ip = pkt_pull(ctx, p, p->l3, sizeof(*ip));
	__u32 length, available = ctx_read(ctx, len) - p->l3;
	int ret;

	if (!ip)
		return -DROP_INVALID_PACKET;
	length = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	/* a segmented packet beyond 64 kB has no length of its own (BIG TCP) */
	if (!ip->payload_len && ctx_read(ctx, gso_size))
		length = available;
	if (ip->version != 6 || length > available)
		return -DROP_INVALID_PACKET;

	memcpy(&p->key.src, &ip->saddr, sizeof(struct addr));
	memcpy(&p->key.dst, &ip->daddr, sizeof(struct addr));
	/* an IPv4 address in disguise would pass for one */
	if (addr_is_v4(&p->key.src) || addr_is_v4(&p->key.dst))
		return -DROP_INVALID_PACKET;
	p->flags |= PKT_IPV6 | PKT_DONT_FRAGMENT;
	p->key.proto = ip->nexthdr;
	p->length = length;
	p->l4 = p->l3 + sizeof(*ip);
	p->ttl = ip->hop_limit;
	p->dsfield = (ip->priority << 4) | (ip->flow_lbl[0] >> 4);
	if (unlikely(ipv6_is_extension(ip->nexthdr))) {
		struct ipv6_chain c = {.at = p->l4, .end = p->l3 + length, .proto = ip->nexthdr};

		ret = ipv6_walk(ctx, &c);
		if (ret)
			return ret;
		p->l4 = c.at;
		p->key.proto = c.proto;
		if (c.fragment) {
			p->flags |= PKT_FRAGMENT;
			p->fragment_id = c.fragment_id;
		}
		if (c.later) {
			p->flags |= PKT_LATER_FRAGMENT;
			return 0;
		}
	}
	return l4_parse(ctx, p);
}

/* One hop: hop limit minus one. The caller has seen that it is above 1. */
static __always_inline int ipv6_hop(struct __sk_buff *ctx, struct pkt *p)
{
	struct ipv6hdr *ip = pkt_at(ctx, p, p->l3, sizeof(*ip));

	if (!ip)
		return -DROP_INVALID_PACKET;
	ip->hop_limit--;
	/* a device that has summed the whole packet must hear of it; where none has, this does nothing */
	bpf_csum_update(ctx, bpf_htons(0xfffe));
	return 0;
}

#endif
