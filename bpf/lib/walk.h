/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The way of a packet through any of the programs, from its tuple to its action:
 *
 *     fragment without ports? ── ICMP error? ── flow known? ──────────────── admitted? ── count ── out
 *                                                   │ no                       ▲
 *                                                   └─ ends, verdict, entries ─┘
 */
#ifndef LIB_WALK_H
#define LIB_WALK_H

#include "admit.h"
#include "answer.h"
#include "dsr.h"
#include "event.h"
#include "flow_open.h"
#include "forward.h"
#include "fragment.h"
#include "icmp.h"
#include "nat.h"
#include "refuse.h"

/* Who sends and who receives this packet, for events and the overlay. */
static __always_inline void walk_identify(struct pkt *p, const struct flow *flow)
{
	bool reverse = flow->flags & FLOW_REVERSE;

	p->src_identity = reverse ? flow->dst_identity : flow->src_identity;
	p->dst_identity = reverse ? flow->src_identity : flow->dst_identity;
	p->src_endpoint = reverse ? flow->dst_endpoint : flow->src_endpoint;
	p->dst_endpoint = reverse ? flow->src_endpoint : flow->dst_endpoint;
	if (reverse)
		p->flags |= PKT_REPLY;
}

/* What the event of a translated packet tells besides its tuple. */
__separate int walk_tell(struct pkt *p, const struct flow *flow)
{
	struct scratch *s = scratch();
	bool reverse;

	if (!p || !flow || !s)
		return 0;
	reverse = flow->flags & FLOW_REVERSE;
	memset(&s->told, 0, sizeof(s->told));
	s->told.dst = flow->to_dst;
	s->told.dport = flow->to_dport;
	s->told.proxy_port = flow->proxy_port;
	s->told.id = flow->service;
	if (flow->flags & FLOW_DNAT) {
		s->told.service = reverse ? flow->to_src : p->key.dst;
		s->told.service_port = reverse ? flow->to_sport : p->key.dport;
	}
	p->flags |= PKT_TOLD;
	return 0;
}

/* Does somebody outside ask a service whose backend is on another node? */
static __always_inline bool walk_is_to_service(const struct pkt *p, const struct flow *flow)
{
	return p->hook == HOOK_FROM_NETDEV &&
	       (flow->flags & (FLOW_DNAT | FLOW_REVERSE)) == FLOW_DNAT;
}

/* Sends the packet where its flow leads. A pod's packet that has no hop left or is too large for the way is turned
 * into the answer that says so; what came from elsewhere is left to the stack, which answers better. */
static __always_inline int walk_out(struct __sk_buff *ctx, struct pkt *p, struct flow *flow)
{
	const struct endpoint *row = NULL;
	bool translate = (flow->flags & (FLOW_SNAT | FLOW_DNAT)) && !(flow->flags & FLOW_WRAPPED) &&
			 !(p->flags & PKT_RELATED);
	__u32 mtu = 0, more = cfg.dsr ? dsr_bytes(p, flow) : 0;
	int ret;

	if (hook_is_egress(p->hook)) {
		p->hop = flow->hop;
		ret = translate ? nat_translate(ctx, p, flow) : 0;
		return ret ? ret
			   : forward_stack(p, p->hook == HOOK_TO_CONTAINER ? TRACE_TO_ENDPOINT
					      : p->hook == HOOK_TO_NETDEV  ? TRACE_TO_NETWORK
									   : TRACE_TO_OVERLAY);
	}
	if (flow->way == WAY_STACK) {
		ret = translate ? nat_translate(ctx, p, flow) : 0;
		return ret ? ret
			   : forward_stack(p, flow->flags & FLOW_HOST ? TRACE_TO_HOST
								      : TRACE_TO_STACK);
	}
	if (p->ttl <= 1) {
		if (p->hook == HOOK_FROM_CONTAINER || (flow->flags & FLOW_DSR))
			return answer(ctx, p, DROP_TTL_EXCEEDED, 0);
		ret = translate ? nat_translate(ctx, p, flow) : 0;
		return ret ? ret : forward_stack(p, TRACE_TO_STACK);
	}
	if (flow->way == WAY_LOCAL) {
		row = endpoint_of(flow->flags & FLOW_REVERSE ? flow->src_endpoint
							     : flow->dst_endpoint);
		if (!row)
			return -DROP_STALE_ENDPOINT;
	} else if (flow->way == WAY_TUNNEL) {
		mtu = cfg.pod_mtu;
	} else {
		ret = flow_route(ctx, p, flow);
		if (ret)
			return ret;
		mtu = flow->mtu;
	}
	if (mtu && unlikely(pkt_wire_length(ctx, p) + more > mtu)) {
		/* nor would the stack know where to send a client's packet to a service */
		if ((p->flags & PKT_DONT_FRAGMENT) || walk_is_to_service(p, flow))
			return answer(ctx, p, DROP_FRAGMENTATION_NEEDED, mtu - more);
		/* the stack cuts it; the pieces meet us on their way out */
		return forward_stack(p, TRACE_TO_STACK);
	}
	if (translate) {
		ret = nat_translate(ctx, p, flow);
		if (ret)
			return ret;
	}
	if (row)
		return forward_local(ctx, p, row);
	ret = forward_hop(ctx, p);
	if (!ret && cfg.dsr && (flow->flags & FLOW_DSR))
		ret = dsr_send(ctx, p, flow);
	if (ret)
		return ret;
	if (flow->way == WAY_ROUTE)
		return forward_route(p, flow);
	p->hop = flow->hop;
	p->point = TRACE_TO_OVERLAY;
	p->action = TEST_REDIRECT;
	p->out = cfg.overlay_ifindex;
	return tunnel_set(ctx, p);
}

/* The packet's flow, known or made. Returns 0, FLOW_UNTRACKED or a negative reason. */
static __always_inline int walk_flow(struct __sk_buff *ctx, struct pkt *p, struct flow **found)
{
	struct flow *flow = flow_find_live(&p->key, p->now);
	int ret;

	if (likely(flow)) {
		ret = flow_is_reopened(p, flow) ? FLOW_GONE : flow_admit(p, &p->key, flow);
		p->related = flow->flags & FLOW_REVERSE ? TRACE_REPLY : TRACE_ESTABLISHED;
		if (unlikely(ret == FLOW_GONE)) {
			flow_kill(&p->key, flow, flow->expires);
			flow = NULL;
		} else if (unlikely(ret)) {
			walk_identify(p, flow);
			return ret;
		}
	}
	if (unlikely(!flow)) {
		p->related = TRACE_NEW;
		ret = flow_open(ctx, p);
		if (ret)
			return ret;
		flow = flow_find_live(&p->key, p->now);
		if (!flow)
			return -DROP_CT_MAP_INSERTION_FAILED;
	}
	*found = flow;
	return 0;
}

/* The way of a packet whose ports are known, or known to be unknown. Returns 0 with p->action set, FLOW_UNTRACKED (not
 * ours), or a negative reason. */
static __always_inline int walk_ports(struct __sk_buff *ctx, struct pkt *p)
{
	struct flow *flow = NULL;
	int ret;

	if (unlikely(p->flags & PKT_ERROR)) {
		struct scratch *s = scratch();

		if (!s)
			return -DROP_INVALID_TC_BUFFER;
		ret = icmp_error(ctx, p, &s->about);
		if (ret < 0)
			return ret;
		if (ret == ICMP_RELATED)
			flow = flow_find_live(&s->about, p->now);
		if (flow)
			p->flags |= PKT_RELATED;
		p->related = TRACE_RELATED;
	}
	if (likely(!flow)) {
		ret = walk_flow(ctx, p, &flow);
		/* whoever asks for a service is told at once that nobody serves */
		if (ret == -DROP_SERVICE_BACKEND_NOT_FOUND &&
		    (p->hook == HOOK_FROM_CONTAINER || p->hook == HOOK_FROM_NETDEV))
			return answer(ctx, p, DROP_SERVICE_BACKEND_NOT_FOUND, 0);
		if (ret == -DROP_POLICY_DENIED || ret == -DROP_POLICY_DENY)
			return refuse(ctx, p, -ret);
		if (ret)
			return ret;
		flow_touch(p, flow);
	}
	walk_identify(p, flow);
	p->tell = event_is_due(p, flow);
	if (p->tell && (flow->flags & (FLOW_SNAT | FLOW_DNAT | FLOW_PROXY)) &&
	    !(p->flags & PKT_RELATED))
		walk_tell(p, flow);
	return walk_out(ctx, p, flow);
}

/* The same for any packet, fragments included. */
static __always_inline int walk(struct __sk_buff *ctx, struct pkt *p)
{
	int ret;

	if (unlikely(p->flags & PKT_FRAGMENT)) {
		ret = fragment_meet(ctx, p);
		if (ret)
			return ret == FRAGMENT_TO_STACK ? forward_stack(p, TRACE_TO_STACK) : ret;
	}
	return walk_ports(ctx, p);
}

#endif
