/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first packet of a flow: who its ends are, whether they may talk, what they are translated to; then the pair of
 * entries. The reverse entry is written first, for its key is what two flows could want both: whoever has it owns the
 * tuple that answers will carry, and everybody else leaves with another source port. */
#ifndef LIB_FLOW_OPEN_H
#define LIB_FLOW_OPEN_H

#include "dsr.h"
#include "ends.h"
#include "flow.h"
#include "flow_expiry.h"
#include "forward.h"
#include "masquerade.h"

#define FLOW_TAKEN 2 /* the key belongs to another live flow */

/* Source ports that are tried before the packet is refused; from NAT_EAGER_FROM on also those of connections that have
 * ended but not expired. Any of the range, so that taken ports do not grow into long runs that are walked to no end; then
 * neighbours, by which a small range is tried whole; then those of the second range. */
#define NAT_EAGER_FROM	    64
#define NAT_NEIGHBOURS_FROM 128
#define NAT_LOW_FROM	    160
#define NAT_TRIES	    352

#ifndef EEXIST
#define EEXIST 17
#define E2BIG  7
#endif

static __always_inline bool flow_same_way(const struct flow *a, const struct flow *b)
{
	return a->to_sport == b->to_sport && a->to_dport == b->to_dport &&
	       addr_equal(&a->to_src, &b->to_src) && addr_equal(&a->to_dst, &b->to_dst);
}

/* Writes one of the scratch's two entries under its key, which must be free or dead. Returns 0, FLOW_TAKEN or a
 * negative reason.
 * @param eager take the key also from a connection that is closing */
__separate int flow_claim(bool reverse, __u64 now, bool eager)
{
	struct scratch *s = scratch();
	const struct flow_key *key;
	const struct flow *flow;
	__u32 i, index, answered;
	struct flow *old;
	__u64 seen;
	void *map;
	int ret; /* before 6.4 the upper half of what a map operation returns is no sign */

	if (!s)
		return -DROP_INVALID_TC_BUFFER;
	key = reverse ? &s->reverse_key : &s->forward_key;
	flow = reverse ? &s->reverse : &s->forward;
	index = flow_shard_index(key);
	map = bpf_map_lookup_elem(&cilium_flows, &index);
	if (!map)
		return -DROP_CT_NO_MAP_FOUND;
	/* a flow that is still to be taken over has its key */
	if (cfg.before_runs)
		flow_take_over(key);
	for (i = 0; i < 2; i++) {
		ret = bpf_map_update_elem(map, key, flow, BPF_NOEXIST);
		if (!ret) {
			shard_add(index, 1, 1);
			return 0;
		}
		if (ret == -E2BIG) {
			shard_refused(index);
			return -DROP_FLOW_TABLE_FULL;
		}
		if (ret != -EEXIST)
			return -DROP_CT_MAP_INSERTION_FAILED;
		old = bpf_map_lookup_elem(map, key);
		if (!old)
			continue;
		/* the same flow, from another CPU or from before its other half was lost */
		if (flow_same_way(old, flow)) {
			answered = old->answered;
			if (bpf_map_update_elem(map, key, flow, BPF_EXIST))
				continue;
			if (answered)
				shard_add(index, 0, 1);
			return 0;
		}
		seen = *(volatile __u64 *)&old->expires;
		if (seen == FLOW_DEAD)
			flow_delete(key, old->answered);
		else if (seen <= now || (eager && old->state == FLOW_CLOSING))
			flow_kill(key, old, seen);
		else
			return FLOW_TAKEN;
	}
	return FLOW_TAKEN;
}

/* Does a process of the node listen on this port, or speak from it to this peer? Answers would not find the right one. */
static __always_inline bool port_is_the_nodes(struct __sk_buff *ctx, struct scratch *s)
{
	const struct flow_key *key = &s->reverse_key;
	struct bpf_sock_tuple *tuple = (void *)s->sockets;
	struct bpf_sock *socket;
	__u32 size;

	if (addr_is_v4(&key->src)) {
		tuple->ipv4.saddr = key->src.w[3];
		tuple->ipv4.daddr = key->dst.w[3];
		tuple->ipv4.sport = key->sport;
		tuple->ipv4.dport = key->dport;
		size = sizeof(tuple->ipv4);
	} else {
		memcpy(tuple->ipv6.saddr, &key->src, 16);
		memcpy(tuple->ipv6.daddr, &key->dst, 16);
		tuple->ipv6.sport = key->sport;
		tuple->ipv6.dport = key->dport;
		size = sizeof(tuple->ipv6);
	}
	socket = key->proto == IPPROTO_TCP
			 ? bpf_sk_lookup_tcp(ctx, tuple, size, BPF_F_CURRENT_NETNS, 0)
			 : bpf_sk_lookup_udp(ctx, tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return false;
	bpf_sk_release(socket);
	return true;
}

/* What alone is on the stack: a packet cannot be kept elsewhere. */
struct port_context {
	struct __sk_buff *ctx;
};

/* bpf_loop callback: claims the reverse entry with the i-th port. */
static long port_try(__u32 i, struct port_context *context)
{
	struct scratch *s = scratch();
	struct port_search *search;
	__be16 port;

	if (!s)
		return 1;
	search = &s->search;
	port = s->forward_key.sport;
	if (i >= NAT_LOW_FROM) {
		if (!search->low)
			return 1;
		port = bpf_htons(cfg.nat_low_min + bpf_get_prandom_u32() % search->low);
	} else if (i || !search->keep) {
		__u32 at = i < NAT_NEIGHBOURS_FROM ? bpf_get_prandom_u32() : search->random + i;

		port = bpf_htons(search->first + at % search->range);
	}
	s->forward.to_sport = port;
	s->reverse_key.dport = port;
	if (i >= NAT_LOW_FROM && port_is_the_nodes(context->ctx, s))
		return 0;
	search->result = flow_claim(true, search->now, i >= NAT_EAGER_FROM);
	if (search->result != FLOW_TAKEN)
		return 1;
	return search->only != 0;
}

/* Finds a source port with which the flow's answers are told from all others', and claims it. */
static __noinline int flow_claim_port(struct __sk_buff *ctx, struct pkt *p, struct scratch *s,
				      bool translated)
{
	struct port_context context = {.ctx = ctx};
	struct port_search *search = &s->search;
	__u16 port = bpf_ntohs(p->key.sport);

	memset(search, 0, sizeof(*search));
	search->now = p->now;
	switch (p->key.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		search->first = cfg.nat_port_min;
		search->range = cfg.nat_port_max - cfg.nat_port_min + 1;
		if (cfg.nat_low_min)
			search->low = cfg.nat_low_max - cfg.nat_low_min + 1;
		/* a kept port outside the range could be one that this node listens on */
		search->keep =
			!translated || (port >= cfg.nat_port_min && port <= cfg.nat_port_max);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMP6:
		search->range = 65536;
		search->keep = true;
		search->only = !(p->flags & PKT_ECHO) || !p->key.sport;
		break;
	default:
		/* SCTP's checksum does not bear another port; other protocols have none */
		search->keep = search->only = true;
	}
	/* the answers' node knows only the client's own port */
	if (cfg.dsr && dsr_keeps_port(&s->forward))
		search->keep = search->only = true;
	if (translated && search->only && p->key.proto != IPPROTO_SCTP && !(p->flags & PKT_ECHO))
		return -DROP_UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE;
	if (!search->range)
		search->range = 1;
	/* who asks the node itself knows by which port */
	if ((p->flags & PKT_HOST) && !hook_is_egress(p->hook))
		search->keep = search->only = true;
	search->random = bpf_get_prandom_u32() % 65536;
	search->result = FLOW_TAKEN;
	bpf_loop(NAT_TRIES, port_try, &context, 0);
	return search->result == FLOW_TAKEN ? -DROP_NO_MAPPING_FOR_NAT_MASQUERADE : search->result;
}

static __always_inline bool shard_has_room(const struct flow_key *key)
{
	__u32 index = flow_shard_index(key);
	struct flow_shard *shard = bpf_map_lookup_elem(&cilium_shards, &index);

	if (shard && shard->unanswered < FLOW_SHARD_ENTRIES / 4)
		return true;
	shard_refused(index);
	return false;
}

static __always_inline void flow_describe(struct flow *flow, const struct pkt *p,
					  const struct end *src, const struct end *dst)
{
	flow->created = p->now;
	flow->src_identity = src->identity;
	flow->dst_identity = dst->identity;
	flow->src_endpoint = src->ref;
	flow->dst_endpoint = dst->ref;
	flow->src_set = src->ref ? src->set : 0;
	flow->dst_set = dst->ref ? dst->set : 0;
	flow->epoch = p->epoch;
	flow->src_cookie = flow->dst_cookie = p->cookie;
	if (p->audited)
		flow->flags |= FLOW_AUDITED;
	flow->state = FLOW_OPENING;
	flow->expires = p->now + flow_lifetime(flow, p->key.proto);
}

/* What events about the first packet to a service tell besides its tuple: a verdict, or why it went no further. */
static __always_inline void flow_tell_service(struct pkt *p, struct scratch *s)
{
	memset(&s->told, 0, sizeof(s->told));
	s->told.dst = s->target.addr;
	s->told.dport = s->target.port;
	s->told.service = p->key.dst;
	s->told.service_port = p->key.dport;
	s->told.id = s->target.service;
	p->flags |= PKT_TOLD;
}

/* Makes the pair of entries. Returns 0, FLOW_UNTRACKED (the stack may have the packet, no entry is needed) or a
 * negative reason. */
__separate int flow_open(struct __sk_buff *ctx, struct pkt *p)
{
	struct scratch *s = scratch();
	struct ways ways = {};
	int ret;

	if (!p || !s)
		return -DROP_INVALID_TC_BUFFER;
	target_init(&s->target, p);
	ret = ends_find(p, s, endpoint_of_device(ctx_read(ctx, ifindex)), &ways);
	if (s->target.service)
		flow_tell_service(p, s);
	if (ret)
		return ret;
	ret = s->target.flags & TARGET_LOOPBACK ? 0 : judge(p, &s->src, &s->dst);
	p->src_identity = s->src.identity;
	p->dst_identity = s->dst.identity;
	p->src_endpoint = s->src.ref;
	p->dst_endpoint = s->dst.ref;
	if (ret)
		return ret;

	memset(&s->forward, 0, sizeof(s->forward));
	memset(&s->reverse, 0, sizeof(s->reverse));
	flow_describe(&s->forward, p, &s->src, &s->dst);
	flow_describe(&s->reverse, p, &s->src, &s->dst);
	memset(&s->route, 0, sizeof(s->route));
	memset(&s->source, 0, sizeof(s->source));
	if (ways.forward == WAY_ROUTE &&
	    (p->hook == HOOK_FROM_CONTAINER || (s->target.flags & TARGET_AWAY))) {
		ret = route_find(ctx, p, &p->key.src, &s->target.addr, &s->route);
		if (ret)
			return ret;
		s->forward.ifindex = s->route.ifindex;
		s->forward.hop = s->route.hop;
		s->forward.mtu = s->route.mtu;
		s->forward.routed = pkt_seconds(p);
	}
	if ((s->target.flags & TARGET_AWAY) && !dsr_keeps_source(&s->target)) {
		ret = service_source(p, ways.forward == WAY_TUNNEL, s->route.ifindex, &s->source);
		if (ret)
			return ret;
	}
	if (ways.masquerade) {
		if (p->flags & PKT_NO_PORTS)
			return -DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;
		/* the stack has found the way, and does not say by which source */
		if (cfg.route_source && p->hook != HOOK_FROM_CONTAINER) {
			ret = route_find(ctx, p, &p->key.src, &s->target.addr, &s->route);
			if (ret)
				return ret;
		}
		ret = masquerade_address(p,
					 p->hook == HOOK_FROM_CONTAINER ? s->route.ifindex
									: ctx_read(ctx, ifindex),
					 &s->route.source, &s->source);
		if (ret)
			return ret;
	}

	s->forward_key = p->key;
	s->forward.to_src = p->key.src;
	s->forward.to_dst = s->target.addr;
	s->forward.to_sport = p->key.sport;
	s->forward.to_dport = s->target.port;
	s->forward.way = ways.forward;
	s->forward.from = s->src.way;
	s->reverse.way = ways.reverse;
	s->reverse.from = s->dst.way;
	if (ways.forward == WAY_TUNNEL)
		s->forward.hop = s->dst.tunnel;
	if (ways.reverse == WAY_TUNNEL)
		s->reverse.hop = s->src.tunnel;
	if (s->target.flags & TARGET_SERVICE) {
		s->forward.flags |= FLOW_DNAT;
		s->reverse.flags |= FLOW_DNAT;
		s->forward.service = s->reverse.service = s->target.service;
		s->forward.backend = s->reverse.backend = s->target.backend;
	}
	if (s->target.flags & TARGET_LOOPBACK) {
		s->source = loopback_address(p);
		s->forward.flags |= FLOW_LOOPBACK;
		s->reverse.flags |= FLOW_LOOPBACK;
	}
	if (!addr_is_zero(&s->source)) {
		s->forward.to_src = s->source;
		s->forward.flags |= FLOW_SNAT;
		s->reverse.flags |= FLOW_SNAT;
		/* the same tuple came by when the pod sent it */
		if (p->hook == HOOK_TO_NETDEV && end_is_pod(&s->src))
			s->forward_key.zone = FLOW_ZONE_STACK;
	}
	if (s->src.way == WAY_STACK || s->dst.way == WAY_STACK) {
		s->forward.flags |= FLOW_HOST;
		s->reverse.flags |= FLOW_HOST;
	}
	s->reverse.flags |= FLOW_REVERSE;
	flow_key_reverse(&p->key, &s->reverse_key);
	/* answers come from the wire, whichever time the packet was seen */
	if (s->reverse_key.zone == FLOW_ZONE_STACK)
		s->reverse_key.zone = FLOW_ZONE_CLUSTER;
	s->forward.peer_zone = s->reverse_key.zone;
	s->reverse_key.src = s->forward.to_dst;
	s->reverse_key.sport = s->forward.to_dport;
	s->reverse_key.dst = s->forward.to_src;
	s->reverse.to_src = p->key.dst;
	s->reverse.to_dst = p->key.src;
	s->reverse.to_sport = p->key.dport;
	s->reverse.to_dport = p->key.sport;
	s->reverse.peer_zone = s->forward_key.zone;

	if (cfg.dsr)
		dsr_open(p, s);
	if (!shard_has_room(&s->forward_key) || !shard_has_room(&s->reverse_key))
		return -DROP_TOO_MANY_UNANSWERED;
	ret = flow_claim_port(ctx, p, s, s->forward.flags & FLOW_SNAT);
	if (ret)
		return ret;
	if (s->forward.to_sport != p->key.sport && !(s->forward.flags & FLOW_WRAPPED)) {
		struct flow *reverse = flow_find(&s->reverse_key);

		s->forward.flags |= FLOW_SNAT;
		if (reverse)
			reverse->flags |= FLOW_SNAT;
	}
	ret = flow_claim(false, p->now, true);
	p->key.zone = s->forward_key.zone;
	if (ret) {
		/* another CPU was faster: its pair serves, ours goes */
		flow_delete(&s->reverse_key, 0);
		return ret == FLOW_TAKEN ? 0 : ret;
	}
	return 0;
}

#endif
