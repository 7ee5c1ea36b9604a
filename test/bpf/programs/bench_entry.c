// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Gives a program the same packet again and again: a repeated test run keeps what each run has changed. What this costs
 * by itself is measured with a program that does nothing. */
#include "lib/bpf.h"

#define HEADER_BYTES 128

struct again {
	__u8 bytes[HEADER_BYTES];
	struct addr remote; /* of tunnel metadata; zero: none */
	__u32 id;
	__u32 length;  /* bytes to restore */
	__u32 port_at; /* place of a port that grows with every run; 0: none */
	__u32 port;
	__u32 ingress_ifindex;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct again);
} again SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

SEC("tc")
int bench_entry(struct __sk_buff *ctx)
{
	struct bpf_tunnel_key key = {};
	__u32 zero = 0, length;
	struct again *a = bpf_map_lookup_elem(&again, &zero);
	__be16 port;

	if (!a)
		return TC_ACT_UNSPEC;
	length = a->length;
	if (length < 14 || length > HEADER_BYTES)
		return TC_ACT_UNSPEC;
	ctx->mark = 0;
	if (bpf_skb_store_bytes(ctx, 0, a->bytes, length, 0))
		return TC_ACT_UNSPEC;
	if (a->port_at) {
		port = bpf_htons(a->port++);
		bpf_skb_store_bytes(ctx, a->port_at, &port, sizeof(port), 0);
	}
	if (!addr_is_zero(&a->remote)) {
		key.tunnel_id = a->id;
		key.local_ipv4 = bpf_ntohl(a->remote.w[3]);
		bpf_skb_set_tunnel_key(ctx, &key, sizeof(key), 0);
	}
	bpf_tail_call(ctx, &target, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int bench_nothing(struct __sk_buff *ctx)
{
	return TC_ACT_OK;
}

char _license[] SEC("license") = "Dual BSD/GPL";
