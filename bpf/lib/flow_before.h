/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows in the layout of the generation before. While a layout changes, and until all its flows have been taken over,
 * whoever misses a flow asks here: both entries of its pair are then copied, field by field, and condemned where they
 * were. Old programs do not run any more by then (docs/decisions/layout-change.md).
 */
#ifndef LIB_FLOW_BEFORE_H
#define LIB_FLOW_BEFORE_H

#include "flow_shard.h"
#include "maps.h"

/* The real map's size of values is found when the object is loaded. */
struct flow_before_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_SHARD_ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, __u64);
};

/* Shards of the layout before; made only where there is one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FLOW_SHARDS_MAX);
	__type(key, __u32);
	__array(values, struct flow_before_map);
} cilium_before SEC(".maps");

/* An entry on its way from one layout to the other, and its pair's key: the stack of older kernels has no room left. */
struct flow_moving {
	struct flow flow;
	struct flow_key peer;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_moving);
} cilium_moving SEC(".maps");

/* Copies one run of bytes, in words where they lie so. */
static __always_inline void flow_copy_run(void *to, const void *from, __u32 bytes, bool words)
{
	__u32 i;

	if (words) {
		for (i = 0; i + 4 <= bytes && i + 4 <= sizeof(struct flow); i += 4)
			*(__u32 *)(to + i) = *(const volatile __u32 *)(from + i);
		return;
	}
	for (i = 0; i < bytes && i < sizeof(struct flow); i++)
		*(__u8 *)(to + i) = *(const volatile __u8 *)(from + i);
}

/* Copies one entry, if it is there and alive. Returns it in its new layout, in scratch. */
static __noinline bool flow_take_over_one(const struct flow_key *key)
{
	__u32 index = flow_shard_index(key), zero = 0, run;
	void *before = bpf_map_lookup_elem(&cilium_before, &index);
	void *map = bpf_map_lookup_elem(&cilium_flows, &index);
	struct flow_moving *moving = bpf_map_lookup_elem(&cilium_moving, &zero);
	struct flow *flow;
	void *old;

	if (!before || !map || !moving)
		return false;
	flow = &moving->flow;
	old = bpf_map_lookup_elem(before, key);
	if (!old || *(volatile __u64 *)old == FLOW_DEAD)
		return false;
	memset(flow, 0, sizeof(*flow));
	for (run = 0; run < LAYOUT_RUNS_MAX && run < cfg.before_runs; run++) {
		__u32 from = cfg.before_from[run], to = cfg.before_to[run];
		__u32 bytes = cfg.before_bytes[run];

		if (to + bytes > sizeof(*flow))
			return false;
		flow_copy_run((void *)flow + to, old + from, bytes, !((from | to | bytes) & 3));
	}
	flow->expires = *(volatile __u64 *)old;
	/* EEXIST: another CPU was faster */
	if (!bpf_map_update_elem(map, key, flow, BPF_NOEXIST))
		shard_add(index, 1, flow->answered ? 0 : 1);
	__sync_lock_test_and_set((__u64 *)old, FLOW_DEAD);
	return true;
}

/* Brings the pair of this key over. Whoever asked looks again, whatever comes of it: another CPU may be at it. */
static __noinline int flow_take_over(const struct flow_key *key)
{
	struct flow_moving *moving;
	__u32 zero = 0;

	if (!flow_take_over_one(key))
		return 0;
	moving = bpf_map_lookup_elem(&cilium_moving, &zero);
	if (!moving)
		return 0;
	flow_peer_key(key, &moving->flow, &moving->peer);
	flow_take_over_one(&moving->peer);
	return 1;
}

#endif
