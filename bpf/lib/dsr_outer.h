/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The header that is put before a client's packet on its way to the backend's node (RFC 2003, RFC 2473). */
#ifndef LIB_DSR_OUTER_H
#define LIB_DSR_OUTER_H

#include "csum.h"
#include "ipv4.h"
#include "ipv6.h"

/* A segmented packet beyond 64 kB has no length of its own. */
static __always_inline __be16 dsr_length(__u32 length)
{
	return length > IP_BYTES_MAX ? 0 : bpf_htons(length);
}

static __always_inline void dsr_outer4(const struct pkt *p, const struct flow *flow,
				       struct iphdr *ip)
{
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = p->dsfield;
	ip->tot_len = dsr_length(p->length + sizeof(*ip));
	ip->frag_off = bpf_htons(IP4_DF);
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->saddr = flow->to_src.w[3];
	ip->daddr = flow->to_dst.w[3];
	ip->check = ~csum_fold(bpf_csum_diff(NULL, 0, (void *)ip, sizeof(*ip), 0));
}

static __always_inline void dsr_outer6(const struct pkt *p, const struct flow *flow,
				       struct ipv6hdr *ip)
{
	ip->version = 6;
	ip->priority = p->dsfield >> 4;
	ip->flow_lbl[0] = p->dsfield << 4;
	ip->payload_len = dsr_length(p->length);
	ip->nexthdr = IPPROTO_IPV6;
	ip->hop_limit = 64;
	memcpy(&ip->saddr, &flow->to_src, sizeof(struct addr));
	memcpy(&ip->daddr, &flow->to_dst, sizeof(struct addr));
}

#endif
