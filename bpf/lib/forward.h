/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way out: one hop less, the link layer, and the action that act() carries out. */
#ifndef LIB_FORWARD_H
#define LIB_FORWARD_H

#include "address.h"
#include "endpoint.h"
#include "eth.h"
#include "maps.h"
#include "mark.h"
#include "scratch.h"

#ifndef AF_INET
#define AF_INET	 2
#define AF_INET6 10
#endif

#ifndef EINVAL
#define EINVAL 22
#endif

#ifndef BPF_FIB_LOOKUP_SKIP_NEIGH
#define BPF_FIB_LOOKUP_SKIP_NEIGH (1U << 2)
#endif

#ifndef BPF_FIB_LOOKUP_OUTPUT
#define BPF_FIB_LOOKUP_OUTPUT (1U << 1)
#endif

#ifndef BPF_FIB_LOOKUP_SRC
#define BPF_FIB_LOOKUP_SRC (1U << 4)
#endif

/* Asks the routing table as the stack would for a packet that came in by this device, or that leaves by it. A missing
 * neighbour is no failure: the packet's own sending resolves it. Returns 0 or a negative reason with ext_error. */
__separate int route_find(struct __sk_buff *ctx, struct pkt *p, const struct addr *src,
			  const struct addr *dst, struct route *route)
{
	struct bpf_fib_lookup fib = {};
	bool v6;
	__u32 flags = cfg.route_source ? BPF_FIB_LOOKUP_SRC : 0;
	long ret;

	if (!p || !src || !dst || !route)
		return -DROP_INVALID_TC_BUFFER;
	if (p->hook == HOOK_TO_NETDEV)
		flags |= BPF_FIB_LOOKUP_OUTPUT;
	v6 = pkt_is_v6(p);
	fib.family = v6 ? AF_INET6 : AF_INET;
	fib.l4_protocol = p->key.proto;
	/* a length makes it tell the route's MTU instead of checking the packet against the device's */
	fib.tot_len = 1;
	fib.ifindex = ctx_read(ctx, ifindex);
	if (v6) {
		memcpy(fib.ipv6_src, src, 16);
		memcpy(fib.ipv6_dst, dst, 16);
	} else {
		fib.ipv4_src = src->w[3];
		fib.ipv4_dst = dst->w[3];
	}
	/* a neighbour is looked for when the packet leaves; kernels before 6.3 look here, too, and have to be asked so */
	ret = bpf_fib_lookup(ctx, &fib, sizeof(fib), flags | BPF_FIB_LOOKUP_SKIP_NEIGH);
	if (ret == -EINVAL)
		ret = bpf_fib_lookup(ctx, &fib, sizeof(fib), flags);
	if (ret != BPF_FIB_LKUP_RET_SUCCESS && ret != BPF_FIB_LKUP_RET_NO_NEIGH) {
		p->ext_error = ret;
		/* it says "not forwarded" for an address of this node: one that the agent does not know */
		return ret == BPF_FIB_LKUP_RET_NOT_FWDED ? -DROP_UNKNOWN_ADDRESS
							 : -DROP_FIB_LOOKUP_FAILED;
	}
	if (fib.family == AF_INET6) {
		memcpy(&route->hop, fib.ipv6_dst, 16);
		memcpy(&route->source, fib.ipv6_src, 16);
	} else {
		addr_set_v4(&route->hop, fib.ipv4_dst);
		addr_set_v4(&route->source, fib.ipv4_src);
	}
	route->ifindex = fib.ifindex;
	route->mtu = fib.mtu_result;
	/* such a kernel does not get as far as the MTU without one: the device's has to do for now */
	if (ret == BPF_FIB_LKUP_RET_NO_NEIGH) {
		route->mtu = 0;
		bpf_check_mtu(ctx, fib.ifindex, &route->mtu, 0, 0);
	}
	return 0;
}

static __always_inline int forward_hop(struct __sk_buff *ctx, struct pkt *p)
{
	return pkt_is_v6(p) ? ipv6_hop(ctx, p) : ipv4_hop(ctx, p);
}

/* Into a pod of this node, past the stack. */
static __always_inline int forward_local(struct __sk_buff *ctx, struct pkt *p,
					 const struct endpoint *row)
{
	int ret = forward_hop(ctx, p);

	if (!ret)
		ret = eth_set(ctx, p, &row->mac, &row->node_mac);
	if (ret)
		return ret;
	p->point = TRACE_TO_ENDPOINT;
	p->action = TEST_PEER;
	p->out = row->ifindex;
	return 0;
}

static __always_inline int forward_stack(struct pkt *p, enum trace_point point)
{
	p->point = point;
	p->action = TEST_PASS;
	return 0;
}

/* Out by the flow's route, one hop less already. */
static __always_inline int forward_route(struct pkt *p, struct flow *flow)
{
	p->point = TRACE_TO_NETWORK;
	p->action = TEST_NEIGHBOUR;
	p->out = flow->ifindex;
	p->hop = flow->hop;
	return 0;
}

/* The flow's route, not older than a second. Returns 0 or a negative reason. */
static __always_inline int flow_route(struct __sk_buff *ctx, struct pkt *p, struct flow *flow)
{
	struct scratch *s;
	int ret;

	if (flow->ifindex && flow->routed == pkt_seconds(p))
		return 0;
	s = scratch();
	if (!s)
		return -DROP_INVALID_TC_BUFFER;
	ret = route_find(ctx, p, &p->key.src, &flow->to_dst, &s->route);
	if (ret)
		return ret;
	flow->ifindex = s->route.ifindex;
	flow->hop = s->route.hop;
	flow->mtu = s->route.mtu;
	flow->routed = pkt_seconds(p);
	return 0;
}

#endif
