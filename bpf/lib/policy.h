/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Policy: is this packet allowed by one endpoint's rule set? Called for each end of a flow that is a pod of this node,
 * when the flow begins and when anything that a verdict rests on has changed. Never touches the packet. */
#ifndef LIB_POLICY_H
#define LIB_POLICY_H

#include "policy_maps.h"
#include "scratch.h"

#define POLICY_BLOCK_BITS 64

/* Shapes that ask for a port. */
#define POLICY_PORT_SHAPES (POLICY_SHAPE(PORT_EXACT) | POLICY_SHAPE(PORT_BLOCK))

/* Answer of a part in which no rule speaks. Neither 0 nor a reason. */
#define POLICY_SILENT 1
#define POLICY_NEXT   2

/* The part's rules whose group the peer is in. */
static __noinline __u64 policy_rules_about(const struct rule_set *part,
					   const struct policy_peer *peer)
{
	__u64 found = 0;
	__u32 i;

	if (!part || !peer)
		return 0;
	for (i = 0; i < POLICY_RULES; i++) {
		__u32 group;

		if (i >= part->count)
			break;
		group = part->rule[i].group % POLICY_GROUPS;
		found |= (__u64)(peer->groups[group >> 3] >> (group & 7) & 1) << i;
	}
	return found;
}

/* Rules by form of port. */
struct policy_ports {
	__u64 exact;
	__u64 protocol;
	__u64 none;
};

static __always_inline __u64 policy_entry_rules(const struct policy_entry *entry)
{
	return entry ? entry->rules : 0;
}

static __always_inline void policy_rules_for(struct policy_ports *found, __u32 shapes,
					     struct policy_block_key *block, __u8 proto,
					     __be16 port)
{
	struct policy_key *key = &block->key;

	key->proto = proto;
	key->port = port;
	if (port && (shapes & POLICY_SHAPE(PORT_EXACT)))
		found->exact = policy_entry_rules(bpf_map_lookup_elem(&cilium_policy, key));
	if (port && (shapes & POLICY_SHAPE(PORT_BLOCK)))
		found->exact |= policy_entry_rules(bpf_map_lookup_elem(&cilium_policy_p, block));
	key->port = 0;
	if (shapes & POLICY_SHAPE(PORT_PROTOCOL))
		found->protocol = policy_entry_rules(bpf_map_lookup_elem(&cilium_policy, key));
	key->proto = 0;
	if (shapes & POLICY_SHAPE(PORT_NONE))
		found->none = policy_entry_rules(bpf_map_lookup_elem(&cilium_policy, key));
}

static __always_inline __u8 policy_match(const struct policy_ports *ports, __u64 rule, bool anybody)
{
	if (ports->exact & rule)
		return anybody ? MATCH_L4 : MATCH_L3_L4;
	if (ports->protocol & rule)
		return anybody ? MATCH_PROTO : MATCH_L3_PROTO;
	return anybody ? MATCH_ALL : MATCH_L3;
}

/* The lowest bit that is set, of a mask that is not 0. */
static __always_inline __u32 policy_first(__u64 mask)
{
	__u32 at = 0;

	if (!(mask & 0xffffffff)) {
		at += 32;
		mask >>= 32;
	}
	if (!(mask & 0xffff)) {
		at += 16;
		mask >>= 16;
	}
	if (!(mask & 0xff)) {
		at += 8;
		mask >>= 8;
	}
	if (!(mask & 0xf)) {
		at += 4;
		mask >>= 4;
	}
	if (!(mask & 0x3)) {
		at += 2;
		mask >>= 2;
	}
	return at + !(mask & 1);
}

static __always_inline int policy_verdict_of(struct pkt *p, __u8 flags)
{
	if (flags & POLICY_ALLOW)
		return 0;
	p->response = flags >> POLICY_RESPONSE_SHIFT;
	return flags & POLICY_EXPLICIT ? -DROP_POLICY_DENY : -DROP_POLICY_DENIED;
}

/* Asks one part of a rule set. Notes in the packet which rule spoke. Returns 0, a negative reason, or POLICY_SILENT or
 * POLICY_NEXT when no rule of this part speaks. @param dir enum direction */
__separate int policy_part_verdict(struct pkt *p, __u64 at, __u32 identity, __u32 cidr_class,
				   __u32 dir)
{
	struct policy_set_key set = {.set = at >> 32, .part = (__u32)at};
	struct policy_peer_key peer = {};
	struct policy_block_key block = {};
	struct policy_ports ports = {};
	const struct policy_peer *groups;
	const struct rule_set *part;
	__u64 about, hit;
	__u32 first;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	part = bpf_map_lookup_elem(&cilium_policy_sets, &set);
	if (!part)
		return -DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
	/* a piece of a datagram whose ports nobody knows, and rules that ask for them */
	if ((p->flags & PKT_NO_PORTS) && (part->shapes & POLICY_PORT_SHAPES))
		return -DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;

	block.bits = POLICY_BLOCK_BITS;
	block.key.set = set.set;
	block.key.part = set.part;
	policy_rules_for(&ports, part->shapes, &block, p->asks_proto, p->asks_port);
	hit = ports.exact | ports.protocol | ports.none;
	about = part->anybody;
	if (hit & ~about) {
		peer.kind = PEER_IDENTITY;
		peer.number = identity;
		groups = bpf_map_lookup_elem(&cilium_policy_peers, &peer);
		/* nobody knows whether a deny is about this peer */
		if (!groups && (part->flags & POLICY_ASKS_PEER))
			return -DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
		about |= policy_rules_about(part, groups);
		if (cidr_class) {
			peer.kind = PEER_CLASS;
			peer.number = cidr_class;
			groups = bpf_map_lookup_elem(&cilium_policy_peers, &peer);
			if (!groups && (part->flags & POLICY_ASKS_PEER))
				return -DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
			about |= policy_rules_about(part, groups);
		}
	}
	hit &= about;
	if (hit) {
		first = policy_first(hit) % POLICY_RULES;
		p->cookie = part->rule[first].cookie;
		p->judged = (policy_match(&ports, 1ULL << first, part->anybody >> first & 1) + 1) |
			    dir << 4;
		return policy_verdict_of(p, part->rule[first].flags);
	}
	return part->flags & POLICY_MORE ? POLICY_NEXT : POLICY_SILENT;
}

/* Asks one rule set, part by part. Returns 0 or a negative reason. @param dir enum direction */
__separate int policy_set_verdict(struct pkt *p, __u32 set, __u32 identity, __u32 cidr_class,
				  __u32 dir)
{
	struct policy_set_key key = {.set = set};
	const struct rule_set *row;
	int ret = POLICY_NEXT;
	__u32 part;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	for (part = 0; part < POLICY_PARTS && ret == POLICY_NEXT; part++)
		ret = policy_part_verdict(p, (__u64)set << 32 | part, identity, cidr_class, dir);
	if (ret <= 0)
		return ret;
	row = bpf_map_lookup_elem(&cilium_policy_sets, &key);
	if (!row)
		return -DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
	p->cookie = row->cookie;
	p->judged = (MATCH_NONE + 1) | dir << 4;
	return policy_verdict_of(p, row->flags);
}

/* Returns 0 (allowed) or a negative reason.
 * @param set the rule set's number, read before the peer's identity
 * @param peer the other end */
static __always_inline int policy_verdict(struct pkt *p, __u32 set, const struct end *peer,
					  enum direction dir)
{
	int ret;

	p->judged = 0;
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
