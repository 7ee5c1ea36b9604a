/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services on the packet path: where a new flow's packets really go. What is decided here stands in the flow's pair of
 * entries from then on, whatever becomes of the service. */
#ifndef LIB_SERVICE_OPEN_H
#define LIB_SERVICE_OPEN_H

#include "address.h"
#include "l4.h"
#include "maps.h"
#include "scratch.h"
#include "service.h"

/* Until a service says otherwise a packet goes where it says. */
static __always_inline void target_init(struct target *target, const struct pkt *p)
{
	memset(target, 0, sizeof(*target));
	target->addr = p->key.dst;
	target->port = p->key.dport;
}

/* Replaces the target of a packet to a service by a backend's. Returns SERVICE_NONE, SERVICE_FOUND or a negative
 * reason: DROP_SERVICE_BACKEND_NOT_FOUND is for an answer, when the sender is one that we answer.
 * Rules: 1 a frontend for address, port and protocol counts, whoever else has the address; 2 from inside, a NodePort
 * counts on every address of every node; 3 an address that has a row of its own (a pod, a node) is theirs; 4 any other port and protocol of a service address is nobody's.
 * @param inside a pod or the node asks */
__separate int service_target(struct pkt *p, bool inside)
{
	const struct frontend *frontend;
	const struct backend *backend;
	const struct address *known;
	struct scratch *s = scratch();
	struct frontend_key key = {};
	backend_ref ref = 0;

	if (!p || !s)
		return -DROP_INVALID_TC_BUFFER;
	key.addr = p->key.dst;
	key.port = p->key.dport;
	key.proto = p->key.proto;
	frontend = frontend_for(&key, inside, &p->key.src);
	if (likely(!frontend)) {
		known = address_exact(&p->key.dst);
		if (inside && known && (known->flags & ADDRESS_NODES))
			frontend = frontend_of_nodes(&key, !pkt_is_v6(p));
		if (likely(!frontend))
			return known || !service_owns(&p->key.dst) ? SERVICE_NONE
								   : -DROP_NO_SERVICE_PORT;
	}
	/* one of the pods that an address is redirected to, and nobody else serves it */
	if (inside && frontend->kind == FRONTEND_LOCAL_REDIRECT && key.scope == SCOPE_EXTERNAL &&
	    !frontend->count && !frontend->others)
		return SERVICE_NONE;
	if (!inside && (frontend->flags & FRONTEND_INTERNAL_ONLY))
		return -DROP_IS_A_CLUSTERIP;
	if (!inside && !service_lets_in(frontend, &p->key.src))
		return -DROP_DENIED_BY_LB_SRC_RANGE_CHECK;
	s->target.service = frontend->service;
	backend = service_choose(frontend, &p->key.src, &p->key, pkt_seconds(p), &ref);
	if (unlikely(!backend && frontend->count)) {
		/* the list was replaced under us, and its backend is gone: the new one knows better */
		frontend = frontend_for(&key, inside, &p->key.src);
		if (!frontend)
			return -DROP_NO_SERVICE_PORT;
		backend = service_choose(frontend, &p->key.src, &p->key, pkt_seconds(p), &ref);
	}
	if (!backend)
		return frontend->flags & FRONTEND_DROP ? -DROP_NO_LOCAL_BACKEND
						       : -DROP_SERVICE_BACKEND_NOT_FOUND;
	/* its checksum does not bear another port */
	if (p->key.proto == IPPROTO_SCTP && backend->port != p->key.dport)
		return -DROP_UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE;
	s->target.addr = backend->addr;
	s->target.port = backend->port;
	s->target.backend = ref;
	s->target.flags = TARGET_SERVICE;
	if (cfg.dsr && !inside && (frontend->flags & FRONTEND_DSR))
		s->target.flags |= TARGET_DSR;
	return SERVICE_FOUND;
}

/* Does this packet from the middle of a connection, which another node has led to a backend, find it from here, too? A
 * table says the same on every node, and the backend's node answers whoever hands it over. */
static __always_inline bool service_may_go_on(const struct pkt *p)
{
	struct frontend_key key = {.addr = p->key.dst, .port = p->key.dport, .proto = IPPROTO_TCP};
	const struct frontend *frontend;

	if (p->key.proto != IPPROTO_TCP || (p->tcp_flags & TCP_SYN) ||
	    (p->flags & PKT_LATER_FRAGMENT))
		return false;
	frontend = frontend_find(&key, false);
	return frontend && (frontend->flags & FRONTEND_DSR) && frontend->table_size;
}

/* Can this packet from outside begin a conversation with a service? One in the middle of a connection belongs to a flow
 * that is known, or to nobody. */
static __always_inline bool service_may_begin(const struct pkt *p)
{
	switch (p->key.proto) {
	case IPPROTO_TCP:
		return (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
		       !(p->flags & PKT_LATER_FRAGMENT);
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		return true;
	}
	return false;
}

/* The source that a packet from outside leaves this node with to a backend elsewhere, so that the answer comes back:
 * in the overlay the node's address there, else that of the device. Returns 0 or a negative reason. */
static __always_inline int service_source(const struct pkt *p, bool tunnel, __u32 ifindex,
					  struct addr *to)
{
	const struct device *device;

	if (tunnel) {
		*to = addr_load(pkt_is_v6(p) ? &cfg.host_v6 : &cfg.host_v4);
	} else {
		device = bpf_map_lookup_elem(&cilium_devices, &ifindex);
		if (!device)
			return -DROP_NO_DEVICE;
		*to = pkt_is_v6(p) ? device->v6 : device->v4;
	}
	return addr_is_zero(to) ? -DROP_NO_MASQUERADE_ADDRESS : 0;
}

/* The source that a pod's packet to itself gets, so that the answer comes back to us. */
static __always_inline struct addr loopback_address(const struct pkt *p)
{
	return addr_load(pkt_is_v6(p) ? &cfg.loopback_v6 : &cfg.loopback_v4);
}

#endif
