// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the tests of the packet test rig itself load. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "abi/reason.h"
#include "abi/test.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct test_record);
} cilium_test SEC(".maps");

static struct test_record *test_record(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cilium_test, &zero);
}

/* Notes a redirect to where the packet came from through a tunnel, and takes one from its TTL, not its checksum. */
SEC("tc")
int rig_echo(struct __sk_buff *skb)
{
	struct test_record *record = test_record();
	__u8 ttl;

	if (!record || bpf_skb_load_bytes(skb, 22, &ttl, 1))
		return TC_ACT_SHOT;
	ttl--;
	bpf_skb_store_bytes(skb, 22, &ttl, 1, 0);
	record->action = TEST_REDIRECT;
	record->ifindex = skb->ifindex;
	record->tunnel.w[2] = bpf_htonl(0xffff);
	record->tunnel.w[3] = bpf_htonl(0xc0000209);
	record->tunnel_id = skb->mark;
	skb->mark++;
	return TC_ACT_OK;
}

SEC("tc")
int rig_silent(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

SEC("tc")
int rig_drop(struct __sk_buff *skb)
{
	struct test_record *record = test_record();

	if (record) {
		record->action = TEST_DROP;
		record->reason = DROP_POLICY_DENIED;
	}
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
