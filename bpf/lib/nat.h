/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Translation: makes a packet carry the tuple that its flow entry says. Called once for each packet of a translated
 * flow, after everything that could still drop it. */
#ifndef LIB_NAT_H
#define LIB_NAT_H

#include "pkt.h"
#include "ipv4.h"
#include "ipv6.h"

#define TCP_CHECKSUM_AT	 16
#define UDP_CHECKSUM_AT	 6
#define ICMP_CHECKSUM_AT 2
#define ICMP_ID_AT	 4

/* Writes both addresses of the IP header at `l3`. IPv4's own checksum takes the difference; IPv6 has none, so a sum
 * over the whole packet that a device has made is corrected with it. */
static __always_inline int nat_write_addresses(struct __sk_buff *ctx, __u32 l3, bool v6,
					       const struct addr *src, const struct addr *dst,
					       __s64 diff)
{
	__be32 pair[2] = {src->w[3], dst->w[3]};

	if (v6) {
		if (bpf_skb_store_bytes(ctx, l3 + offsetof(struct ipv6hdr, saddr), src,
					sizeof(*src), BPF_F_RECOMPUTE_CSUM) ||
		    bpf_skb_store_bytes(ctx, l3 + offsetof(struct ipv6hdr, daddr), dst,
					sizeof(*dst), BPF_F_RECOMPUTE_CSUM))
			return -DROP_ERROR_WRITING_TO_PACKET;
		return 0;
	}
	if (bpf_l3_csum_replace(ctx, l3 + offsetof(struct iphdr, check), 0, diff, 0))
		return -DROP_ERROR_WHILE_CORRECTING_L3_CHECKSUM;
	if (bpf_skb_store_bytes(ctx, l3 + offsetof(struct iphdr, saddr), pair, sizeof(pair), 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	return 0;
}

/* The checksum difference of two address pairs. IPv4 addresses in their mapped form differ where the real ones do. */
static __always_inline __s64 nat_address_diff(const struct flow_key *key, const struct addr *src,
					      const struct addr *dst)
{
	__be32 from[8], to[8];

	memcpy(from, &key->src, 32);
	memcpy(to, src, 16);
	memcpy(to + 4, dst, 16);
	return bpf_csum_diff(from, sizeof(from), to, sizeof(to), 0);
}

static __always_inline int nat_ports(struct __sk_buff *ctx, struct pkt *p, __be16 sport,
				     __be16 dport, __s64 diff)
{
	__u64 flags = BPF_F_PSEUDO_HDR;
	__be16 was[2] = {p->key.sport, p->key.dport}, is[2] = {sport, dport};
	__u32 check, at = p->l4, ports_at = p->l4, size = 4;
	bool changed;

	switch (p->key.proto) {
	case IPPROTO_TCP:
		check = TCP_CHECKSUM_AT;
		break;
	case IPPROTO_UDP:
		check = UDP_CHECKSUM_AT;
		flags |= BPF_F_MARK_MANGLED_0;
		break;
	case IPPROTO_ICMP:
		flags = 0;
		diff = 0;
		/* fallthrough */
	case IPPROTO_ICMP6:
		check = ICMP_CHECKSUM_AT;
		if (!(p->flags & PKT_ECHO)) {
			sport = was[0];
			dport = was[1];
		}
		break;
	default:
		/* SCTP sums no addresses, and its ports are never changed; other protocols have neither */
		return 0;
	}
	changed = sport != was[0] || dport != was[1];
	if (p->key.proto == IPPROTO_ICMP || p->key.proto == IPPROTO_ICMP6) {
		/* the one of the two that is not 0 */
		was[0] |= was[1];
		is[0] |= is[1];
		was[1] = is[1] = 0;
		ports_at = at + ICMP_ID_AT;
		size = 2;
	}
	if (diff && bpf_l4_csum_replace(ctx, at + check, 0, diff, flags))
		return -DROP_ERROR_WHILE_CORRECTING_L4_CHECKSUM;
	if (!changed)
		return 0;
	flags &= ~(__u64)BPF_F_PSEUDO_HDR;
	if (bpf_l4_csum_replace(ctx, at + check, *(__be32 *)was, *(__be32 *)is, flags | 4))
		return -DROP_ERROR_WHILE_CORRECTING_L4_CHECKSUM;
	if (size == 2) {
		if (bpf_skb_store_bytes(ctx, ports_at, is, 2, 0))
			return -DROP_ERROR_WRITING_TO_PACKET;
	} else if (bpf_skb_store_bytes(ctx, ports_at, is, 4, 0)) {
		return -DROP_ERROR_WRITING_TO_PACKET;
	}
	return 0;
}

/* Gives the packet the flow's outgoing tuple. A later fragment has addresses only. Returns 0 or a negative reason. */
__separate int nat_translate(struct __sk_buff *ctx, struct pkt *p, const struct flow *flow)
{
	struct addr src, dst;
	__s64 diff;
	int ret;

	if (!p || !flow)
		return -DROP_INVALID_TC_BUFFER;
	src = flow->to_src;
	dst = flow->to_dst;
	diff = nat_address_diff(&p->key, &src, &dst);
	if (!(p->flags & PKT_LATER_FRAGMENT)) {
		ret = nat_ports(ctx, p, flow->to_sport, flow->to_dport, diff);
		if (ret)
			return ret;
	}
	return nat_write_addresses(ctx, p->l3, pkt_is_v6(p), &src, &dst, diff);
}

#endif
