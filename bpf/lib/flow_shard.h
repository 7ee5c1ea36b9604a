/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which shard a flow's entry is in, the key of its other half, and how full a shard is. */
#ifndef LIB_FLOW_SHARD_H
#define LIB_FLOW_SHARD_H

#include "maps.h"

/* Spreads keys over shards: a sum of products, mixed. The map inside hashes again, with a seed of its own. */
static __always_inline __u32 flow_shard_index(const struct flow_key *key)
{
	const __u64 *w = (const void *)key;
	__u64 h = w[0] * 0x9e3779b97f4a7c15ULL + w[1] * 0xc2b2ae3d27d4eb4fULL +
		  w[2] * 0x165667b19e3779f9ULL + w[3] * 0x27d4eb2f165667c5ULL +
		  w[4] * 0x85ebca77c2b2ae63ULL;

	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return (h >> 32) & (cfg.flow_shards - 1);
}

/* Key of the other entry of a pair. */
static __always_inline void flow_peer_key(const struct flow_key *key, const struct flow *flow,
					  struct flow_key *peer)
{
	if (unlikely(flow->flags & FLOW_SERVED)) {
		peer->src = key->dst;
		peer->dst = key->src;
		peer->sport = key->dport;
		peer->dport = key->sport;
		peer->proto = key->proto;
		peer->zone = flow->peer_zone;
		peer->pad = 0;
		return;
	}
	peer->src = flow->to_dst;
	peer->dst = flow->to_src;
	peer->sport = flow->to_dport;
	peer->dport = flow->to_sport;
	peer->proto = key->proto;
	peer->zone = flow->peer_zone;
	peer->pad = 0;
}

static __always_inline void shard_add(__u32 index, __s32 flows, __s32 unanswered)
{
	struct flow_shard *shard = bpf_map_lookup_elem(&cilium_shards, &index);

	if (!shard)
		return;
	if (flows)
		__sync_fetch_and_add(&shard->flows, flows);
	if (unanswered)
		__sync_fetch_and_add(&shard->unanswered, unanswered);
}

#endif
