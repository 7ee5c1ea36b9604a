/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sender of a denied packet is told, where configuration or the rule that denied it wants that: an ICMP error,
 * or a reset. At most REFUSALS_PER_S a second on each CPU: what is more is dropped as without an answer. Called with
 * the packet as it came; nothing has been translated yet. */
#ifndef LIB_REFUSE_H
#define LIB_REFUSE_H

#include "act.h"
#include "answer.h"
#include "l4.h"

#define REFUSALS_PER_S 256
#define REFUSALS_BURST 64
#define REFUSAL_NS     (NS_PER_S / REFUSALS_PER_S)

/* Time that has not been used up by answers. */
struct refusals {
	__u64 seen;   /* monotonic clock, ns */
	__u64 credit; /* ns */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct refusals);
} cilium_refusals SEC(".maps");

struct reset4 {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct reset6 {
	struct ipv6hdr ip;
	struct tcphdr tcp;
};

static __always_inline bool refusal_may_be_sent(const struct pkt *p)
{
	__u32 zero = 0;
	struct refusals *left = bpf_map_lookup_elem(&cilium_refusals, &zero);

	if (!left)
		return false;
	left->credit += p->now - left->seen;
	left->seen = p->now;
	if (left->credit > REFUSALS_BURST * REFUSAL_NS)
		left->credit = REFUSALS_BURST * REFUSAL_NS;
	if (left->credit < REFUSAL_NS)
		return false;
	left->credit -= REFUSAL_NS;
	return true;
}

/* The reset that answers a segment (RFC 9293 3.10.7.1). Its checksum is left to the caller.
 * @param bytes of the segment's data */
static __always_inline void reset_fill(struct tcphdr *reset, const struct pkt *p,
				       const struct tcphdr *tcp, __u32 bytes)
{
	reset->source = p->key.dport;
	reset->dest = p->key.sport;
	reset->doff = sizeof(*reset) / 4;
	reset->rst = 1;
	if (tcp->ack) {
		reset->seq = tcp->ack_seq;
	} else {
		reset->ack = 1;
		reset->ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + bytes + tcp->syn + tcp->fin);
	}
}

/* Turns a TCP segment into the reset that answers it, from the address it was for. Returns 0 or a negative reason. */
__separate int reset(struct __sk_buff *ctx, struct pkt *p, __u32 reason)
{
	struct reset4 r4 = {};
	struct reset6 r6 = {};
	struct tcphdr *tcp;
	__be32 pseudo[2];
	__u32 bytes, size;
	__s64 sum;
	bool v6;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	v6 = pkt_is_v6(p);
	size = v6 ? sizeof(r6) : sizeof(r4);
	tcp = pkt_pull(ctx, p, p->l4, sizeof(*tcp));
	if (!tcp)
		return -DROP_CT_TRUNCATED_OR_INVALID_HEADER;
	bytes = p->l3 + p->length - p->l4 - tcp->doff * 4;
	reset_fill(v6 ? &r6.tcp : &r4.tcp, p, tcp, bytes);
	if (bpf_skb_change_tail(ctx, ETH_HLEN + size, 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	pseudo[0] = bpf_htonl(sizeof(struct tcphdr));
	pseudo[1] = bpf_htonl(IPPROTO_TCP);
	sum = bpf_csum_diff(NULL, 0, pseudo, sizeof(pseudo), 0);
	if (v6) {
		r6.ip.version = 6;
		r6.ip.payload_len = bpf_htons(sizeof(r6.tcp));
		r6.ip.nexthdr = IPPROTO_TCP;
		r6.ip.hop_limit = 64;
		memcpy(&r6.ip.saddr, &p->key.dst, sizeof(p->key.dst));
		memcpy(&r6.ip.daddr, &p->key.src, sizeof(p->key.src));
		sum = bpf_csum_diff(NULL, 0, (void *)&r6.ip.saddr, 32, sum);
		r6.tcp.check =
			~csum_fold(bpf_csum_diff(NULL, 0, (void *)&r6.tcp, sizeof(r6.tcp), sum));
		if (bpf_skb_store_bytes(ctx, ETH_HLEN, &r6, sizeof(r6), 0))
			return -DROP_ERROR_WRITING_TO_PACKET;
		return answer_send(ctx, p, reason);
	}
	r4.ip.version = 4;
	r4.ip.ihl = 5;
	r4.ip.tot_len = bpf_htons(sizeof(r4));
	r4.ip.ttl = 64;
	r4.ip.protocol = IPPROTO_TCP;
	r4.ip.saddr = p->key.dst.w[3];
	r4.ip.daddr = p->key.src.w[3];
	r4.ip.check = ~csum_fold(bpf_csum_diff(NULL, 0, (void *)&r4.ip, sizeof(r4.ip), 0));
	sum = bpf_csum_diff(NULL, 0, (void *)&r4.ip.saddr, 8, sum);
	r4.tcp.check = ~csum_fold(bpf_csum_diff(NULL, 0, (void *)&r4.tcp, sizeof(r4.tcp), sum));
	if (bpf_skb_store_bytes(ctx, ETH_HLEN, &r4, sizeof(r4), 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	return answer_send(ctx, p, reason);
}

/* What the sender is to be told. What came by way of the node's stack gets no answer: there is no way back to whoever
 * sent it. */
static __always_inline __u8 refusal_of(const struct pkt *p)
{
	__u8 response = p->response ?: cfg.deny_response;

	if (!p->judged || response < RESPONSE_ICMP || hook_is_egress(p->hook) ||
	    (p->flags & (PKT_ERROR | PKT_LATER_FRAGMENT)))
		return RESPONSE_NONE;
	if (p->key.proto != IPPROTO_TCP)
		response = RESPONSE_ICMP;
	else if (p->tcp_flags & TCP_RST)
		return RESPONSE_NONE;
	return refusal_may_be_sent(p) ? response : RESPONSE_NONE;
}

/* Answers a packet that policy denies, or not. Returns 0 with the packet turned around, or the reason as a drop.
 * @param reason DROP_POLICY_DENIED or DROP_POLICY_DENY */
static __always_inline int refuse(struct __sk_buff *ctx, struct pkt *p, __u32 reason)
{
	__u8 response = refusal_of(p);
	__u32 sender;
	int ret;

	if (response == RESPONSE_NONE)
		return -(int)reason;
	ret = response == RESPONSE_RESET ? reset(ctx, p, reason) : answer(ctx, p, reason, 0);
	if (ret || p->hook != HOOK_FROM_OVERLAY)
		return ret;
	/* to the node it came from, as the receiver's; events still tell of the packet that came */
	sender = p->src_identity;
	p->src_identity = p->dst_identity;
	p->out = cfg.overlay_ifindex;
	ret = tunnel_set(ctx, p);
	p->src_identity = sender;
	return ret;
}

#endif
