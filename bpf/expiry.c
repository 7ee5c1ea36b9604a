// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Expiry of flows: a kernel timer that walks one shard a tick. It needs no process once started and touches state maps
 * only, so that it outlives the generation of programs that it was loaded with. */
#include "lib/bpf.h"
#include "lib/flow.h"
#include "lib/maps.h"

struct walk {
	__u64 now;
	__u32 entries;
	__u32 unanswered;
	__u32 expired;
};

/* Should this entry go? Each half of a pair is kept alive by the packets of either direction (flow_progress), so the
 * one that expires later speaks for both. */
static __always_inline void expire(const struct flow_key *key, struct flow *flow, struct walk *walk)
{
	__u64 seen = *(volatile __u64 *)&flow->expires, later;
	struct flow_key peer_key;
	struct flow *peer;

	if (seen > walk->now)
		return;
	/* condemned by a packet that could not delete it */
	if (seen == FLOW_DEAD) {
		flow_delete(key, flow->answered);
		return;
	}
	flow_peer_key(key, flow, &peer_key);
	peer = flow_find(&peer_key);
	if (peer && flow_leads_to(peer, key)) {
		later = *(volatile __u64 *)&peer->expires;
		if (later > walk->now) {
			flow_extend(flow, later);
			return;
		}
	}
	if (flow_kill(key, flow, seen))
		walk->expired++;
}

static long shard_visit(void *map, struct flow_key *at, struct flow *flow, struct walk *walk)
{
	struct flow_key key = *at;

	walk->entries++;
	if (!flow->answered)
		walk->unanswered++;
	expire(&key, flow, walk);
	return 0;
}

/* Walks one shard; then its counts are what was seen, plus what packets have changed meanwhile: small errors, from
 * CPUs that met in the middle, do not add up. */
static __noinline int shard_walk(__u32 index)
{
	struct flow_shard *shard = bpf_map_lookup_elem(&cilium_shards, &index);
	void *map = bpf_map_lookup_elem(&cilium_flows, &index);
	struct walk walk = {.now = bpf_ktime_get_coarse_ns()};
	__s32 flows, unanswered;

	if (!shard || !map)
		return 0;
	flows = shard->flows;
	unanswered = shard->unanswered;
	bpf_for_each_map_elem(map, shard_visit, &walk, 0);
	__sync_fetch_and_add(&shard->flows, (__s32)walk.entries - flows);
	__sync_fetch_and_add(&shard->unanswered, (__s32)walk.unanswered - unanswered);
	shard->expired += walk.expired;
	return 0;
}

static int tick(void *map, __u32 *key, struct timer_row *row)
{
	struct flow_timer *clock = &row->clock;
	__u32 urgent = clock->urgent;

	clock->ticks++;
	clock->last = bpf_ktime_get_coarse_ns();
	if (urgent) {
		shard_walk(urgent - 1);
		clock->urgent = 0;
	} else {
		shard_walk(clock->next & (cfg.flow_shards - 1));
		clock->next = (clock->next + 1) & (cfg.flow_shards - 1);
	}
	bpf_timer_start(&row->timer, cfg.timer_interval_ms * 1000000ULL, 0);
	return 0;
}

/* Run once by BPF_PROG_TEST_RUN when a generation is loaded: starts the timer, or makes a running one use this
 * generation's code. */
SEC("tc")
int cil_expiry_start(struct __sk_buff *ctx)
{
	__u32 zero = 0;
	struct timer_row *row = bpf_map_lookup_elem(&cilium_timer, &zero);
	long ret;

	if (!row)
		return -1;
	/* EBUSY: another generation has made it */
	ret = bpf_timer_init(&row->timer, &cilium_timer, 1 /* CLOCK_MONOTONIC */);
	if (ret && ret != -16)
		return ret;
	row->clock.shards = cfg.flow_shards;
	row->clock.interval_ms = cfg.timer_interval_ms;
	ret = bpf_timer_set_callback(&row->timer, tick);
	if (ret)
		return ret;
	return bpf_timer_start(&row->timer, cfg.timer_interval_ms * 1000000ULL, 0);
}

/* Walks one shard at once: for tests, with the shard's number in cb[0]. */
SEC("tc")
int cil_expiry_walk(struct __sk_buff *ctx)
{
	return shard_walk(ctx->cb[0] & (cfg.flow_shards - 1));
}

static long before_visit(void *map, struct flow_key *at, void *flow, void *context)
{
	struct flow_key key = *at;

	if (cfg.before_runs)
		flow_take_over(&key);
	return 0;
}

/* Takes over the flows of one shard of the layout before: run by BPF_PROG_TEST_RUN with the shard's number in cb[0]. */
SEC("tc")
int cil_take_over(struct __sk_buff *ctx)
{
	__u32 index = ctx->cb[0] & (FLOW_SHARDS_MAX - 1);
	void *before;

	if (!cfg.before_runs)
		return -1;
	before = bpf_map_lookup_elem(&cilium_before, &index);
	return before ? bpf_for_each_map_elem(before, before_visit, NULL, 0) : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
