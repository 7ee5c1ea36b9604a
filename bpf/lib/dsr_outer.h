/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is put before a client's packet on its way to the backend's node: an IP header (RFC 2003, RFC 2473), or one with a
 * UDP header and a Geneve header behind it (RFC 8926), for networks that carry no IP in IP. Geneve's option names the
 * service, as Cilium's does. */
#ifndef LIB_DSR_OUTER_H
#define LIB_DSR_OUTER_H

#include "csum.h"
#include "eth.h"
#include "ipv4.h"
#include "ipv6.h"

#define GENEVE_PORT	 6081
#define GENEVE_CRITICAL	 0x40 /* who does not know an option drops the packet */
#define GENEVE_DSR_CLASS 0x014b
#define GENEVE_DSR_TYPE	 0x81 /* critical, number 1 */

struct geneve_header {
	struct udphdr udp;
	__u8 words; /* of options, in 4 bytes; above 63 it is no version 0 */
	__u8 flags;
	__be16 proto; /* of what is inside */
	__be32 network;
	__be16 class; /* of the option, and what follows */
	__u8 type;
	__u8 option_words; /* without the option's own first one */
};

struct geneve4 {
	struct geneve_header header;
	__be32 addr;
	__be16 port;
	__u16 pad;
};

struct geneve6 {
	struct geneve_header header;
	struct addr addr;
	__be16 port;
	__u16 pad;
};

/* What options take of UDP's and Geneve's headers of so many bytes, in 4 bytes. */
static __always_inline __u8 geneve_words(__u32 bytes)
{
	return (bytes - offsetof(struct geneve_header, class)) / 4;
}

struct dsr_outer4 {
	struct iphdr ip;
	struct geneve4 geneve; /* if that is the dispatch */
};

struct dsr_outer6 {
	struct ipv6hdr ip;
	struct geneve6 geneve;
};

static __always_inline __u32 dsr_outer_bytes(const struct pkt *p)
{
	if (cfg.dsr == DSR_GENEVE)
		return pkt_is_v6(p) ? sizeof(struct dsr_outer6) : sizeof(struct dsr_outer4);
	return pkt_is_v6(p) ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

/* A segmented packet beyond 64 kB has no length of its own. */
static __always_inline __be16 dsr_length(__u32 length)
{
	return length > IP_BYTES_MAX ? 0 : bpf_htons(length);
}

/* The sum stays 0 (RFC 6935): what is inside has its own, and names the addresses. The source port spreads flows over ways
 * and queues. */
static __always_inline void dsr_geneve(const struct pkt *p, struct geneve_header *geneve,
				       __u32 bytes)
{
	__u32 mix = p->key.src.w[3] ^ p->key.dst.w[3] ^ p->key.sport ^ (__u32)p->key.dport << 16;

	mix ^= mix >> 16;
	geneve->udp.source = bpf_htons(0xc000 | (mix & 0x3fff));
	geneve->udp.dest = bpf_htons(GENEVE_PORT);
	geneve->udp.len = dsr_length(p->length + bytes);
	geneve->words = geneve_words(bytes);
	geneve->flags = GENEVE_CRITICAL;
	geneve->proto = bpf_htons(pkt_is_v6(p) ? ETH_P_IPV6 : ETH_P_IP);
	geneve->class = bpf_htons(GENEVE_DSR_CLASS);
	geneve->type = GENEVE_DSR_TYPE;
	geneve->option_words = geneve->words - 1;
}

/* @param outer zero */
static __always_inline void dsr_outer4(const struct pkt *p, const struct flow *flow,
				       struct dsr_outer4 *outer)
{
	struct iphdr *ip = &outer->ip;

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = p->dsfield;
	ip->tot_len = dsr_length(p->length + dsr_outer_bytes(p));
	ip->frag_off = bpf_htons(IP4_DF);
	ip->ttl = 64;
	ip->protocol = cfg.dsr == DSR_GENEVE ? IPPROTO_UDP : IPPROTO_IPIP;
	ip->saddr = flow->to_src.w[3];
	ip->daddr = flow->to_dst.w[3];
	ip->check = ~csum_fold(bpf_csum_diff(NULL, 0, (void *)ip, sizeof(*ip), 0));
	if (cfg.dsr != DSR_GENEVE)
		return;
	dsr_geneve(p, &outer->geneve.header, sizeof(outer->geneve));
	outer->geneve.addr = p->key.dst.w[3];
	outer->geneve.port = p->key.dport;
}

/* @param outer zero */
static __always_inline void dsr_outer6(const struct pkt *p, const struct flow *flow,
				       struct dsr_outer6 *outer)
{
	struct ipv6hdr *ip = &outer->ip;

	ip->version = 6;
	ip->priority = p->dsfield >> 4;
	ip->flow_lbl[0] = p->dsfield << 4;
	ip->payload_len = dsr_length(p->length + dsr_outer_bytes(p) - sizeof(*ip));
	ip->nexthdr = cfg.dsr == DSR_GENEVE ? IPPROTO_UDP : IPPROTO_IPV6;
	ip->hop_limit = 64;
	memcpy(&ip->saddr, &flow->to_src, sizeof(struct addr));
	memcpy(&ip->daddr, &flow->to_dst, sizeof(struct addr));
	if (cfg.dsr != DSR_GENEVE)
		return;
	dsr_geneve(p, &outer->geneve.header, sizeof(outer->geneve));
	outer->geneve.addr = p->key.dst;
	outer->geneve.port = p->key.dport;
}

#endif
