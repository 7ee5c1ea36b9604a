/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The end of every program: counts the packet, tells of it, and does with it what was decided. */
#ifndef LIB_ACT_H
#define LIB_ACT_H

#include "event.h"
#include "maps.h"
#include "mark.h"

static __always_inline void count(struct pkt *p, __u32 reason)
{
	__u32 index = reason * COUNTER_DIRECTIONS + p->dir;
	struct counter *counter = bpf_map_lookup_elem(&cilium_metrics, &index);

	if (counter) {
		counter->packets++;
		counter->bytes += p->size;
	}
}

/* Dead code unless cfg.test: a test run shows a redirect without its target. */
static __always_inline void test_note(struct __sk_buff *ctx, struct pkt *p, __u32 action,
				      __u32 reason)
{
	__u32 zero = 0;
	struct test_record *record;

	if (!cfg.test)
		return;
	record = bpf_map_lookup_elem(&cilium_test, &zero);
	if (!record)
		return;
	record->action = action;
	record->ifindex = p->out;
	record->reason = reason;
	record->ext_error = p->ext_error;
	record->tunnel = p->hop;
	record->tunnel_id = p->vni;
	record->mark = ctx->mark;
}

static __always_inline int drop(struct __sk_buff *ctx, struct pkt *p, __u32 reason)
{
	count(p, reason);
	if (cfg.event_drop)
		event_write(ctx, p, EVENT_DROP, -(__s32)reason);
	test_note(ctx, p, TEST_DROP, reason);
	return TC_ACT_SHOT;
}

/* Tells what a rule set said, when one was asked. */
static __always_inline void tell_verdict(struct __sk_buff *ctx, struct pkt *p, int ret)
{
	__u8 dir = p->dir;

	if (!cfg.policy || !cfg.event_verdict || !p->judged)
		return;
	/* a denied packet that was turned into an answer */
	if (!ret && (p->answered == DROP_POLICY_DENIED || p->answered == DROP_POLICY_DENY))
		ret = -(int)p->answered;
	p->dir = p->judged >> 4;
	event_write(ctx, p, EVENT_VERDICT, ret < 0 ? ret : 0);
	p->dir = dir;
}

/* To the node at the tunnel's end, with the sender's identity. Returns 0 or a negative reason. */
__separate int tunnel_set(struct __sk_buff *ctx, struct pkt *p)
{
	struct bpf_tunnel_key key = {};
	__u64 flags = 0;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	/* on the wire "host" is each node's own name for itself */
	key.tunnel_id = p->src_identity == ID_HOST ? ID_REMOTE_NODE : p->src_identity;
	/* only identities that mean the same on every node travel: the receiver knows nodes by their addresses */
	if (key.tunnel_id >> 24 == SCOPE_REMOTE_NODE)
		key.tunnel_id = ID_REMOTE_NODE;
	else if (key.tunnel_id >= 1 << 24 || key.tunnel_id == ID_WORLD_IPV4 ||
		 key.tunnel_id == ID_WORLD_IPV6)
		key.tunnel_id = ID_WORLD;
	key.tunnel_ttl = 64;
	if (addr_is_v4(&p->hop)) {
		key.remote_ipv4 = bpf_ntohl(p->hop.w[3]);
	} else {
		memcpy(key.remote_ipv6, &p->hop, sizeof(p->hop));
		flags = BPF_F_TUNINFO_IPV6;
	}
	p->vni = key.tunnel_id;
	/* a sum over the outer packet tells nothing that the inner one's does not */
	if (bpf_skb_set_tunnel_key(ctx, &key, sizeof(key), flags | BPF_F_ZERO_CSUM_TX))
		return -DROP_ERROR_WRITING_TO_PACKET;
	return 0;
}

/* Carries out p->action, or drops. @param ret 0 or a negative reason; a packet that was turned into an answer to its
 * sender counts as dropped for p->answered */
static __always_inline int act(struct __sk_buff *ctx, struct pkt *p, int ret)
{
	struct bpf_redir_neigh next = {};

	tell_verdict(ctx, p, ret);
	if (unlikely(ret < 0))
		return drop(ctx, p, -ret);
	if (unlikely(p->answered)) {
		count(p, p->answered);
		if (cfg.event_drop)
			event_write(ctx, p, EVENT_DROP, -(__s32)p->answered);
	} else {
		count(p, REASON_FORWARDED);
		if (p->tell)
			event_write(ctx, p, EVENT_TRACE, 0);
	}
	switch (p->action) {
	case TEST_PEER:
		test_note(ctx, p, TEST_PEER, p->answered);
		return bpf_redirect_peer(p->out, 0);
	case TEST_REDIRECT:
		mark_done(ctx);
		test_note(ctx, p, TEST_REDIRECT, p->answered);
		return bpf_redirect(p->out, 0);
	case TEST_NEIGHBOUR:
		mark_done(ctx);
		test_note(ctx, p, TEST_NEIGHBOUR, p->answered);
		if (addr_is_v4(&p->hop)) {
			next.nh_family = 2; /* AF_INET */
			next.ipv4_nh = p->hop.w[3];
		} else {
			next.nh_family = 10; /* AF_INET6 */
			memcpy(next.ipv6_nh, &p->hop, sizeof(p->hop));
		}
		return bpf_redirect_neigh(p->out, &next, sizeof(next), 0);
	}
	test_note(ctx, p, TEST_PASS, p->answered);
	return TC_ACT_OK;
}

#endif
