// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the kernel door's own tests load: one map of each kind, a configuration struct, one program per way in. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

struct config {
	__u32 action;
	__u32 mark;
	__u8 use_extra;
	__u8 pad[3];
	__u64 cookie;
};

const volatile struct config cfg = {.action = TC_ACT_OK};

struct pair_key {
	__be32 address;
	__be16 port;
	__u8 protocol;
	__u8 pad;
};

struct pair_value {
	__u64 packets;
	__u32 tag;
	__u32 pad;
};

struct record {
	__u64 sequence;
	__u32 value;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct pair_key);
	__type(value, struct pair_value);
} kd_pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} kd_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct pair_value);
} kd_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000000);
	__type(key, __u32);
	__type(value, __u64);
} kd_extra SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} kd_events SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} kd_shards SEC(".maps");

/* Counts the packet and returns the configured action, the mark set. */
SEC("tc")
int basic_tc(struct __sk_buff *skb)
{
	__u32 slot = 0;
	__u64 *count = bpf_map_lookup_elem(&kd_counts, &slot);

	if (count)
		*count += 1;
	if (cfg.use_extra) {
		__u64 *extra = bpf_map_lookup_elem(&kd_extra, &slot);

		if (extra)
			__sync_fetch_and_add(extra, 1);
	}
	skb->mark = cfg.mark;
	skb->cb[0] = (__u32)cfg.cookie;
	return cfg.action;
}

/* Emits as many records as the mark says, without waking a reader; with cb[0] every second is given up.
 * Returns how many found room. */
SEC("tc")
int basic_emit(struct __sk_buff *skb)
{
	__u32 n = skb->mark;

	for (__u32 i = 0; i < 512; i++) {
		struct record *record;

		if (i >= n)
			break;
		record = bpf_ringbuf_reserve(&kd_events, sizeof(*record), 0);
		if (!record)
			return (int)i;
		record->sequence = i;
		record->value = i * 3;
		record->pad = 0;
		if (skb->cb[0] && i % 2)
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		else
			bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	}
	return (int)n;
}

/* Looks a key up in the inner map that slot `mark` holds; returns its value or 100. */
SEC("tc")
int basic_shard(struct __sk_buff *skb)
{
	__u32 slot = skb->mark, key = 7;
	void *shard = bpf_map_lookup_elem(&kd_shards, &slot);
	__u32 *value;

	if (!shard)
		return 100;
	value = bpf_map_lookup_elem(shard, &key);
	return value ? (int)*value : 101;
}

SEC("tc")
int basic_drop(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

SEC("xdp")
int basic_xdp(struct xdp_md *xdp)
{
	return XDP_PASS;
}

SEC("cgroup/connect4")
int basic_connect(struct bpf_sock_addr *address)
{
	return 1;
}

struct request {
	__u64 left;
	__u64 right;
	__u64 sum;
};

SEC("syscall")
int basic_add(struct request *request)
{
	request->sum = request->left + request->right;
	return 5;
}

char _license[] SEC("license") = "Dual BSD/GPL";
