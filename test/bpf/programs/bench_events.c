// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writes the same event with every run and does nothing else: what a reader is given when packets are no limit. It
 * writes and counts as lib/event.h does, into the rings of the node that it is loaded beside. */
#include "lib/bpf.h"
#include "abi/event.h"

struct event_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENT_RING_BYTES_MIN);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, EVENT_RINGS_MAX);
	__type(key, __u32);
	__array(values, struct event_ring);
} cilium_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_count);
} cilium_evcount SEC(".maps");

struct flood {
	struct event event;
	__u32 rings; /* a power of two */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flood);
} flood SEC(".maps");

SEC("tc")
int bench_events(struct __sk_buff *ctx)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id(), index;
	struct event_count *count = bpf_map_lookup_elem(&cilium_evcount, &zero);
	struct flood *f = bpf_map_lookup_elem(&flood, &zero);
	struct event *event;
	void *ring;

	if (!count || !f)
		return TC_ACT_UNSPEC;
	index = cpu & (f->rings - 1);
	ring = bpf_map_lookup_elem(&cilium_events, &index);
	if (!ring)
		return TC_ACT_UNSPEC;
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event) {
		count->lost++;
		return TC_ACT_UNSPEC;
	}
	count->written++;
	memcpy(event, &f->event, sizeof(*event));
	event->time = bpf_ktime_get_boot_ns();
	event->cpu = cpu;
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
