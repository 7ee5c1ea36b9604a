/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv4 (RFC 791): parsing and the rewrites of its header. */
#ifndef LIB_IPV4_H
#define LIB_IPV4_H

#include "pkt.h"
#include "l4.h"
#include <linux/ip.h>

#define IP4_DF	     0x4000
#define IP4_MF	     0x2000
#define IP4_OFFSET   0x1fff
#define IP_BYTES_MAX 65535

/* Fills the packet from its IPv4 header at p->l3. Returns 0 or a negative reason; the ports of a fragment that is not
 * the first are left 0. */
static __always_inline int ipv4_parse(struct __sk_buff *ctx, struct pkt *p)
{
	struct iphdr *ip = pkt_pull(ctx, p, p->l3, sizeof(*ip));
	__u32 header, length, offset, available = ctx_read(ctx, len) - p->l3;

	if (!ip)
		return -DROP_INVALID_PACKET;
	header = ip->ihl * 4;
	length = bpf_ntohs(ip->tot_len);
	/* a segmented packet beyond 64 kB has no length of its own (BIG TCP) */
	if (!length && ctx_read(ctx, gso_size))
		length = available;
	if (ip->version != 4 || header < sizeof(*ip) || length < header || length > available)
		return -DROP_INVALID_PACKET;

	offset = bpf_ntohs(ip->frag_off);
	addr_set_v4(&p->key.src, ip->saddr);
	addr_set_v4(&p->key.dst, ip->daddr);
	p->key.proto = ip->protocol;
	p->length = length;
	p->l4 = p->l3 + header;
	p->ttl = ip->ttl;
	p->dsfield = ip->tos;
	if (offset & IP4_DF)
		p->flags |= PKT_DONT_FRAGMENT;
	if (unlikely(offset & (IP4_MF | IP4_OFFSET))) {
		__u32 at = (offset & IP4_OFFSET) * 8;

		p->fragment_id = ip->id;
		p->flags |= PKT_FRAGMENT;
		if (at + length - header > IP_BYTES_MAX)
			return -DROP_INVALID_PACKET;
		/* a piece at 8 could rewrite the flags of the TCP header before it (RFC 3128) */
		if (at == 8 && p->key.proto == IPPROTO_TCP)
			return -DROP_INVALID_PACKET;
		if (at) {
			p->flags |= PKT_LATER_FRAGMENT;
			return 0;
		}
	}
	return l4_parse(ctx, p);
}

/* One hop: TTL minus one, checksum corrected (RFC 1624). The caller has seen that it is above 1. */
static __always_inline void ipv4_count_hop(struct iphdr *ip)
{
	__u32 check = ip->check;

	check += bpf_htons(0x0100);
	ip->check = check + (check >= 0xffff);
	ip->ttl--;
}

static __always_inline int ipv4_hop(struct __sk_buff *ctx, struct pkt *p)
{
	struct iphdr *ip = pkt_at(ctx, p, p->l3, sizeof(*ip));

	if (!ip)
		return -DROP_INVALID_PACKET;
	ipv4_count_hop(ip);
	return 0;
}

#endif
