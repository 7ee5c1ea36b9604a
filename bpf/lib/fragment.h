/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments in any order. The first of a datagram leaves its ports in a map for the others. When another comes first,
 * the whole datagram is left to the node's stack, which reassembles before it routes, and is met again on its way out,
 * whole or in order. One for the node's own address would not come out again, though it may be the answer to a
 * masqueraded pod: such a datagram goes by an address that is nobody's (cfg.defrag_v4, _v6) and is met at
 * cil_from_defrag. Where the stack does not reassemble, and from a pod to its own node, a piece without ports passes only
 * if no port matters.
 * docs/decisions/fragments.md */
#ifndef LIB_FRAGMENT_H
#define LIB_FRAGMENT_H

#include "maps.h"
#include "masquerade.h"
#include "nat.h"
#include "pkt.h"

#define FRAGMENT_TO_STACK 4

static __always_inline struct addr defrag_address(const struct pkt *p)
{
	return addr_load(pkt_is_v6(p) ? &cfg.defrag_v6 : &cfg.defrag_v4);
}

/* Key under which a datagram's true destination is found once it is whole: its ports stand for the identification,
 * which IPv6 loses. */
static __always_inline void defrag_key(const struct pkt *p, struct fragment_key *key)
{
	key->src = p->key.src;
	key->dst = defrag_address(p);
	key->id = (__u32)p->key.sport << 16 | p->key.dport;
	key->proto = p->key.proto;
	key->pad[0] = 1;
}

/* Is this for the address that pods are masqueraded with here? */
static __always_inline bool defrag_is_needed(struct __sk_buff *ctx, const struct pkt *p)
{
	__u32 ifindex = ctx_read(ctx, ifindex);
	struct addr defrag = defrag_address(p);
	const struct device *device;

	if (p->hook != HOOK_FROM_NETDEV || addr_is_zero(&defrag) || !masquerade_is_on(p))
		return false;
	device = bpf_map_lookup_elem(&cilium_devices, &ifindex);
	return device && addr_equal(&p->key.dst, pkt_is_v6(p) ? &device->v6 : &device->v4);
}

/* Does a pod send this to its own node, or anybody to a node that has rules? The stack would keep what it reassembles,
 * and nobody would be asked. */
static __always_inline bool fragment_is_for_node(struct __sk_buff *ctx, const struct pkt *p)
{
	const struct address *dst;

	if (p->hook != HOOK_FROM_CONTAINER && (!cfg.host_firewall || defrag_is_needed(ctx, p)))
		return false;
	dst = address_exact(&p->key.dst);
	return dst && (dst->flags & ADDRESS_LOCAL_HOST);
}

/* Points the packet to `dst`. Layer 4 sums stay: the true destination comes back before anybody looks at them. */
static __always_inline int defrag_redirect(struct __sk_buff *ctx, struct pkt *p,
					   const struct addr *dst)
{
	__s64 diff = nat_address_diff(&p->key, &p->key.src, dst);

	return nat_write_addresses(ctx, p->l3, pkt_is_v6(p), &p->key.src, dst, diff);
}

/* Sends a piece by way of the defrag address. The first one notes where the whole was to go. */
__separate int defrag_send(struct __sk_buff *ctx, struct pkt *p)
{
	struct fragment_key key = {};
	struct fragment note = {};
	struct addr defrag;
	int ret;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	defrag = defrag_address(p);
	if (!(p->flags & PKT_LATER_FRAGMENT)) {
		defrag_key(p, &key);
		note.dst = p->key.dst;
		note.seen = pkt_seconds(p);
		bpf_map_update_elem(&cilium_frags, &key, &note, BPF_ANY);
	}
	ret = defrag_redirect(ctx, p, &defrag);
	return ret ? ret : FRAGMENT_TO_STACK;
}

/* Gives a fragment its datagram's ports. Returns 0, FRAGMENT_TO_STACK, or a negative reason. */
__separate int fragment_meet(struct __sk_buff *ctx, struct pkt *p)
{
	struct fragment_key key = {};
	struct fragment note = {}, known = {}, *found;
	bool egress, is_known = false;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	egress = hook_is_egress(p->hook);
	key.src = p->key.src;
	key.dst = p->key.dst;
	key.id = p->fragment_id;
	key.proto = pkt_is_v6(p) ? 0 : p->key.proto;
	note.sport = p->key.sport;
	note.dport = p->key.dport;
	note.proto = p->key.proto;
	note.seen = pkt_seconds(p);

	/* verifier: it forgets what NULL was told of when two conditions meet in one → copy at once (before kernel 6.4) */
	found = bpf_map_lookup_elem(&cilium_frags, &key);
	if (found && pkt_seconds(p) - found->seen <= cfg.fragment_s) {
		known.flags = found->flags;
		known.sport = found->sport;
		known.dport = found->dport;
		known.proto = found->proto;
		is_known = true;
	}
	if (is_known && (known.flags & FRAGMENT_STACK)) {
		/* out of the stack it comes in order: what it was told on the way in is done */
		if (!egress)
			return known.flags & FRAGMENT_DEFRAG ? defrag_send(ctx, p)
							     : FRAGMENT_TO_STACK;
		is_known = false;
	}
	if (p->flags & PKT_LATER_FRAGMENT) {
		if (is_known) {
			p->key.sport = known.sport;
			p->key.dport = known.dport;
			p->key.proto = known.proto;
			return 0;
		}
		if (!cfg.defrag || egress || fragment_is_for_node(ctx, p)) {
			p->flags |= PKT_NO_PORTS;
			/* not to be taken for a flow from port 0 to port 0 */
			p->key.zone = FLOW_ZONE_PIECES;
			return 0;
		}
		note.flags = FRAGMENT_STACK;
		if (defrag_is_needed(ctx, p))
			note.flags |= FRAGMENT_DEFRAG;
	}
	bpf_map_update_elem(&cilium_frags, &key, &note, BPF_ANY);
	if (note.flags & FRAGMENT_DEFRAG)
		return defrag_send(ctx, p);
	return note.flags ? FRAGMENT_TO_STACK : 0;
}

/* Gives a datagram that came by way of the defrag address, whole or again in pieces, its true destination back.
 * Returns 0 or a negative reason. */
__separate int defrag_restore(struct __sk_buff *ctx, struct pkt *p)
{
	struct fragment_key key = {};
	struct fragment *note;
	struct addr dst;
	int ret;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	defrag_key(p, &key);
	note = bpf_map_lookup_elem(&cilium_frags, &key);
	if (!note || (p->flags & PKT_NO_PORTS))
		return -DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;
	dst = note->dst;
	ret = defrag_redirect(ctx, p, &dst);
	p->key.dst = dst;
	return ret;
}

#endif
