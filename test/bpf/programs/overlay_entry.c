// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Gives a packet of a test run what only a tunnel device can: tunnel metadata. Then goes on as the real program. */
#include "lib/bpf.h"

struct entry {
	struct addr remote; /* the node that sent it */
	__u32 id;
	__u32 program; /* slot of the program to go on with */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct entry);
} entries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

SEC("tc")
int overlay_entry(struct __sk_buff *ctx)
{
	__u32 zero = 0;
	struct entry *entry = bpf_map_lookup_elem(&entries, &zero);
	struct bpf_tunnel_key key = {};
	__u64 flags = 0;

	if (!entry)
		return TC_ACT_UNSPEC;
	key.tunnel_id = entry->id;
	if (addr_is_v4(&entry->remote)) {
		key.local_ipv4 = bpf_ntohl(entry->remote.w[3]);
	} else {
		memcpy(key.local_ipv6, &entry->remote, sizeof(entry->remote));
		flags = BPF_F_TUNINFO_IPV6;
	}
	if (bpf_skb_set_tunnel_key(ctx, &key, sizeof(key), flags))
		return TC_ACT_UNSPEC;
	bpf_tail_call(ctx, &programs, entry->program);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
