/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors that a sender gets: out of hops, too large for the way, a service that nobody serves, denied by policy.
 * The packet becomes its own answer and goes back where it came from; to a pod from the address of its gateway. Errors, and pieces of which the sender could make
 * nothing, are dropped without an answer (RFC 1122 3.2.2, RFC 4443 2.4). */
#ifndef LIB_ANSWER_H
#define LIB_ANSWER_H

#include "csum.h"
#include "eth.h"
#include "scratch.h"

/* What is quoted of the packet: of IPv4 some of what follows its header, of IPv6 what fits the smallest MTU. */
#define QUOTE_V4_MAX   128
#define QUOTE_V6_MAX   (1280 - 40 - 8)
/* bpf_csum_diff takes no more at once on older kernels */
#define CSUM_BYTES_MAX 512

struct answer4 {
	struct iphdr ip;
	struct icmp_header icmp;
};

struct answer6 {
	struct ipv6hdr ip;
	struct icmp_header icmp;
};

/* Cuts the packet down to what is quoted, copies that to the scratch and makes room for `header` bytes before it.
 * Returns the bytes quoted, or a negative reason. */
static __always_inline int answer_quote(struct __sk_buff *ctx, struct pkt *p, struct scratch *s,
					__u32 most, __u32 header)
{
	__u32 quote = p->length > most ? most : p->length;

	quote &= ~3u;
	if (ctx_read(ctx, len) != ETH_HLEN + quote && bpf_skb_change_tail(ctx, ETH_HLEN + quote, 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	/* verifier: it forgets the lower of two bounds that the compiler checks at once → one of them by construction
	 * (before kernel 6.8) */
	quote -= sizeof(struct iphdr);
	opaque(quote);
	if (quote > most - sizeof(struct iphdr))
		return -DROP_INVALID_PACKET;
	quote += sizeof(struct iphdr);
	opaque(quote);
	if (bpf_skb_load_bytes(ctx, ETH_HLEN, s->quote, quote) ||
	    bpf_skb_adjust_room(ctx, header, BPF_ADJ_ROOM_MAC, 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	return quote;
}

static __always_inline __s64 answer_sum(struct scratch *s, __u32 quote, __s64 sum)
{
	__u32 i, n;

	for (i = 0; i < QUOTE_BYTES - CSUM_BYTES_MAX; i += CSUM_BYTES_MAX) {
		if (quote <= i)
			break;
		n = quote - i;
		if (n > CSUM_BYTES_MAX)
			n = CSUM_BYTES_MAX;
		sum = bpf_csum_diff(NULL, 0, (void *)(s->quote + i), n, sum);
	}
	/* the rest, if the quote is longer than two pieces */
	if (quote > i && quote - i <= QUOTE_BYTES - 2 * CSUM_BYTES_MAX)
		sum = bpf_csum_diff(NULL, 0, (void *)(s->quote + i), quote - i, sum);
	return sum;
}

/* Who says so: to pods their gateway, to others the address that they spoke to. */
static __always_inline struct addr answer_source(const struct pkt *p)
{
	if (p->hook != HOOK_FROM_CONTAINER)
		return p->key.dst;
	return addr_load(pkt_is_v6(p) ? &cfg.host_v6 : &cfg.host_v4);
}

static __always_inline int answer_v4(struct __sk_buff *ctx, struct pkt *p, __u8 type, __u8 code,
				     __u32 mtu)
{
	struct addr gateway = answer_source(p);
	struct scratch *s = scratch();
	struct answer4 a = {};
	int quote;

	if (!s)
		return -DROP_INVALID_TC_BUFFER;
	quote = answer_quote(ctx, p, s, QUOTE_V4_MAX, sizeof(a));
	if (quote < 0)
		return quote;
	a.ip.version = 4;
	a.ip.ihl = 5;
	a.ip.tos = 0xc0; /* internetwork control, as the kernel's own */
	a.ip.tot_len = bpf_htons(sizeof(a) + quote);
	a.ip.ttl = 64;
	a.ip.protocol = IPPROTO_ICMP;
	a.ip.saddr = gateway.w[3];
	a.ip.daddr = p->key.src.w[3];
	a.ip.check = ~csum_fold(bpf_csum_diff(NULL, 0, (void *)&a.ip, sizeof(a.ip), 0));
	a.icmp.type = type;
	a.icmp.code = code;
	a.icmp.sequence = bpf_htons(mtu);
	a.icmp.checksum = ~csum_fold(
		answer_sum(s, quote, bpf_csum_diff(NULL, 0, (void *)&a.icmp, sizeof(a.icmp), 0)));
	return bpf_skb_store_bytes(ctx, ETH_HLEN, &a, sizeof(a), 0) ? -DROP_ERROR_WRITING_TO_PACKET
								    : 0;
}

static __always_inline int answer_v6(struct __sk_buff *ctx, struct pkt *p, __u8 type, __u8 code,
				     __u32 mtu)
{
	struct addr gateway = answer_source(p);
	struct scratch *s = scratch();
	struct answer6 a = {};
	__be32 pseudo[2];
	__s64 sum;
	int quote;

	if (!s)
		return -DROP_INVALID_TC_BUFFER;
	quote = answer_quote(ctx, p, s, QUOTE_V6_MAX, sizeof(a));
	if (quote < 0)
		return quote;
	a.ip.version = 6;
	a.ip.payload_len = bpf_htons(sizeof(a.icmp) + quote);
	a.ip.nexthdr = IPPROTO_ICMP6;
	a.ip.hop_limit = 64;
	memcpy(&a.ip.saddr, &gateway, sizeof(gateway));
	memcpy(&a.ip.daddr, &p->key.src, sizeof(p->key.src));
	a.icmp.type = type;
	a.icmp.code = code;
	/* the MTU is 32 bits here, from the identifier's place on */
	a.icmp.sequence = bpf_htons(mtu);
	pseudo[0] = bpf_htonl(sizeof(a.icmp) + quote);
	pseudo[1] = bpf_htonl(IPPROTO_ICMP6);
	sum = bpf_csum_diff(NULL, 0, (void *)&a.ip.saddr, 32, 0);
	sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), sum);
	sum = bpf_csum_diff(NULL, 0, (void *)&a.icmp, sizeof(a.icmp), sum);
	a.icmp.checksum = ~csum_fold(answer_sum(s, quote, sum));
	return bpf_skb_store_bytes(ctx, ETH_HLEN, &a, sizeof(a), 0) ? -DROP_ERROR_WRITING_TO_PACKET
								    : 0;
}

/* Sends what the packet has become back to its sender. Returns 0 or a negative reason. */
static __always_inline int answer_send(struct __sk_buff *ctx, struct pkt *p, __u32 reason)
{
	struct mac pod = {}, node = {};
	struct eth_header *eth = pkt_at(ctx, p, 0, sizeof(*eth));

	if (!eth)
		return -DROP_INVALID_PACKET;
	mac_copy(pod.b, eth->src);
	mac_copy(node.b, eth->dst);
	mac_copy(eth->dst, pod.b);
	mac_copy(eth->src, node.b);
	p->answered = reason;
	p->action = p->hook == HOOK_FROM_CONTAINER ? TEST_PEER : TEST_REDIRECT;
	p->out = ctx_read(ctx, ifindex);
	return 0;
}

/* Turns the packet around. Returns 0, or the reason as a drop without an answer.
 * @param reason DROP_TTL_EXCEEDED, DROP_SERVICE_BACKEND_NOT_FOUND (port unreachable, which TCP and UDP sockets take for
 *   a refused connection), DROP_FRAGMENTATION_NEEDED with the MTU of the way, or DROP_POLICY_DENIED and
 *   DROP_POLICY_DENY (administratively prohibited) */
__separate int answer(struct __sk_buff *ctx, struct pkt *p, __u32 reason, __u32 mtu)
{
	bool big = reason == DROP_FRAGMENTATION_NEEDED;
	bool refused = reason == DROP_SERVICE_BACKEND_NOT_FOUND;
	bool denied = reason == DROP_POLICY_DENIED || reason == DROP_POLICY_DENY;
	int ret;

	if (!p || (p->flags & (PKT_ERROR | PKT_LATER_FRAGMENT)))
		return -(int)reason;
	if (pkt_is_v6(p))
		ret = answer_v6(ctx, p,
				big		    ? ICMP6_TOO_BIG
				: refused || denied ? ICMP6_UNREACHABLE
						    : ICMP6_TIME_EXCEEDED,
				refused	 ? ICMP6_PORT_UNREACHABLE
				: denied ? ICMP6_PROHIBITED
					 : 0,
				mtu);
	else
		ret = answer_v4(ctx, p,
				big || refused || denied ? ICMP4_UNREACHABLE : ICMP4_TIME_EXCEEDED,
				big	  ? ICMP4_FRAG_NEEDED
				: refused ? ICMP4_PORT_UNREACHABLE
				: denied  ? ICMP4_PROHIBITED
					  : 0,
				mtu);
	return ret ? ret : answer_send(ctx, p, reason);
}

#endif
