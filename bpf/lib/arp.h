/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ARP (RFC 826) with pods: the gateway's address is answered from here, a pod's answers to the node go to the stack,
 * and nothing else passes. */
#ifndef LIB_ARP_H
#define LIB_ARP_H

#include "eth.h"
#include "endpoint.h"

#define ARP_REQUEST 1
#define ARP_REPLY   2

struct arp_packet {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_bytes;
	__u8 protocol_bytes;
	__be16 operation;
	__u8 sender_mac[6];
	__be16 sender[2];
	__u8 target_mac[6];
	__be16 target[2];
};

static __always_inline __be32 arp_address(const __be16 *at)
{
	__be32 v4;

	memcpy(&v4, at, sizeof(v4));
	return v4;
}

/* Returns 0 with p->action set, or a negative reason. */
__separate int arp_from_pod(struct __sk_buff *ctx, struct pkt *p, bool check)
{
	const struct endpoint *row = endpoint_of_device(ctx_read(ctx, ifindex));
	__be32 sender, gateway = cfg.host_v4.w[3];
	struct eth_header *eth;
	struct arp_packet *arp;

	if (!p || !row)
		return -DROP_INVALID_TC_BUFFER;
	arp = pkt_pull(ctx, p, ETH_HLEN, sizeof(*arp));
	if (!arp || arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETH_P_IP) ||
	    arp->hardware_bytes != 6 || arp->protocol_bytes != 4)
		return -DROP_INVALID_PACKET;
	sender = arp_address(arp->sender);
	addr_set_v4(&p->key.src, sender);
	addr_set_v4(&p->key.dst, arp_address(arp->target));
	if (check && !mac_equal(arp->sender_mac, &row->mac))
		return -DROP_INVALID_SOURCE_MAC;
	/* a probe for its own address has no sender yet (RFC 5227) */
	if (check && sender && sender != row->v4.w[3])
		return -DROP_INVALID_SOURCE_IP;
	if (arp->operation == bpf_htons(ARP_REPLY)) {
		p->point = TRACE_TO_STACK;
		p->action = TEST_PASS;
		return 0;
	}
	if (arp->operation != bpf_htons(ARP_REQUEST))
		return -DROP_INVALID_PACKET;
	if (!sender || arp_address(arp->target) != gateway)
		return -DROP_UNKNOWN_L3_TARGET_ADDRESS;

	arp->operation = bpf_htons(ARP_REPLY);
	mac_copy(arp->target_mac, arp->sender_mac);
	memcpy(arp->target, &sender, 4);
	mac_copy(arp->sender_mac, row->node_mac.b);
	memcpy(arp->sender, &gateway, 4);
	eth = pkt_at(ctx, p, 0, sizeof(*eth));
	if (!eth)
		return -DROP_INVALID_PACKET;
	mac_copy(eth->dst, eth->src);
	mac_copy(eth->src, row->node_mac.b);
	p->point = TRACE_TO_ENDPOINT;
	p->action = TEST_PEER;
	p->out = ctx_read(ctx, ifindex);
	return 0;
}

#endif
