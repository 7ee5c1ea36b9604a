/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP and ICMPv6 errors about a packet of a known flow. The quoted packet is one that the error's receiver has sent,
 * as it looked where the error arose; its reverse is therefore the key of the entry by which packets travel towards
 * that receiver. What that entry does to such packets is done to the error, and undone in the quote. */
#ifndef LIB_ICMP_H
#define LIB_ICMP_H

#include "admit.h"
#include "csum.h"
#include "nat.h"

/* What has to be known of the quoted packet. */
struct quoted {
	struct flow_key reverse; /* the tuple that an answer to it would carry */
	__u32 ip;		 /* offset of its IP header */
	__u32 l4;
	__u32 end; /* of the whole packet */
};

/* Reads the quoted packet. False: there is none, or none with ports. */
__separate int icmp_quote(struct __sk_buff *ctx, struct pkt *p, struct quoted *q)
{
	bool v6;
	struct ipv6_chain c = {};
	struct ipv6hdr ip6;
	struct iphdr ip;
	struct icmp_header l4;
	__be16 *ports = (void *)&l4;

	if (!p || !q)
		return false;
	v6 = pkt_is_v6(p);
	q->ip = p->l4 + ICMP_BYTES;
	q->end = p->l3 + p->length;
	if (v6) {
		if (q->ip + sizeof(ip6) > q->end ||
		    bpf_skb_load_bytes(ctx, q->ip, &ip6, sizeof(ip6)) || ip6.version != 6)
			return false;
		memcpy(&q->reverse.src, &ip6.daddr, sizeof(struct addr));
		memcpy(&q->reverse.dst, &ip6.saddr, sizeof(struct addr));
		c.at = q->ip + sizeof(ip6);
		c.end = q->end;
		c.proto = ip6.nexthdr;
		if (ipv6_walk(ctx, &c) || c.later)
			return false;
		q->reverse.proto = c.proto;
		q->l4 = c.at;
	} else {
		if (q->ip + sizeof(ip) > q->end ||
		    bpf_skb_load_bytes(ctx, q->ip, &ip, sizeof(ip)) || ip.version != 4 ||
		    ip.ihl < 5 || (ip.frag_off & bpf_htons(IP4_OFFSET)))
			return false;
		addr_set_v4(&q->reverse.src, ip.daddr);
		addr_set_v4(&q->reverse.dst, ip.saddr);
		q->reverse.proto = ip.protocol;
		q->l4 = q->ip + ip.ihl * 4;
	}
	if (q->l4 + sizeof(l4) > q->end || q->l4 > PKT_OFFSET_MAX ||
	    bpf_skb_load_bytes(ctx, q->l4, &l4, sizeof(l4)))
		return false;
	switch (q->reverse.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		q->reverse.sport = ports[1];
		q->reverse.dport = ports[0];
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMP6:
		if (l4.type == (v6 ? ICMP6_ECHO : ICMP4_ECHO))
			q->reverse.dport = l4.id;
		else if (l4.type == (v6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY))
			q->reverse.sport = l4.id;
		break;
	}
	return true;
}

/* The difference that new ports make to a sum over the quote, after writing them and the quoted checksum. */
static __always_inline __s64 icmp_quote_ports(struct __sk_buff *ctx, struct pkt *p,
					      const struct quoted *q, __be16 sport, __be16 dport,
					      __s64 address_diff)
{
	__be16 was[2] = {q->reverse.dport, q->reverse.sport}, is[2] = {sport, dport};
	__u32 at = q->l4, check_at = 0;
	__s64 diff, pseudo = address_diff;
	__be16 sums[4] = {};
	__u16 check;

	switch (q->reverse.proto) {
	case IPPROTO_TCP:
		check_at = at + TCP_CHECKSUM_AT;
		break;
	case IPPROTO_UDP:
		check_at = at + UDP_CHECKSUM_AT;
		break;
	case IPPROTO_ICMP:
		pseudo = 0;
		/* fallthrough */
	case IPPROTO_ICMP6:
		was[0] |= was[1];
		is[0] |= is[1];
		was[1] = is[1] = 0;
		check_at = at + ICMP_CHECKSUM_AT;
		at += ICMP_ID_AT;
		break;
	default:
		return 0;
	}
	if (bpf_skb_store_bytes(
		    ctx, at, is,
		    q->reverse.proto == IPPROTO_ICMP || q->reverse.proto == IPPROTO_ICMP6 ? 2 : 4,
		    0))
		return 0;
	diff = bpf_csum_diff((void *)was, 4, (void *)is, 4, 0);
	/* a quote may be too short to hold TCP's checksum */
	if (check_at + 2 > q->end || bpf_skb_load_bytes(ctx, check_at, &check, 2))
		return diff;
	if (q->reverse.proto == IPPROTO_UDP && !check)
		return diff;
	sums[0] = check;
	sums[2] = csum_apply(check,
			     (__u64)csum_fold(diff & 0xffffffff) + csum_fold(pseudo & 0xffffffff));
	if (bpf_skb_store_bytes(ctx, check_at, &sums[2], 2, 0))
		return diff;
	return bpf_csum_diff((void *)&sums[0], 4, (void *)&sums[2], 4, diff);
}

/* Rewrites quote and outer header. Returns 0 or a negative reason. */
__separate int icmp_translate(struct __sk_buff *ctx, struct pkt *p, const struct quoted *q,
			      const struct flow *flow)
{
	struct addr quoted_src, quoted_dst, src;
	struct flow_key quoted = {};
	__be16 sums[4] = {};
	__s64 diff, outer;
	bool v6;

	if (!p || !q || !flow)
		return -DROP_INVALID_TC_BUFFER;
	v6 = pkt_is_v6(p);
	quoted_src = flow->to_dst;
	quoted_dst = flow->to_src;
	quoted.src = q->reverse.dst;
	quoted.dst = q->reverse.src;
	diff = nat_address_diff(&quoted, &quoted_src, &quoted_dst);
	outer = icmp_quote_ports(ctx, p, q, flow->to_dport, flow->to_sport, diff);
	if (v6) {
		/* addresses count as they lie: there is no header checksum to make up for them */
		outer = csum_fold(outer & 0xffffffff) + (__s64)csum_fold(diff & 0xffffffff);
		if (bpf_skb_store_bytes(ctx, q->ip + offsetof(struct ipv6hdr, saddr), &quoted_src,
					sizeof(quoted_src), 0) ||
		    bpf_skb_store_bytes(ctx, q->ip + offsetof(struct ipv6hdr, daddr), &quoted_dst,
					sizeof(quoted_dst), 0))
			return -DROP_ERROR_WRITING_TO_PACKET;
	} else {
		__u32 check_at = q->ip + offsetof(struct iphdr, check);
		__be32 pair[2] = {quoted_src.w[3], quoted_dst.w[3]};

		if (bpf_skb_load_bytes(ctx, check_at, &sums[0], 2))
			return -DROP_INVALID_PACKET;
		sums[2] = csum_apply(sums[0], diff);
		outer = csum_fold(outer & 0xffffffff) + (__s64)csum_fold(diff & 0xffffffff);
		outer = bpf_csum_diff((void *)&sums[0], 4, (void *)&sums[2], 4, outer);
		if (bpf_skb_store_bytes(ctx, check_at, &sums[2], 2, 0) ||
		    bpf_skb_store_bytes(ctx, q->ip + offsetof(struct iphdr, saddr), pair,
					sizeof(pair), 0))
			return -DROP_ERROR_WRITING_TO_PACKET;
	}
	if (bpf_l4_csum_replace(ctx, p->l4 + ICMP_CHECKSUM_AT, 0, outer, 0))
		return -DROP_ERROR_WHILE_CORRECTING_L4_CHECKSUM;

	/* the error's own source is a router's, unless it is the other end itself */
	src = addr_equal(&p->key.src, &q->reverse.src) ? quoted_dst : p->key.src;
	diff = nat_address_diff(&p->key, &src, &quoted_src);
	if (v6 && bpf_l4_csum_replace(ctx, p->l4 + ICMP_CHECKSUM_AT, 0, diff, BPF_F_PSEUDO_HDR))
		return -DROP_ERROR_WHILE_CORRECTING_L4_CHECKSUM;
	return nat_write_addresses(ctx, p->l3, v6, &src, &quoted_src, diff);
}

#define ICMP_RELATED 1

/* Finds the entry by which an error travels, and translates the packet as that entry says. Returns ICMP_RELATED with
 * `about` the entry's key, 0 when it is about no flow of ours, or the reason for which it must not pass. */
__separate int icmp_error(struct __sk_buff *ctx, struct pkt *p, struct flow_key *about)
{
	struct quoted q = {};
	struct flow *flow;
	int ret;

	if (!p || !about || !icmp_quote(ctx, p, &q))
		return 0;
	/* it must be for whom the quoted packet came from */
	if (!addr_equal(&q.reverse.dst, &p->key.dst))
		return 0;
	flow = flow_find_live(&q.reverse, p->now);
	if (!flow)
		return 0;
	ret = flow_admit(p, &q.reverse, flow);
	if (ret)
		return ret == FLOW_GONE ? 0 : ret;
	/* what travels wrapped is translated where it is unwrapped */
	if ((flow->flags & (FLOW_SNAT | FLOW_DNAT)) && !(flow->flags & FLOW_WRAPPED)) {
		ret = icmp_translate(ctx, p, &q, flow);
		if (ret)
			return ret;
	}
	*about = q.reverse;
	return ICMP_RELATED;
}

#endif
