/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All maps. State (flows, shards, timer, fragments, counters, events, epoch) is pinned by layout and shared by all
 * generations of programs; configuration (endpoints, addresses, devices) is made anew by each. */
#ifndef LIB_MAPS_H
#define LIB_MAPS_H

#include "address_maps.h"
#include "bpf.h"
#include "../abi/address.h"
#include "../abi/counter.h"
#include "../abi/endpoint.h"
#include "../abi/event.h"
#include "../abi/flow.h"
#include "../abi/test.h"

/* Pods of this node by slot, and the node's own stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ENDPOINT_SLOTS + 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, struct endpoint);
} cilium_lxc SEC(".maps");

/* Devices of the node through which packets leave. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DEVICES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, struct device);
} cilium_devices SEC(".maps");

/* Moved whenever a known address changes or loses its identity: every verdict is then computed again. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cilium_epoch SEC(".maps");

struct flow_shard_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOW_SHARD_ENTRIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow);
};

/* Without a variable of the type, the compiler leaves the inner map's value out of BTF. */
static const volatile struct flow flow_layout __attribute__((used));

/* Flows, both entries of each, spread over shards by a hash of the key. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, FLOW_SHARDS_MAX);
	__type(key, __u32);
	__array(values, struct flow_shard_map);
} cilium_flows SEC(".maps");

/* Fill of each shard. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOW_SHARDS_MAX);
	__type(key, __u32);
	__type(value, struct flow_shard);
} cilium_shards SEC(".maps");

struct timer_row {
	struct bpf_timer timer;
	struct flow_timer clock;
};

/* The clock that expires flows, one row; runs without a process as long as this map is pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timer_row);
} cilium_timer SEC(".maps");

/* Datagrams in pieces. The oldest make room: a piece without an entry is reassembled by the stack, not lost. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FRAGMENTS_MAX);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} cilium_frags SEC(".maps");

/* Packets and bytes by reason and direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_SLOTS);
	__type(key, __u32);
	__type(value, struct counter);
} cilium_metrics SEC(".maps");

struct event_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENT_RING_BYTES_MIN);
};

/* Rings of struct event, one for each group of CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, EVENT_RINGS_MAX);
	__type(key, __u32);
	__array(values, struct event_ring);
} cilium_events SEC(".maps");

/* Events written and lost. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_count);
} cilium_evcount SEC(".maps");

/* What a packet test reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct test_record);
} cilium_test SEC(".maps");

static __always_inline __u32 epoch_now(void)
{
	__u32 zero = 0, *epoch = bpf_map_lookup_elem(&cilium_epoch, &zero);

	/* verifier: it does not know that row 0 exists → a value that no flow has */
	return epoch ? *epoch : ~0U;
}

#endif
