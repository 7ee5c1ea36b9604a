/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One packet on its way through a program. Made by the entry function, filled by the parser, passed by pointer to
 * everything else. It holds numbers only: no pointer into the packet, for helpers may move it, and no context, so that
 * functions which take it can be verified each on its own (they are not static, and check it for NULL: the verifier
 * follows a static function anew for every path that leads to it). */
#ifndef LIB_PKT_H
#define LIB_PKT_H

#include "bpf.h"
#include "../abi/event.h"
#include "../abi/flow.h"
#include "../abi/test.h"

enum hook {
	HOOK_FROM_CONTAINER, /* what a pod sends */
	HOOK_TO_CONTAINER,   /* what the node's stack sends to a pod */
	HOOK_FROM_NETDEV,
	HOOK_TO_NETDEV,
	HOOK_FROM_OVERLAY,
	HOOK_TO_OVERLAY,
	HOOK_FROM_DEFRAG, /* what the node's stack has reassembled for us */
};

enum pkt_flags {
	PKT_IPV6 = 1 << 0,
	PKT_FRAGMENT = 1 << 1,	     /* of a datagram in pieces */
	PKT_LATER_FRAGMENT = 1 << 2, /* not the first: it has no layer 4 header */
	PKT_ERROR = 1 << 3,	     /* an ICMP error about another packet */
	PKT_ECHO = 1 << 4,	     /* ICMP with an identifier in place of ports */
	PKT_DONT_FRAGMENT = 1 << 5,
	PKT_REPLY = 1 << 6,    /* travels against its flow's original direction */
	PKT_NO_PORTS = 1 << 7, /* a later fragment of a datagram of which nothing is known */
	PKT_RELATED = 1 << 8,  /* an error about a known flow, translated already */
	PKT_TOLD = 1 << 9,     /* the scratch says more for its event */
	PKT_HOST =
		1
		<< 10, /* a new flow of the node's own stack, which has rule sets (host firewall) */
	PKT_DSR =
		1
		<< 11, /* another node has chosen the backend; the scratch says for whom it answers */
};

struct pkt {
	__u64 now;	     /* monotonic clock, ns, exact to a tick */
	struct flow_key key; /* the tuple as the packet arrived */
	struct addr hop;     /* node at the tunnel's end, or next hop */
	__u32 epoch;	     /* read before any address */
	__u32 size;	     /* bytes as it came, from the Ethernet header on */
	__u32 length;	     /* bytes from the IP header on, as the IP header says */
	__u32 fragment_id;
	__u32 src_identity; /* of this packet, for events */
	__u32 dst_identity;
	__u32 vni;    /* identity that came with the tunnel */
	__u32 out;    /* device it is sent to */
	__u32 cookie; /* the rule that decided */
	__u16 l3;     /* offsets */
	__u16 l4;
	__u16 flags; /* enum pkt_flags */
	__u16 src_endpoint;
	__u16 dst_endpoint;
	__u16 line;
	__u8 l4_bytes; /* of its header */
	__u8 hook;     /* enum hook */
	__u8 dir;      /* enum direction */
	__u8 action;   /* enum test_action */
	__u8 point;    /* enum trace_point */
	__u8 related;  /* enum trace_reason */
	__u8 tell;     /* a trace event is due */
	__u8 answered; /* reason for which the packet was turned into an answer to its sender */
	__u8 ttl;
	__u8 tcp_flags; /* or ICMP type */
	__u8 icmp_code;
	__s8 ext_error;
	__u8 dsfield;
	__u8 judged; /* by a rule set: enum verdict_match + 1, enum direction in the upper half */
	__be16 asks_port; /* what policy is asked about: the receiver's port; ICMP: type + 1 */
	__u8 asks_proto;
	__u8 audited;  /* a rule set denied it, and its endpoint only tells so */
	__u8 response; /* enum deny_response of the rule that denied it */
	__u8 pad[5];
};

/* Headers lie in the packet's first kilobyte, or it is not ours to understand. */
#define PKT_OFFSET_MAX 0x3ff

/* `size` bytes at `offset`, or NULL when they are not in the packet's linear part. */
static __always_inline void *pkt_at(struct __sk_buff *ctx, const struct pkt *p, __u32 offset,
				    __u32 size)
{
	void *data = (void *)ctx_read(ctx, data);
	void *end = (void *)ctx_read(ctx, data_end);
	void *at;

	/* verifier: it bounds an offset it reads from memory only when masked → mask (all kernels) */
	offset &= PKT_OFFSET_MAX;
	opaque(offset);
	at = data + offset;
	opaque(at);
	return at + size > end ? NULL : at;
}

/* The same, pulling the bytes into the linear part if they are further back. NULL: the packet is too short. */
static __always_inline void *pkt_pull(struct __sk_buff *ctx, const struct pkt *p, __u32 offset,
				      __u32 size)
{
	void *at = pkt_at(ctx, p, offset, size);

	if (likely(at))
		return at;
	if (offset + size > ctx_read(ctx, len) || bpf_skb_pull_data(ctx, offset + size))
		return NULL;
	return pkt_at(ctx, p, offset, size);
}

/* Does the stack send here what it has routed, and, if it ever was in pieces, reassembled? */
static __always_inline bool hook_is_egress(__u8 hook)
{
	return hook == HOOK_TO_CONTAINER || hook == HOOK_TO_NETDEV || hook == HOOK_TO_OVERLAY ||
	       hook == HOOK_FROM_DEFRAG;
}

static __always_inline bool pkt_is_v6(const struct pkt *p)
{
	return p->flags & PKT_IPV6;
}

/* Bytes of the largest IP packet that leaves when this one does: a GSO packet leaves in segments. */
static __always_inline __u32 pkt_wire_length(struct __sk_buff *ctx, const struct pkt *p)
{
	__u32 segment = ctx_read(ctx, gso_size);

	return segment ? p->l4 - p->l3 + p->l4_bytes + segment : p->length;
}

static __always_inline __u32 pkt_seconds(const struct pkt *p)
{
	return p->now / NS_PER_S;
}

#endif
