// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Pods' devices: cil_from_container meets what a pod sends, cil_to_container what the node's stack sends to it.
 * Packets that other programs deliver go into the pod by redirection and meet neither. */
#include "lib/bpf.h"
#include "lib/pkt.h"
#include "lib/act.h"
#include "lib/arp.h"
#include "lib/eth.h"
#include "lib/nd.h"
#include "lib/walk.h"

#define IPPROTO_IGMP_ 2

static __always_inline int pod_send(struct __sk_buff *ctx, struct pkt *p,
				    const struct endpoint *row)
{
	bool check = cfg.source_check && !(row->flags & ENDPOINT_SKIP_SOURCE_CHECK);
	struct eth_header *eth = pkt_pull(ctx, p, 0, sizeof(*eth));
	const struct addr *own;
	bool to_node;
	__be16 proto;
	int ret;

	if (!eth)
		return -DROP_INVALID_PACKET;
	proto = eth->proto;
	if (ctx_read(ctx, vlan_present) || proto == bpf_htons(ETH_P_8021Q) ||
	    proto == bpf_htons(ETH_P_8021AD))
		return -DROP_VLAN_FILTERED;
	if (check && !mac_equal(eth->src, &row->mac))
		return -DROP_INVALID_SOURCE_MAC;
	to_node = mac_equal(eth->dst, &row->node_mac);
	if (!to_node && !(eth->dst[0] & 1))
		return -DROP_INVALID_DESTINATION_MAC;
	if (cfg.enable_ipv4 && proto == bpf_htons(ETH_P_ARP))
		return arp_from_pod(ctx, p, check);
	ret = eth_parse_ip(ctx, p, proto);
	if (ret)
		return ret;
	if (nd_is_link_message(p))
		return nd_from_pod(ctx, p, check);
	own = pkt_is_v6(p) ? &row->v6 : &row->v4;
	if (check && (!addr_equal(&p->key.src, own) || addr_is_zero(own)))
		return -DROP_INVALID_SOURCE_IP;
	if (p->key.proto == IPPROTO_IGMP_)
		return -DROP_IGMP_HANDLED;
	if (!to_node && !address_is_group(&p->key.dst))
		return -DROP_INVALID_DESTINATION_MAC;
	return walk(ctx, p);
}

SEC("tc")
int cil_from_container(struct __sk_buff *ctx)
{
	struct pkt p = {.hook = HOOK_FROM_CONTAINER, .dir = DIR_EGRESS};
	const struct endpoint *row;

	p.size = ctx_read(ctx, len);
	p.now = bpf_ktime_get_coarse_ns();
	p.epoch = epoch_now();
	row = endpoint_of_device(ctx_read(ctx, ifindex));
	if (!row)
		return act(ctx, &p, -DROP_EP_NOT_READY);
	p.src_identity = row->identity;
	p.src_endpoint = row->id;
	return act(ctx, &p, pod_send(ctx, &p, row));
}

static __always_inline int pod_receive(struct __sk_buff *ctx, struct pkt *p)
{
	struct eth_header *eth = pkt_pull(ctx, p, 0, sizeof(*eth));
	int ret;

	if (!eth)
		return -DROP_INVALID_PACKET;
	if (eth->proto == bpf_htons(ETH_P_ARP))
		return forward_stack(p, TRACE_TO_ENDPOINT);
	ret = eth_parse_ip(ctx, p, eth->proto);
	if (ret)
		return ret;
	if (nd_is_link_message(p))
		return p->tcp_flags == ICMP6_ROUTER_ADVERT || p->tcp_flags == ICMP6_REDIRECT
			       ? -DROP_FORBIDDEN_ICMPV6_MESSAGE
			       : forward_stack(p, TRACE_TO_ENDPOINT);
	return walk(ctx, p);
}

SEC("tc")
int cil_to_container(struct __sk_buff *ctx)
{
	struct pkt p = {.hook = HOOK_TO_CONTAINER, .dir = DIR_INGRESS};
	const struct endpoint *row;

	/* no mark is believed here: what other programs deliver does not come this way */
	p.size = ctx_read(ctx, len);
	p.now = bpf_ktime_get_coarse_ns();
	p.epoch = epoch_now();
	row = endpoint_of_device(ctx_read(ctx, ifindex));
	if (!row)
		return act(ctx, &p, -DROP_EP_NOT_READY);
	p.dst_identity = row->identity;
	p.dst_endpoint = row->id;
	return act(ctx, &p, pod_receive(ctx, &p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
