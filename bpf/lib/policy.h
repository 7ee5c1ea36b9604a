/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy: is this packet allowed by one endpoint's rule set? Called for each end of a flow that is a pod of this node,
 * when the flow begins and when anything that a verdict rests on has changed. Never touches the packet. */
#ifndef LIB_POLICY_H
#define LIB_POLICY_H

#include "policy_maps.h"
#include "scratch.h"

#define POLICY_BLOCK_BITS 96

/* Shapes that ask for a port. */
#define POLICY_PORT_SHAPES 0xcccU

/* The entry that speaks so far, and by which of the set's shapes it was found. */
struct policy_search {
	struct policy_block_key block;
	const struct policy_entry *best;
	__u32 shapes;
	__u8 kind;
	__u8 form;
};

/* Of equal precedence a deny speaks. */
static __always_inline void policy_consider(struct policy_search *s,
					    const struct policy_entry *entry, __u8 form)
{
	if (!entry)
		return;
	if (s->best &&
	    (entry->precedence < s->best->precedence ||
	     (entry->precedence == s->best->precedence && (entry->flags & POLICY_ALLOW))))
		return;
	s->best = entry;
	s->kind = s->block.key.kind;
	s->form = form;
}

/* All shapes that the set has for one kind of peer. */
static __always_inline void policy_ask(struct policy_search *s, __u8 kind, __u32 peer, __u8 proto,
				       __be16 port)
{
	struct policy_key *key = &s->block.key;

	if (!(s->shapes & POLICY_SHAPE(kind, 0) * 0xf))
		return;
	key->kind = kind;
	key->peer = peer;
	key->proto = proto;
	key->port = port;
	if (port && (s->shapes & POLICY_SHAPE(kind, PORT_EXACT)))
		policy_consider(s, bpf_map_lookup_elem(&cilium_policy, key), PORT_EXACT);
	if (port && (s->shapes & POLICY_SHAPE(kind, PORT_BLOCK)))
		policy_consider(s, bpf_map_lookup_elem(&cilium_policy_p, &s->block), PORT_BLOCK);
	key->port = 0;
	if (s->shapes & POLICY_SHAPE(kind, PORT_PROTOCOL))
		policy_consider(s, bpf_map_lookup_elem(&cilium_policy, key), PORT_PROTOCOL);
	key->proto = 0;
	if (s->shapes & POLICY_SHAPE(kind, PORT_NONE))
		policy_consider(s, bpf_map_lookup_elem(&cilium_policy, key), PORT_NONE);
}

static __always_inline __u8 policy_match(const struct policy_search *s)
{
	if (!s->best)
		return MATCH_NONE;
	if (s->form == PORT_NONE)
		return s->kind == PEER_ANY ? MATCH_ALL : MATCH_L3;
	if (s->form == PORT_PROTOCOL)
		return s->kind == PEER_ANY ? MATCH_PROTO : MATCH_L3_PROTO;
	return s->kind == PEER_ANY ? MATCH_L4 : MATCH_L3_L4;
}

/* Asks one rule set. Notes in the packet which rule spoke. Returns 0 or a negative reason.
 * @param dir enum direction */
__separate int policy_set_verdict(struct pkt *p, __u32 set, __u32 identity, __u32 cidr_class,
				  __u32 dir)
{
	struct policy_search s = {};
	const struct rule_set *row;
	__u32 flags, cookie;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	row = bpf_map_lookup_elem(&cilium_policy_sets, &set);
	if (!row)
		return -DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
	s.shapes = row->shapes;
	/* a piece of a datagram whose ports nobody knows, and rules that ask for them */
	if ((p->flags & PKT_NO_PORTS) && (s.shapes & POLICY_PORT_SHAPES))
		return -DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;
	s.block.bits = POLICY_BLOCK_BITS;
	s.block.key.set = set;
	policy_ask(&s, PEER_IDENTITY, identity, p->asks_proto, p->asks_port);
	if (cidr_class)
		policy_ask(&s, PEER_CLASS, cidr_class, p->asks_proto, p->asks_port);
	policy_ask(&s, PEER_ANY, 0, p->asks_proto, p->asks_port);

	flags = s.best ? s.best->flags : row->flags;
	cookie = s.best ? s.best->cookie : row->cookie;
	p->cookie = cookie;
	p->judged = (policy_match(&s) + 1) | dir << 4;
	if (flags & POLICY_ALLOW)
		return 0;
	return flags & POLICY_EXPLICIT ? -DROP_POLICY_DENY : -DROP_POLICY_DENIED;
}

/* Returns 0 (allowed) or a negative reason.
 * @param set the rule set's number, read before the peer's identity
 * @param peer the other end */
static __always_inline int policy_verdict(struct pkt *p, __u32 set, const struct end *peer,
					  enum direction dir)
{
	int ret;

	if (!cfg.policy || set == SET_OPEN)
		return 0;
	/* what zeroed memory says, and what an endpoint says until its rules are known */
	if (set == SET_CLOSED)
		ret = -DROP_POLICY_DENIED;
	else
		ret = policy_set_verdict(p, set, peer->identity, peer->cidr_class, dir);
	if (ret)
		p->dir = dir;
	return ret;
}

#endif
