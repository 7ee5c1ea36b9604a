/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Layer 2 announcement: who on a link of the node asks for the address of a service that the node leads is told the
 * node's own link-layer address. An entry ends with its lease, so that a node whose agent is gone falls silent before
 * another speaks. */
#ifndef LIB_L2_H
#define LIB_L2_H

#include "../abi/l2.h"
#include "arp.h"
#include "nd.h"

/* State: it outlives programs, as leases do. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, L2_ENTRIES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct l2_key);
	__type(value, struct l2_entry);
} cilium_l2 SEC(".maps");

#define ND_SOLICITED_OVERRIDE 0x60000000
#define ND_OVERRIDE	      0x20000000

/* Is the address ours to answer for on this link? */
static __always_inline bool l2_leads(struct __sk_buff *ctx, const struct pkt *p,
				     const struct addr *addr)
{
	struct l2_key key = {.addr = *addr, .ifindex = ctx_read(ctx, ifindex)};
	struct l2_entry *entry = bpf_map_lookup_elem(&cilium_l2, &key);

	if (!entry || entry->until <= p->now)
		return false;
	__sync_fetch_and_add(&entry->answers, 1);
	return true;
}

static __always_inline int l2_transmit(struct __sk_buff *ctx, struct pkt *p)
{
	p->tell = 0;
	p->action = TEST_REDIRECT;
	p->out = ctx_read(ctx, ifindex);
	return 0;
}

static __always_inline int l2_arp(struct __sk_buff *ctx, struct pkt *p, const struct device *device)
{
	struct arp_packet *arp = pkt_pull(ctx, p, ETH_HLEN, sizeof(*arp));
	__be32 sender, target;
	struct eth_header *eth;
	struct addr addr = {};

	if (!arp || arp->hardware != bpf_htons(1) || arp->protocol != bpf_htons(ETH_P_IP) ||
	    arp->hardware_bytes != 6 || arp->protocol_bytes != 4 ||
	    arp->operation != bpf_htons(ARP_REQUEST))
		return 1;
	target = arp_address(arp->target);
	sender = arp_address(arp->sender);
	addr_set_v4(&addr, target);
	/* nobody is told of an address that it says it has itself */
	if (sender == target || !l2_leads(ctx, p, &addr))
		return 1;
	arp->operation = bpf_htons(ARP_REPLY);
	mac_copy(arp->target_mac, arp->sender_mac);
	memcpy(arp->target, &sender, 4);
	mac_copy(arp->sender_mac, device->mac.b);
	memcpy(arp->sender, &target, 4);
	eth = pkt_at(ctx, p, 0, sizeof(*eth));
	if (!eth)
		return -DROP_INVALID_PACKET;
	mac_copy(eth->dst, eth->src);
	mac_copy(eth->src, device->mac.b);
	return l2_transmit(ctx, p);
}

static __always_inline int l2_solicitation(struct __sk_buff *ctx, struct pkt *p,
					   const struct device *device)
{
	struct nd_answer answer = {.flags = ND_SOLICITED_OVERRIDE};
	struct eth_header *eth;
	struct addr target;
	int ret;

	if (p->tcp_flags != ICMP6_NEIGHBOUR_SOLICIT || p->ttl != ND_HOP_LIMIT ||
	    p->l4 != p->l3 + sizeof(struct ipv6hdr) || (p->flags & PKT_FRAGMENT) ||
	    p->length < sizeof(struct ipv6hdr) + sizeof(struct nd_message) ||
	    bpf_skb_load_bytes(ctx, p->l4 + sizeof(struct icmp_header), &target, sizeof(target)) ||
	    !l2_leads(ctx, p, &target))
		return 1;
	eth = pkt_at(ctx, p, 0, sizeof(*eth));
	if (!eth)
		return -DROP_INVALID_PACKET;
	mac_copy(answer.to.b, eth->src);
	answer.own = device->mac;
	p->key.dst = target;
	if (addr_is_zero(&p->key.src)) {
		/* somebody is about to take the address: all are told that it has been taken (RFC 4862) */
		answer.flags = ND_OVERRIDE;
		p->key.src.w[0] = bpf_htonl(0xff020000);
		p->key.src.w[3] = bpf_htonl(1);
		answer.to = (struct mac){.b = {0x33, 0x33, 0, 0, 0, 1}};
	}
	ret = nd_advertise(ctx, p, &answer);
	return ret ? ret : l2_transmit(ctx, p);
}

/* Returns 0 with p->action set when the question was answered, 1 when it is none of ours, or a negative reason. */
__separate int l2_answer(struct __sk_buff *ctx, struct pkt *p)
{
	const struct device *device;
	struct eth_header *eth;
	__u32 ifindex;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	eth = pkt_pull(ctx, p, 0, sizeof(*eth));
	if (!eth || ctx_read(ctx, vlan_present))
		return 1;
	ifindex = ctx_read(ctx, ifindex);
	device = bpf_map_lookup_elem(&cilium_devices, &ifindex);
	if (!device)
		return 1;
	if (cfg.enable_ipv4 && eth->proto == bpf_htons(ETH_P_ARP))
		return l2_arp(ctx, p, device);
	if (!cfg.enable_ipv6 || eth->proto != bpf_htons(ETH_P_IPV6))
		return 1;
	p->l3 = ETH_HLEN;
	if (ipv6_parse(ctx, p) || !nd_is_link_message(p))
		return 1;
	return l2_solicitation(ctx, p, device);
}

#endif
