/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who the two ends of a flow are, and whether they may talk. */
#ifndef LIB_JUDGE_H
#define LIB_JUDGE_H

#include "address.h"
#include "endpoint.h"
#include "l4.h"
#include "policy.h"

static __always_inline void end_of_endpoint(struct end *end, const struct endpoint *row,
					    enum direction dir)
{
	end->identity = row->identity;
	end->ref = endpoint_refer(row);
	end->set = dir == DIR_EGRESS ? row->egress_set : row->ingress_set;
	end->endpoint_flags = row->flags;
	end->way = WAY_LOCAL;
	end->exact = 1;
}

/* Is this a pod of this node? Its own stack has a reference, too, where it has rule sets. */
static __always_inline bool end_is_pod(const struct end *end)
{
	return end->ref && (!cfg.host_firewall || end->way == WAY_LOCAL);
}

/* This node's own stack. Its row may be missing before the agent has spoken: then it has no rules. */
static __always_inline void end_of_host(struct end *end, enum direction dir)
{
	const struct endpoint *row = cfg.host_firewall ? endpoint_at(HOST_SLOT) : NULL;

	if (row) {
		end->ref = endpoint_refer(row);
		end->set = dir == DIR_EGRESS ? row->egress_set : row->ingress_set;
		end->endpoint_flags = row->flags;
	}
	end->way = WAY_STACK;
}

/* Fills `end` from its address. Returns 0, DROP_UNKNOWN_ADDRESS or DROP_STALE_ENDPOINT (the address still names a pod
 * that is gone). @param dir the direction whose rules count for this end */
static __always_inline int end_resolve(struct end *end, const struct addr *addr, enum direction dir)
{
	const struct endpoint *row;
	const struct address *found;

	memset(end, 0, sizeof(*end));
	end->addr = *addr;
	found = address_exact(addr);
	if (found) {
		end->exact = 1;
	} else {
		found = address_find(addr);
		if (!found)
			return -DROP_UNKNOWN_ADDRESS;
	}
	end->identity = found->identity;
	end->cidr_class = found->cidr_class;
	end->flags = found->flags;
	if (found->endpoint) {
		row = endpoint_of(found->endpoint);
		if (!row)
			return -DROP_STALE_ENDPOINT;
		end_of_endpoint(end, row, dir);
	} else if (found->flags & ADDRESS_LOCAL_HOST) {
		end_of_host(end, dir);
	} else if (cfg.tunnel && !addr_is_zero(&found->tunnel)) {
		end->way = WAY_TUNNEL;
		end->tunnel = found->tunnel;
	} else {
		end->way = WAY_ROUTE;
	}
	return 0;
}

/* ICMP types that answer one another. */
static __always_inline __u8 icmp_counterpart(__u8 proto, __u8 type)
{
	if (proto == IPPROTO_ICMP6)
		return type == ICMP6_ECHO	  ? ICMP6_ECHO_REPLY
		       : type == ICMP6_ECHO_REPLY ? ICMP6_ECHO
						  : type;
	switch (type) {
	case ICMP4_ECHO:
		return ICMP4_ECHO_REPLY;
	case ICMP4_ECHO_REPLY:
		return ICMP4_ECHO;
	case 13: /* timestamp */
		return 14;
	case 14:
		return 13;
	}
	return type;
}

/* What policy is asked about, of a flow in its original direction.
 * @param port of the receiver after translation
 * @param type of ICMP */
static __always_inline void judge_about(struct pkt *p, __u8 proto, __be16 port, __u8 type)
{
	p->asks_proto = proto;
	p->asks_port = proto == IPPROTO_ICMP || proto == IPPROTO_ICMP6 ? bpf_htons(type + 1) : port;
}

/* Does the end only tell of this verdict? What no rule set has said (it is missing, or not known yet) stands. */
static __always_inline bool judge_audits(struct pkt *p, const struct end *end)
{
	return (end->endpoint_flags & ENDPOINT_AUDIT) && p->judged;
}

/* May the source talk to the destination? Rules: 1 the source's egress set must allow it, when it is a pod of this
 * node, or the node itself with a host firewall; 2 the destination's ingress set likewise; 3 a node may always reach
 * its own pods (their probes come from it), whatever rules either has; 4 an end in audit mode only tells what its set would have denied. Returns 0 or a negative reason. */
static __always_inline int judge_asked(struct pkt *p, const struct end *src, const struct end *dst)
{
	__u8 dir = p->dir, judged = 0;
	__u32 cookie = 0;
	int ret;

	p->audited = 0;
	if (src->ref && (end_is_pod(src) || !end_is_pod(dst))) {
		ret = policy_verdict(p, src->set, dst, DIR_EGRESS);
		if (ret && !judge_audits(p, src))
			return ret;
		if (ret) {
			p->audited = 1;
			p->dir = dir;
			cookie = p->cookie;
		}
		judged = p->judged;
	}
	if (dst->ref && src->identity != ID_HOST) {
		ret = policy_verdict(p, dst->set, src, DIR_INGRESS);
		if (ret && !judge_audits(p, dst))
			return ret;
		if (ret) {
			p->audited = 1;
			p->dir = dir;
			return 0;
		}
	}
	/* what the sender's set would have denied is told rather than what the receiver's allows */
	if (p->audited)
		p->cookie = cookie;
	if (p->audited || !p->judged)
		p->judged = judged;
	return 0;
}

/* Of a new flow, whose target is known. */
static __always_inline int judge(struct pkt *p, const struct end *src, const struct end *dst)
{
	struct scratch *s = scratch();

	if (!s)
		return -DROP_INVALID_TC_BUFFER;
	judge_about(p, p->key.proto, s->target.port, p->tcp_flags);
	return judge_asked(p, src, dst);
}

#endif
