// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames for measuring XDP programs: the same one again and again, for a program in a test run (bench_frame) or out of
 * a device as if from a wire (bench_send, with live frames); and the least that can be done with one. */
#include "lib/bpf.h"

#define FRAME_BYTES 128

struct frame {
	__u64 words[FRAME_BYTES / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame);
} frame SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

static __always_inline bool frame_write(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, i;
	struct frame *from = bpf_map_lookup_elem(&frame, &zero), *to = data;

	if (!from || (void *)(to + 1) > end)
		return false;
#pragma unroll
	for (i = 0; i < FRAME_BYTES / 8; i++)
		to->words[i] = from->words[i];
	return true;
}

SEC("xdp")
int bench_frame(struct xdp_md *ctx)
{
	if (frame_write(ctx))
		bpf_tail_call(ctx, &target, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int bench_send(struct xdp_md *ctx)
{
	return frame_write(ctx) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int bench_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int bench_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
