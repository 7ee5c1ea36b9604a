/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ethernet: what kind of packet this is, and the addresses it leaves with. */
#ifndef LIB_ETH_H
#define LIB_ETH_H

#include "pkt.h"
#include "ipv4.h"
#include "ipv6.h"

struct eth_header {
	__u8 dst[6];
	__u8 src[6];
	__be16 proto;
};

static __always_inline bool mac_equal(const __u8 *a, const struct mac *b)
{
	const __u16 *x = (const void *)a, *y = (const void *)b->b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

static __always_inline void mac_copy(__u8 *to, const __u8 *from)
{
	__u16 *x = (void *)to;
	const __u16 *y = (const void *)from;

	x[0] = y[0];
	x[1] = y[1];
	x[2] = y[2];
}

/* Sets both addresses of the frame. */
static __always_inline int eth_set(struct __sk_buff *ctx, struct pkt *p, const struct mac *dst,
				   const struct mac *src)
{
	struct eth_header *eth = pkt_at(ctx, p, 0, sizeof(*eth));

	if (!eth)
		return -DROP_INVALID_PACKET;
	mac_copy(eth->dst, dst->b);
	mac_copy(eth->src, src->b);
	return 0;
}

/* Parses an IPv4 or IPv6 packet of a family that is on. Other kinds: DROP_UNSUPPORTED_L3_PROTOCOL. */
static __always_inline int eth_parse_ip(struct __sk_buff *ctx, struct pkt *p, __be16 proto)
{
	p->l3 = ETH_HLEN;
	if (cfg.enable_ipv4 && proto == bpf_htons(ETH_P_IP))
		return ipv4_parse(ctx, p);
	if (cfg.enable_ipv6 && proto == bpf_htons(ETH_P_IPV6))
		return ipv6_parse(ctx, p);
	return -DROP_UNSUPPORTED_L3_PROTOCOL;
}

#endif
