/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments in any order. The first of a datagram leaves its ports in a map for the others. When another comes first,
 * the whole datagram is left to the node's stack, which reassembles before it routes, and is met again on its way out
 * in order. Where the stack does not, such a piece passes only if no port matters (docs/decisions/fragments.md). */
#ifndef LIB_FRAGMENT_H
#define LIB_FRAGMENT_H

#include "maps.h"
#include "pkt.h"

#define FRAGMENT_TO_STACK 4

/* Gives a fragment its datagram's ports. Returns 0, or FRAGMENT_TO_STACK. */
__separate int fragment_meet(struct pkt *p)
{
	struct fragment_key key = {};
	struct fragment note = {}, *known;

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	key.src = p->key.src;
	key.dst = p->key.dst;
	key.id = p->fragment_id;
	key.proto = pkt_is_v6(p) ? 0 : p->key.proto;
	known = bpf_map_lookup_elem(&cilium_frags, &key);
	if (known && pkt_seconds(p) - known->seen > cfg.fragment_s)
		known = NULL;
	if (known && (known->flags & FRAGMENT_STACK)) {
		/* out of the stack it comes in order: what it was told on the way in is done */
		if (!hook_is_egress(p->hook))
			return FRAGMENT_TO_STACK;
		known = NULL;
	}
	if (p->flags & PKT_LATER_FRAGMENT) {
		if (known) {
			p->key.sport = known->sport;
			p->key.dport = known->dport;
			p->key.proto = known->proto;
			return 0;
		}
		if (!cfg.defrag || hook_is_egress(p->hook)) {
			p->flags |= PKT_NO_PORTS;
			return 0;
		}
		note.flags = FRAGMENT_STACK;
	}
	note.sport = p->key.sport;
	note.dport = p->key.dport;
	note.proto = p->key.proto;
	note.seen = pkt_seconds(p);
	bpf_map_update_elem(&cilium_frags, &key, &note, BPF_ANY);
	return note.flags ? FRAGMENT_TO_STACK : 0;
}

#endif
