/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a new flow's packets come from and go to, seen from the hook that meets the first of them, and which of them
 * are refused for that alone. A table of rules per hook; the verdict comes after it. */
#ifndef LIB_ENDS_H
#define LIB_ENDS_H

#include "dsr.h"
#include "judge.h"
#include "masquerade.h"
#include "service_open.h"

#define FLOW_UNTRACKED 1

#include "host.h"

struct ways {
	__u8 forward; /* enum way */
	__u8 reverse;
	bool masquerade;
};

/* With a stack that may translate between us and the other end, both directions have to pass it. */
static __always_inline __u8 way_through_stack(__u8 way)
{
	return cfg.host_routing ? way : WAY_STACK;
}

/* A pod that could speak the overlay's language to nodes could claim any identity: neither as it is, nor in pieces of
 * which nobody knows what they say. Returns 0 or a negative reason. */
static __always_inline int ends_refuse_overlay(const struct pkt *p, const struct scratch *s)
{
	if (!cfg.tunnel || !(s->dst.flags & ADDRESS_NODES))
		return 0;
	if (p->flags & PKT_NO_PORTS)
		return -DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;
	return p->key.proto == IPPROTO_UDP && s->target.port == bpf_htons(cfg.tunnel_port)
		       ? -DROP_ENCAPSULATION_TRAFFIC_IS_PROHIBITED
		       : 0;
}

static __always_inline int ends_from_container(struct pkt *p, struct scratch *s,
					       const struct endpoint *here, struct ways *ways)
{
	const struct address *own;
	int ret;

	memset(&s->src, 0, sizeof(s->src));
	s->src.addr = p->key.src;
	end_of_endpoint(&s->src, here, DIR_EGRESS);
	if (address_is_group(&p->key.dst) || address_is_link_local6(&p->key.dst))
		return -DROP_UNKNOWN_L3_TARGET_ADDRESS;
	if (cfg.services) {
		ret = service_target(p, true);
		if (ret < 0)
			return ret;
	}
	ret = end_resolve(&s->dst, &s->target.addr, DIR_INGRESS);
	if (ret)
		return ret;
	if (s->target.service && s->dst.ref == s->src.ref)
		s->target.flags |= TARGET_LOOPBACK;
	/* the receiver's rules may ask in which prefixes the sender lies */
	own = s->dst.ref ? address_exact(&p->key.src) : NULL;
	if (own)
		s->src.cidr_class = own->cidr_class;
	ret = ends_refuse_overlay(p, s);
	if (ret)
		return ret;
	ways->reverse = WAY_LOCAL;
	ways->forward = s->dst.way;
	ways->masquerade = masquerade_wanted(p, &s->src, &s->dst);
	if (s->dst.way == WAY_ROUTE && !cfg.host_routing) {
		/* translated on its way out of the stack */
		ways->forward = WAY_STACK;
		ways->masquerade = false;
	}
	return 0;
}

static __always_inline int ends_to_container(struct pkt *p, struct scratch *s,
					     const struct endpoint *here, struct ways *ways)
{
	int ret;

	memset(&s->dst, 0, sizeof(s->dst));
	s->dst.addr = p->key.dst;
	end_of_endpoint(&s->dst, here, DIR_INGRESS);
	if (!addr_equal(&p->key.dst, pkt_is_v6(p) ? &here->v6 : &here->v4))
		return -DROP_UNKNOWN_L3_TARGET_ADDRESS;
	ret = end_resolve(&s->src, &p->key.src, DIR_EGRESS);
	if (ret)
		return ret;
	ways->forward = WAY_LOCAL;
	ways->reverse = way_through_stack(s->src.way);
	return 0;
}

/* From the wire to a service: its backend may be anywhere. Answers leave as they came, by the routing table. */
static __always_inline int ends_to_service(struct pkt *p, struct scratch *s, struct ways *ways)
{
	int ret = end_resolve(&s->src, &p->key.src, DIR_EGRESS);

	if (ret == -DROP_UNKNOWN_ADDRESS)
		return ret;
	if (ret || s->src.way != WAY_ROUTE)
		return -DROP_INVALID_SOURCE_IP;
	ret = end_resolve(&s->dst, &s->target.addr, DIR_INGRESS);
	if (ret)
		return ret;
	ways->forward = s->dst.way;
	ways->reverse = WAY_ROUTE;
	/* nodes and pods may be clients of the very node that would answer */
	if (s->src.exact)
		s->target.flags &= ~TARGET_DSR;
	if (s->dst.way == WAY_TUNNEL || s->dst.way == WAY_ROUTE)
		s->target.flags |= TARGET_AWAY;
	else
		s->target.flags &= ~TARGET_DSR;
	return 0;
}

/* From the wire to this node's own stack, which has rules. Nobody speaks for the node or its pods there. */
static __always_inline int ends_to_host(struct pkt *p, struct scratch *s, struct ways *ways)
{
	int ret;

	p->flags |= PKT_HOST;
	ret = end_resolve(&s->dst, &p->key.dst, DIR_INGRESS);
	if (ret)
		return ret;
	if (!s->dst.ref)
		return FLOW_UNTRACKED;
	ret = end_resolve(&s->src, &p->key.src, DIR_EGRESS);
	if (ret == -DROP_UNKNOWN_ADDRESS)
		return ret;
	if (ret || s->src.way != WAY_ROUTE)
		return -DROP_INVALID_SOURCE_IP;
	if (host_is_excepted(p, &s->src))
		return FLOW_UNTRACKED;
	ways->forward = WAY_STACK;
	ways->reverse = WAY_ROUTE;
	return 0;
}

/* Another node has chosen a backend here for a client of its own: it is answered from here, by the routing table. */
static __always_inline int ends_from_dsr(struct pkt *p, struct scratch *s, struct ways *ways)
{
	int ret = dsr_target(p);

	if (ret)
		return ret;
	ret = ends_to_service(p, s, ways);
	if (ret)
		return ret;
	return s->target.flags & TARGET_AWAY ? -DROP_STALE_OR_UNROUTABLE_IP : 0;
}

/* From the wire: only what goes to a pod or a service is ours, and to the node itself where it has rules. Nobody out there has an address of this node or its pods, nor, with
 * an overlay, of another node's pods. */
static __always_inline int ends_from_netdev(struct pkt *p, struct scratch *s, struct ways *ways)
{
	const struct address *dst;
	bool begins;
	int ret;

	if (cfg.dsr && (p->flags & PKT_DSR))
		return ends_from_dsr(p, s, ways);
	begins = service_may_begin(p);
	if (cfg.nodeport && (begins || (cfg.dsr && service_may_go_on(p)))) {
		ret = service_target(p, false);
		if (ret < 0)
			return ret;
		if (ret == SERVICE_FOUND) {
			ret = ends_to_service(p, s, ways);
			/* whoever is answered by way of the node that it asked is known there alone */
			if (ret || begins ||
			    (s->target.flags & (TARGET_AWAY | TARGET_DSR)) != TARGET_AWAY)
				return ret;
			target_init(&s->target, p);
		}
	}
	dst = address_exact(&p->key.dst);
	if (host_address(dst))
		return ends_to_host(p, s, ways);
	if (!dst || !dst->endpoint || !cfg.host_routing)
		return FLOW_UNTRACKED;
	ret = end_resolve(&s->dst, &p->key.dst, DIR_INGRESS);
	if (ret)
		return ret;
	ret = end_resolve(&s->src, &p->key.src, DIR_EGRESS);
	if (ret == -DROP_UNKNOWN_ADDRESS)
		return ret;
	if (ret || s->src.way != WAY_ROUTE)
		return -DROP_INVALID_SOURCE_IP;
	ways->forward = WAY_LOCAL;
	ways->reverse = WAY_ROUTE;
	return 0;
}

/* From the overlay: the identity came with the packet, the way back is the way it came. */
static __always_inline int ends_from_overlay(struct pkt *p, struct scratch *s, struct ways *ways)
{
	int ret = end_resolve(&s->dst, &p->key.dst, DIR_INGRESS);

	if (ret)
		return ret;
	if (s->dst.way == WAY_STACK && !s->dst.ref)
		return FLOW_UNTRACKED;
	if (s->dst.way == WAY_STACK)
		p->flags |= PKT_HOST;
	else if (s->dst.way != WAY_LOCAL)
		return -DROP_STALE_OR_UNROUTABLE_IP;
	ret = end_resolve(&s->src, &p->key.src, DIR_EGRESS);
	if (ret == -DROP_STALE_ENDPOINT || s->src.way == WAY_LOCAL || s->src.way == WAY_STACK)
		return -DROP_INVALID_SOURCE_IP;
	s->src.identity = p->vni;
	s->src.way = WAY_TUNNEL;
	s->src.tunnel = p->hop;
	if ((p->flags & PKT_HOST) && host_is_excepted(p, &s->src))
		return FLOW_UNTRACKED;
	ways->forward = s->dst.way;
	ways->reverse = WAY_TUNNEL;
	return 0;
}

/* Out of the stack onto the wire. Of the node's own traffic only that counts whose answers could be taken for a
 * masqueraded pod's, unless the node has rules. What pods sent has passed the stack: it is judged and translated here. */
static __always_inline int ends_to_netdev(struct pkt *p, struct scratch *s, struct ways *ways)
{
	const struct address *src = address_exact(&p->key.src);
	bool pod;
	int ret;

	if (!src || !(src->endpoint || (src->flags & ADDRESS_LOCAL_HOST)))
		return FLOW_UNTRACKED;
	ret = end_resolve(&s->src, &p->key.src, DIR_EGRESS);
	if (ret)
		return ret;
	pod = end_is_pod(&s->src);
	if (!pod && s->src.ref)
		p->flags |= PKT_HOST;
	ret = end_resolve(&s->dst, &p->key.dst, DIR_INGRESS);
	if (ret)
		return s->src.ref ? ret : FLOW_UNTRACKED;
	if (s->dst.way == WAY_LOCAL || s->dst.way == WAY_STACK)
		return pod ? -DROP_STALE_OR_UNROUTABLE_IP : FLOW_UNTRACKED;
	if ((p->flags & PKT_HOST) && host_is_excepted(p, &s->dst))
		return FLOW_UNTRACKED;
	/* by the route's will it leaves here: the overlay was not asked */
	s->dst.way = WAY_ROUTE;
	ways->forward = WAY_ROUTE;
	ways->reverse = WAY_STACK;
	if (pod) {
		/* in pieces and out of order it has not been seen before */
		ret = ends_refuse_overlay(p, s);
		if (ret)
			return ret;
		ways->reverse = way_through_stack(WAY_LOCAL);
		ways->masquerade = masquerade_wanted(p, &s->src, &s->dst);
	}
	return 0;
}

/* Out of the stack into the overlay; needs to know the node behind the address. */
static __always_inline int ends_to_overlay(struct pkt *p, struct scratch *s, struct ways *ways)
{
	int ret = end_resolve(&s->src, &p->key.src, DIR_EGRESS);

	if (ret)
		return ret;
	ret = end_resolve(&s->dst, &p->key.dst, DIR_INGRESS);
	if (ret)
		return ret;
	if (s->dst.way != WAY_TUNNEL)
		return -DROP_NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT;
	p->hop = s->dst.tunnel;
	p->src_identity = s->src.identity;
	p->dst_identity = s->dst.identity;
	if (!s->src.ref)
		return FLOW_UNTRACKED;
	ways->forward = WAY_TUNNEL;
	if (end_is_pod(&s->src)) {
		ways->reverse = way_through_stack(WAY_LOCAL);
		return 0;
	}
	p->flags |= PKT_HOST;
	if (host_is_excepted(p, &s->dst))
		return FLOW_UNTRACKED;
	ways->reverse = WAY_STACK;
	return 0;
}

/* Fills both ends and the ways between them. Returns 0, FLOW_UNTRACKED or a negative reason. */
static __always_inline int ends_find(struct pkt *p, struct scratch *s, const struct endpoint *here,
				     struct ways *ways)
{
	switch (p->hook) {
	case HOOK_FROM_CONTAINER:
		return here ? ends_from_container(p, s, here, ways) : -DROP_EP_NOT_READY;
	case HOOK_TO_CONTAINER:
		return here ? ends_to_container(p, s, here, ways) : -DROP_EP_NOT_READY;
	case HOOK_FROM_NETDEV:
		return ends_from_netdev(p, s, ways);
	case HOOK_TO_NETDEV:
		return ends_to_netdev(p, s, ways);
	case HOOK_FROM_OVERLAY:
		return ends_from_overlay(p, s, ways);
	case HOOK_TO_OVERLAY:
		return ends_to_overlay(p, s, ways);
	}
	return FLOW_UNTRACKED;
}

#endif
