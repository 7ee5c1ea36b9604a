/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flow entries: finding one, keeping it alive, and its end. What an entry is stands in abi/flow.h. */
#ifndef LIB_FLOW_H
#define LIB_FLOW_H

#include "flow_before.h"
#include "flow_shard.h"
#include "maps.h"
#include "pkt.h"
#include "l4.h"

/* `expires` is written at most this often, so that busy flows do not fight for the cache line. */
#define FLOW_REFRESH_NS NS_PER_S

/* An entry of this layout, as it is. */
static __always_inline struct flow *flow_here(const struct flow_key *key)
{
	__u32 index = flow_shard_index(key);
	void *map = bpf_map_lookup_elem(&cilium_flows, &index);

	return map ? bpf_map_lookup_elem(map, key) : NULL;
}

static __always_inline struct flow *flow_find(const struct flow_key *key)
{
	__u32 index = flow_shard_index(key);
	void *map = bpf_map_lookup_elem(&cilium_flows, &index);
	struct flow *flow = map ? bpf_map_lookup_elem(map, key) : NULL;

	if (cfg.before_runs && !flow && map) {
		flow_take_over(key);
		flow = bpf_map_lookup_elem(map, key);
	}
	return flow;
}

/* The same, but not what is expired or condemned. */
static __always_inline struct flow *flow_find_live(const struct flow_key *key, __u64 now)
{
	struct flow *flow = flow_find(key);

	return flow && *(volatile __u64 *)&flow->expires > now ? flow : NULL;
}

/* Do packets that match `flow` leave with the tuple whose answers have `key`? */
static __always_inline bool flow_leads_to(const struct flow *flow, const struct flow_key *key)
{
	if (flow->to_dport != key->sport || !addr_equal(&flow->to_dst, &key->src))
		return false;
	/* the answers' source is another one than the asked: that of the service */
	if (unlikely((flow->flags & (FLOW_SERVED | FLOW_REVERSE)) == (FLOW_SERVED | FLOW_REVERSE)))
		return !addr_equal(&flow->to_src, &key->dst);
	return flow->to_sport == key->dport && addr_equal(&flow->to_src, &key->dst);
}

static __always_inline void flow_key_reverse(const struct flow_key *key, struct flow_key *to)
{
	to->src = key->dst;
	to->dst = key->src;
	to->sport = key->dport;
	to->dport = key->sport;
	to->proto = key->proto;
	to->zone = key->zone;
	to->pad = 0;
}

/* Deletes one entry if it is still there. */
static __always_inline void flow_delete(const struct flow_key *key, __u32 answered)
{
	__u32 index = flow_shard_index(key);
	void *map = bpf_map_lookup_elem(&cilium_flows, &index);

	if (map && !bpf_map_delete_elem(map, key))
		shard_add(index, -1, answered ? 0 : -1);
}

/* Ends a flow whose entry was seen with `expires`: condemns it, then deletes both entries. False: somebody has kept it
 * alive or ended it in the meantime. */
static __noinline __attribute__((unused)) bool flow_kill(const struct flow_key *key,
							 struct flow *flow, __u64 expires)
{
	struct flow_key peer_key;
	struct flow *peer;

	if (!expires || __sync_val_compare_and_swap(&flow->expires, expires, FLOW_DEAD) != expires)
		return false;
	flow_peer_key(key, flow, &peer_key);
	/* of the layout before they come in pairs; and this is as deep as calls may go */
	peer = flow_here(&peer_key);
	/* the other key may have become another flow's */
	if (peer && flow_leads_to(peer, key)) {
		__sync_lock_test_and_set(&peer->expires, FLOW_DEAD);
		flow_delete(&peer_key, peer->answered);
	}
	flow_delete(key, flow->answered);
	return true;
}

static __always_inline __u64 flow_lifetime(const struct flow *flow, __u8 proto)
{
	__u32 seconds;

	if (proto == IPPROTO_TCP)
		seconds = flow->state == FLOW_ESTABLISHED ? cfg.tcp_established_s
			  /* nobody has seen whether the other side has finished, too */
			  : flow->state == FLOW_CLOSING && !(flow->flags & FLOW_DSR)
				  ? cfg.tcp_closing_s
				  : cfg.tcp_opening_s;
	else
		seconds = flow->answered ? cfg.any_established_s : cfg.any_opening_s;
	return seconds * NS_PER_S;
}

/* Moves `expires` unless the entry has been condemned. */
static __always_inline void flow_extend(struct flow *flow, __u64 until)
{
	__u64 seen = *(volatile __u64 *)&flow->expires;

	if (seen != FLOW_DEAD)
		__sync_val_compare_and_swap(&flow->expires, seen, until);
}

static __always_inline void flow_set_answered(const struct flow_key *key, struct flow *flow)
{
	if (!__sync_val_compare_and_swap(&flow->answered, 0, 1))
		shard_add(flow_shard_index(key), 0, -1);
}

/* What a packet means for the life of its flow, when it means more than "still here": the first answer, the steps of
 * a TCP connection, a second gone by. Keeps both entries alike.
 * A TCP connection counts as answered when each side has acknowledged the other: a flood of SYNs that a server
 * answers stays unanswered. Of a flow whose answers go another way only the client's side is seen, and counts alone if it
 * was seen from the beginning: whoever sends what belongs to nothing has the room of the unanswered. */
__separate int flow_progress(struct pkt *p, struct flow *flow)
{
	struct flow_key peer_key;
	bool answered, tcp, alone;
	struct flow *peer;
	__u8 flags, state;
	__u64 until;

	if (!p || !flow)
		return 0;
	tcp = p->key.proto == IPPROTO_TCP;
	alone = flow->flags & FLOW_DSR;
	flags = p->tcp_flags;
	state = flow->state;
	flow_peer_key(&p->key, flow, &peer_key);
	peer = flow_find(&peer_key);
	if (peer && !flow_leads_to(peer, &p->key))
		peer = NULL;

	if (tcp && !(p->flags & PKT_LATER_FRAGMENT)) {
		flow->tcp_flags |= flags;
		answered =
			(flags & (TCP_ACK | TCP_SYN)) == TCP_ACK &&
			(alone ? flow->tcp_flags & TCP_SYN : peer && (peer->tcp_flags & TCP_ACK));
		if (flags & TCP_RST)
			state = FLOW_CLOSING;
		else if ((flow->tcp_flags & TCP_FIN) &&
			 (alone || (peer && (peer->tcp_flags & TCP_FIN))))
			state = FLOW_CLOSING;
		else if (state == FLOW_OPENING && answered)
			state = FLOW_ESTABLISHED;
	} else {
		answered = !tcp && (flow->flags & FLOW_REVERSE);
	}
	if (answered) {
		flow_set_answered(&p->key, flow);
		if (peer)
			flow_set_answered(&peer_key, peer);
	}
	flow->state = state;
	until = p->now + flow_lifetime(flow, p->key.proto);
	flow_extend(flow, until);
	if (peer) {
		peer->state = state;
		flow_extend(peer, until);
	}
	return 0;
}

/* Counts a packet and keeps its flow alive. */
static __always_inline void flow_touch(struct pkt *p, struct flow *flow)
{
	__u64 until = p->now + flow_lifetime(flow, p->key.proto);
	bool tcp = p->key.proto == IPPROTO_TCP;

	flow->packets++;
	flow->bytes += p->size;
	if ((__s64)(until - flow->expires) >= (__s64)FLOW_REFRESH_NS ||
	    (tcp && (flow->state == FLOW_OPENING || (p->tcp_flags & (TCP_FIN | TCP_RST)))) ||
	    (!tcp && !flow->answered && (flow->flags & FLOW_REVERSE)))
		flow_progress(p, flow);
}

/* Does this packet begin a new connection on the tuple of one that has ended? */
static __always_inline bool flow_is_reopened(const struct pkt *p, const struct flow *flow)
{
	return flow->state == FLOW_CLOSING &&
	       (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
	       p->key.proto == IPPROTO_TCP;
}

#endif
