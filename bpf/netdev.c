// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The node's own devices: cil_from_netdev meets what comes from the wire, cil_to_netdev what the node's stack sends.
 * Packets that pods sent and other programs have decided come by cil_to_netdev too, marked as done. */
#include "lib/bpf.h"
#include "lib/pkt.h"
#include "lib/act.h"
#include "lib/dsr_receive.h"
#include "lib/eth.h"
#include "lib/nd.h"
#include "lib/l2.h"
#include "lib/walk.h"

/* What is not for a pod, and not the answer to something of ours, is the stack's: malformed or not. */
static __always_inline int stack_has_it(struct pkt *p, enum trace_point point)
{
	p->tell = 0;
	return forward_stack(p, point);
}

static __always_inline bool netdev_parse(struct __sk_buff *ctx, struct pkt *p)
{
	struct eth_header *eth = pkt_pull(ctx, p, 0, sizeof(*eth));

	return eth && !ctx_read(ctx, vlan_present) && !eth_parse_ip(ctx, p, eth->proto) &&
	       !nd_is_link_message(p) && !address_is_group(&p->key.dst);
}

/* The overlay's own packets, which are many: no flow is looked for. Pieces of them have to be told from others first. */
static __always_inline bool netdev_is_overlay(const struct pkt *p, const struct addr *peer)
{
	const struct address *row;

	if (!cfg.tunnel || p->key.proto != IPPROTO_UDP || (p->flags & PKT_FRAGMENT) ||
	    p->key.dport != bpf_htons(cfg.tunnel_port))
		return false;
	row = address_exact(peer);
	return row && host_is_overlay(p, row->flags);
}

static __always_inline int netdev_receive(struct __sk_buff *ctx, struct pkt *p)
{
	int ret;

	if (!netdev_parse(ctx, p)) {
		ret = cfg.l2 ? l2_answer(ctx, p) : 1;
		return ret > 0 ? stack_has_it(p, TRACE_TO_STACK) : ret;
	}
	if (cfg.host_firewall && netdev_is_overlay(p, &p->key.src))
		return stack_has_it(p, TRACE_TO_HOST);
	if (cfg.dsr) {
		ret = dsr_receive(ctx, p);
		if (ret)
			return ret;
	}
	ret = walk(ctx, p);
	if (host_is_judged(p))
		ret = host_outcome(p, ret);
	return ret == FLOW_UNTRACKED ? stack_has_it(p, TRACE_TO_HOST) : ret;
}

SEC("tc")
int cil_from_netdev(struct __sk_buff *ctx)
{
	struct pkt p = {.hook = HOOK_FROM_NETDEV, .dir = DIR_INGRESS};

	p.size = ctx_read(ctx, len);
	p.now = bpf_ktime_get_coarse_ns();
	p.epoch = epoch_now();
	return act(ctx, &p, netdev_receive(ctx, &p));
}

/* On cilium_host: what the stack has reassembled and sent to the defrag address. Everything else that comes out of there
 * is the stack's own. */
static __always_inline int defrag_receive(struct __sk_buff *ctx, struct pkt *p)
{
	struct addr defrag;
	int ret;

	if (!netdev_parse(ctx, p))
		return stack_has_it(p, TRACE_TO_STACK);
	defrag = defrag_address(p);
	if (addr_is_zero(&defrag) || !addr_equal(&p->key.dst, &defrag))
		return stack_has_it(p, TRACE_TO_STACK);
	if (p->flags & PKT_FRAGMENT) {
		ret = fragment_meet(ctx, p);
		if (ret)
			return ret < 0 ? ret : -DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;
	}
	ret = defrag_restore(ctx, p);
	if (ret)
		return ret;
	/* its ports are known now: on as if it had come from the wire in one piece */
	p->hook = HOOK_FROM_NETDEV;
	ret = walk_ports(ctx, p);
	if (host_is_judged(p))
		ret = host_outcome(p, ret);
	return ret == FLOW_UNTRACKED ? stack_has_it(p, TRACE_TO_HOST) : ret;
}

SEC("tc")
int cil_from_defrag(struct __sk_buff *ctx)
{
	struct pkt p = {.hook = HOOK_FROM_DEFRAG, .dir = DIR_INGRESS};

	p.size = ctx_read(ctx, len);
	p.now = bpf_ktime_get_coarse_ns();
	p.epoch = epoch_now();
	return act(ctx, &p, defrag_receive(ctx, &p));
}

/* The node's own traffic: a flow whose answers could be taken for a masqueraded pod's gets an entry, and another
 * source port when a pod has its own already. It is never refused: without an entry it leaves as it is. */
static __always_inline int netdev_send_own(struct __sk_buff *ctx, struct pkt *p)
{
	__u16 port = bpf_ntohs(p->key.sport);
	int ret;

	/* nobody answers to the source port of the overlay, and the packet inside has been told of */
	if (cfg.tunnel && p->key.proto == IPPROTO_UDP && p->key.dport == bpf_htons(cfg.tunnel_port))
		return stack_has_it(p, TRACE_TO_NETWORK);
	if (p->key.proto == IPPROTO_TCP || p->key.proto == IPPROTO_UDP) {
		if (port < cfg.nat_port_min || port > cfg.nat_port_max)
			return stack_has_it(p, TRACE_TO_NETWORK);
	} else if (!(p->flags & (PKT_ECHO | PKT_ERROR))) {
		return stack_has_it(p, TRACE_TO_NETWORK);
	}
	/* only a first fragment bears what is translated */
	if (p->flags & PKT_LATER_FRAGMENT)
		return stack_has_it(p, TRACE_TO_NETWORK);
	ret = walk(ctx, p);
	return ret < 0 || ret == FLOW_UNTRACKED ? stack_has_it(p, TRACE_TO_NETWORK) : ret;
}

/* The same where the node has rules: they are asked about everything it sends. */
static __always_inline int netdev_send_judged(struct __sk_buff *ctx, struct pkt *p)
{
	int ret;

	if (netdev_is_overlay(p, &p->key.dst))
		return stack_has_it(p, TRACE_TO_NETWORK);
	ret = host_outcome(p, walk(ctx, p));
	return ret == FLOW_UNTRACKED ? stack_has_it(p, TRACE_TO_NETWORK) : ret;
}

/* What a pod sent by way of the stack: because it needed cutting or putting together, or because a translator lives
 * there. A translation made when it came by holds; otherwise it is made now. An answer goes as it is: whoever asked
 * the pod by its own address expects it from there. */
static __always_inline int netdev_send_pods(struct __sk_buff *ctx, struct pkt *p)
{
	struct flow *flow = flow_find_live(&p->key, p->now);
	struct scratch *s = scratch();

	if (!s)
		return -DROP_INVALID_TC_BUFFER;
	if (flow && flow->way == WAY_STACK && !(flow->flags & FLOW_REVERSE) &&
	    masquerade_is_on(p)) {
		int ret = end_resolve(&s->dst, &p->key.dst, DIR_INGRESS);

		if (ret)
			return ret;
		memset(&s->src, 0, sizeof(s->src));
		if (masquerade_wanted(p, &s->src, &s->dst))
			p->key.zone = FLOW_ZONE_STACK;
	}
	return walk(ctx, p);
}

/* Does a process of the node answer for a service that somebody outside has asked? */
static __always_inline bool netdev_serves(const struct pkt *p)
{
	const struct flow *flow = flow_find_live(&p->key, p->now);

	return flow && (flow->flags & (FLOW_REVERSE | FLOW_DNAT)) == (FLOW_REVERSE | FLOW_DNAT);
}

static __always_inline int netdev_send(struct __sk_buff *ctx, struct pkt *p)
{
	__u32 ifindex = ctx_read(ctx, ifindex);
	const struct device *device;
	const struct address *src;
	const struct addr *own;

	if (!netdev_parse(ctx, p))
		return stack_has_it(p, TRACE_TO_NETWORK);
	if (cfg.nodeport && netdev_serves(p))
		return walk(ctx, p);
	if (cfg.host_firewall && host_address(address_exact(&p->key.src)))
		return netdev_send_judged(ctx, p);
	device = bpf_map_lookup_elem(&cilium_devices, &ifindex);
	if (device) {
		own = pkt_is_v6(p) ? &device->v6 : &device->v4;
		if (addr_equal(&p->key.src, own))
			return masquerade_is_on(p) ? netdev_send_own(ctx, p)
						   : stack_has_it(p, TRACE_TO_NETWORK);
	}
	src = address_exact(&p->key.src);
	if (!src || !src->endpoint)
		return stack_has_it(p, TRACE_TO_NETWORK);
	return netdev_send_pods(ctx, p);
}

SEC("tc")
int cil_to_netdev(struct __sk_buff *ctx)
{
	struct pkt p = {.hook = HOOK_TO_NETDEV, .dir = DIR_EGRESS};

	if (mark_take(ctx))
		return TC_ACT_OK;
	p.size = ctx_read(ctx, len);
	p.now = bpf_ktime_get_coarse_ns();
	p.epoch = epoch_now();
	return act(ctx, &p, netdev_send(ctx, &p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
