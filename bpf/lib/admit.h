/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* May a packet of a known flow pass? As long as nothing has changed that the flow's verdict rests on, that is three
 * comparisons; otherwise the flow is judged again, in its original direction whichever way this packet travels. */
#ifndef LIB_ADMIT_H
#define LIB_ADMIT_H

#include "flow.h"
#include "judge.h"
#include "service.h"

#define FLOW_GONE 3 /* one end is not the pod any more that the flow was made for */

/* Computes the verdict anew and notes what it rests on. A refused flow keeps its old numbers: its next packet asks
 * again. @param key of the entry */
__separate int flow_judge_again(struct pkt *p, const struct flow_key *key, struct flow *flow)
{
	struct scratch *s = scratch();
	struct end *receiver;
	bool reverse;
	__u8 type;
	int ret;

	if (!p || !key || !flow || !s)
		return -DROP_INVALID_TC_BUFFER;
	reverse = flow->flags & FLOW_REVERSE;
	/* its backend is gone: datagrams find another one, a connection learns from its other end */
	if (flow->backend && !backend_of(flow->backend) && p->key.proto == IPPROTO_UDP && !reverse)
		return FLOW_GONE;
	/* from the original source to the destination after its translation */
	ret = end_resolve(&s->src, reverse ? &flow->to_dst : &key->src, DIR_EGRESS);
	if (ret == -DROP_STALE_ENDPOINT)
		return FLOW_GONE;
	if (ret)
		return ret;
	ret = end_resolve(&s->dst, reverse ? &key->src : &flow->to_dst, DIR_INGRESS);
	if (ret == -DROP_STALE_ENDPOINT)
		return FLOW_GONE;
	if (ret)
		return ret;
	/* a pod came or went under the address */
	if (s->src.ref != flow->src_endpoint || s->dst.ref != flow->dst_endpoint)
		return FLOW_GONE;
	/* what the overlay says of a sender is newer than any row; without a row it is all there is */
	if (p->vni && reverse)
		s->dst.identity = p->vni;
	else if (p->vni)
		s->src.identity = p->vni;
	if (!s->src.exact && (reverse ? flow->way : flow->from) == WAY_TUNNEL && !p->vni)
		s->src.identity = flow->src_identity;
	if (!s->dst.exact && (reverse ? flow->from : flow->way) == WAY_TUNNEL && !p->vni)
		s->dst.identity = flow->dst_identity;

	/* an error tells of a flow, it does not ask for one */
	if (p->flags & PKT_ERROR)
		type = key->proto == IPPROTO_ICMP ? ICMP4_ECHO : ICMP6_ECHO;
	else
		type = reverse ? icmp_counterpart(key->proto, p->tcp_flags) : p->tcp_flags;
	judge_about(p, key->proto, reverse ? key->sport : flow->to_dport, type);
	p->audited = 0;
	ret = (flow->flags & FLOW_LOOPBACK) ? 0 : judge_asked(p, &s->src, &s->dst);
	if (ret)
		return ret;
	receiver = reverse ? &s->src : &s->dst;
	if (flow->way == WAY_TUNNEL && receiver->way == WAY_TUNNEL)
		flow->hop = receiver->tunnel;
	flow->ifindex = 0;
	flow->src_identity = s->src.identity;
	flow->dst_identity = s->dst.identity;
	flow->src_set = s->src.ref ? s->src.set : 0;
	flow->dst_set = s->dst.ref ? s->dst.set : 0;
	flow->epoch = p->epoch;
	if (p->judged)
		flow->src_cookie = flow->dst_cookie = p->cookie;
	flow->flags = p->audited ? flow->flags | FLOW_AUDITED : flow->flags & ~FLOW_AUDITED;
	return 0;
}

/* Returns 0, FLOW_GONE or a negative reason. */
static __always_inline int flow_admit(struct pkt *p, const struct flow_key *key, struct flow *flow)
{
	const struct endpoint *row;
	__u32 src_set = 0, dst_set = 0;

	if (flow->src_endpoint) {
		row = endpoint_of(flow->src_endpoint);
		if (!row)
			return FLOW_GONE;
		src_set = row->egress_set;
	}
	if (flow->dst_endpoint) {
		row = endpoint_of(flow->dst_endpoint);
		if (!row)
			return FLOW_GONE;
		dst_set = row->ingress_set;
	}
	/* from the wire nobody speaks for this node or its pods */
	if ((p->hook == HOOK_FROM_NETDEV || p->hook == HOOK_FROM_OVERLAY) &&
	    (flow->from == WAY_LOCAL || flow->from == WAY_STACK))
		return -DROP_INVALID_SOURCE_IP;
	if (likely(flow->epoch == p->epoch && flow->src_set == src_set &&
		   flow->dst_set == dst_set &&
		   (p->hook != HOOK_FROM_OVERLAY ||
		    p->vni == ((flow->flags & FLOW_REVERSE) ? flow->dst_identity
							    : flow->src_identity))))
		return 0;
	return flow_judge_again(p, key, flow);
}

#endif
