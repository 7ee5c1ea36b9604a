/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Layer 4: the ports, or what stands in their place, into the packet's tuple. Called by the IP parsers with p->l4 at
 * the header and key.proto set. Returns 0 or a negative reason. Protocols without ports keep both 0. */
#ifndef LIB_L4_H
#define LIB_L4_H

#include "pkt.h"
#include <linux/tcp.h>
#include <linux/udp.h>

#define IPPROTO_ICMP6 58
#define SCTP_BYTES    12
#define ICMP_BYTES    8

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define ICMP4_ECHO_REPLY	0
#define ICMP4_UNREACHABLE	3
#define ICMP4_FRAG_NEEDED	4 /* code of unreachable */
#define ICMP4_PORT_UNREACHABLE	3 /* so is this */
#define ICMP4_PROHIBITED	13
#define ICMP6_PORT_UNREACHABLE	4 /* and this */
#define ICMP6_PROHIBITED	1
#define ICMP4_ECHO		8
#define ICMP4_TIME_EXCEEDED	11
#define ICMP4_PARAMETER		12
#define ICMP6_UNREACHABLE	1
#define ICMP6_TOO_BIG		2
#define ICMP6_TIME_EXCEEDED	3
#define ICMP6_PARAMETER		4
#define ICMP6_ECHO		128
#define ICMP6_ECHO_REPLY	129
#define ICMP6_MLD_QUERY		130
#define ICMP6_MLD_DONE		132
#define ICMP6_ROUTER_SOLICIT	133
#define ICMP6_ROUTER_ADVERT	134
#define ICMP6_NEIGHBOUR_SOLICIT 135
#define ICMP6_NEIGHBOUR_ADVERT	136
#define ICMP6_REDIRECT		137
#define ICMP6_MLD2_REPORT	143

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 id;
	__be16 sequence;
};

static __always_inline bool icmp_is_error(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMP)
		return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED ||
		       type == ICMP4_PARAMETER;
	return proto == IPPROTO_ICMP6 && type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
}

/* An echo's identifier is its port: the asker's. An answer carries it as the destination's. Other messages have their
 * type, plus one, in both places. */
static __always_inline int l4_parse_icmp(struct __sk_buff *ctx, struct pkt *p, __u32 left)
{
	bool v6 = p->key.proto == IPPROTO_ICMP6;
	struct icmp_header *icmp;

	if (left < ICMP_BYTES)
		return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
	icmp = pkt_pull(ctx, p, p->l4, ICMP_BYTES);
	if (!icmp)
		return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
	p->l4_bytes = ICMP_BYTES;
	p->tcp_flags = icmp->type;
	p->icmp_code = icmp->code;
	if (icmp->type == (v6 ? ICMP6_ECHO : ICMP4_ECHO)) {
		p->flags |= PKT_ECHO;
		p->key.sport = icmp->id;
	} else if (icmp->type == (v6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY)) {
		p->flags |= PKT_ECHO;
		p->key.dport = icmp->id;
	} else {
		/* not to be taken for an echo without identifier */
		p->key.sport = p->key.dport = bpf_htons(icmp->type + 1);
		if (icmp_is_error(p->key.proto, icmp->type))
			p->flags |= PKT_ERROR;
	}
	return 0;
}

static __always_inline int l4_parse(struct __sk_buff *ctx, struct pkt *p)
{
	__u32 left = p->l3 + p->length - p->l4;
	struct tcphdr *tcp;
	struct udphdr *udp;
	__be16 *ports;

	switch (p->key.proto) {
	case IPPROTO_TCP:
		if (left < sizeof(*tcp))
			return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		tcp = pkt_pull(ctx, p, p->l4, sizeof(*tcp));
		if (!tcp)
			return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		p->key.sport = tcp->source;
		p->key.dport = tcp->dest;
		p->tcp_flags = ((__u8 *)tcp)[13];
		p->l4_bytes = tcp->doff * 4;
		if (p->l4_bytes < sizeof(*tcp) || p->l4_bytes > left)
			return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		return 0;
	case IPPROTO_UDP:
		if (left < sizeof(*udp))
			return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		udp = pkt_pull(ctx, p, p->l4, sizeof(*udp));
		if (!udp)
			return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		p->key.sport = udp->source;
		p->key.dport = udp->dest;
		p->l4_bytes = sizeof(*udp);
		return 0;
	case IPPROTO_SCTP:
		if (left < SCTP_BYTES)
			return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		ports = pkt_pull(ctx, p, p->l4, SCTP_BYTES);
		if (!ports)
			return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
		p->key.sport = ports[0];
		p->key.dport = ports[1];
		p->l4_bytes = SCTP_BYTES;
		return 0;
	case IPPROTO_ICMP:
		/* the other family's ICMP means nothing */
		return pkt_is_v6(p) ? -DROP_UNKNOWN_L4_PROTOCOL : l4_parse_icmp(ctx, p, left);
	case IPPROTO_ICMP6:
		return pkt_is_v6(p) ? l4_parse_icmp(ctx, p, left) : -DROP_UNKNOWN_L4_PROTOCOL;
	}
	return 0;
}

#endif
