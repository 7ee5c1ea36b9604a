// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ways to keep flows, side by side: what a look-up, an insertion and a walk cost (docs/decisions/flow-shards.md). */
#include "lib/bpf.h"
#include "abi/flow.h"

#define SHARDS	64
#define ENTRIES (SHARDS * FLOW_SHARD_ENTRIES)

struct shard {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_SHARD_ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow);
};

static const volatile struct flow flow_layout __attribute__((used));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, SHARDS);
	__type(key, __u32);
	__array(values, struct shard);
} shards SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow);
} one SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, struct flow_key);
	__type(value, struct flow);
} recent SEC(".maps");

struct work {
	__u32 flows; /* a power of two: how many there are */
	__u32 next;
	struct flow flow;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} works SEC(".maps");

static __always_inline void key_of(struct flow_key *key, __u32 n)
{
	n *= 2654435761u; /* all over the table, so that caches do not help more than they would */
	addr_set_v4(&key->src, bpf_htonl(0x0a000000 | (n & 0xffff)));
	addr_set_v4(&key->dst, bpf_htonl(0x0a800000 | (n >> 16)));
	key->sport = n;
	key->dport = bpf_htons(443);
	key->proto = IPPROTO_TCP;
	key->zone = 0;
	key->pad = 0;
}

static __always_inline void *shard_of(const struct flow_key *key)
{
	const __u64 *w = (const void *)key;
	__u64 h = w[0] * 0x9e3779b97f4a7c15ULL + w[1] * 0xc2b2ae3d27d4eb4fULL +
		  w[2] * 0x165667b19e3779f9ULL + w[3] * 0x27d4eb2f165667c5ULL +
		  w[4] * 0x85ebca77c2b2ae63ULL;
	__u32 index;

	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	index = (h >> 32) & (SHARDS - 1);
	return bpf_map_lookup_elem(&shards, &index);
}

static __always_inline struct work *work_of(struct flow_key *key)
{
	__u32 zero = 0;
	struct work *work = bpf_map_lookup_elem(&works, &zero);

	if (work)
		key_of(key, work->next++ & (work->flows - 1));
	return work;
}

#define WAY(name, map_of)                                                                          \
	SEC("tc") int find_##name(struct __sk_buff *ctx)                                           \
	{                                                                                          \
		struct flow_key key;                                                               \
		struct work *work = work_of(&key);                                                 \
		void *map = work ? map_of : NULL;                                                  \
		struct flow *flow = map ? bpf_map_lookup_elem(map, &key) : NULL;                   \
                                                                                                   \
		if (!flow)                                                                         \
			return 1;                                                                  \
		flow->packets++;                                                                   \
		return 0;                                                                          \
	}                                                                                          \
	SEC("tc") int add_##name(struct __sk_buff *ctx)                                            \
	{                                                                                          \
		struct flow_key key;                                                               \
		struct work *work = work_of(&key);                                                 \
		void *map = work ? map_of : NULL;                                                  \
                                                                                                   \
		return map ? bpf_map_update_elem(map, &key, &work->flow, BPF_ANY) : 1;             \
	}

WAY(shards, shard_of(&key))
WAY(one, &one)
WAY(recent, &recent)

SEC("tc")
int find_nothing(struct __sk_buff *ctx)
{
	struct flow_key key;
	struct work *work = work_of(&key);

	/* the key has to be made, or the comparison would be with nothing */
	return work ? key.sport == 1 : 1;
}

static long visit(void *map, struct flow_key *key, struct flow *flow, __u64 *now)
{
	if (flow->expires > *now)
		(*now)++;
	return 0;
}

SEC("tc")
int walk_shard(struct __sk_buff *ctx)
{
	__u32 index = ctx->cb[0] & (SHARDS - 1);
	void *map = bpf_map_lookup_elem(&shards, &index);
	__u64 now = 0;

	if (map)
		bpf_for_each_map_elem(map, visit, &now, 0);
	return 0;
}

SEC("tc")
int walk_one(struct __sk_buff *ctx)
{
	__u64 now = 0;

	bpf_for_each_map_elem(&one, visit, &now, 0);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
