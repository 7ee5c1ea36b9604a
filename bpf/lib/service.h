/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a service's address to one of its backends: called for the first packet of a flow, before anything is known of
 * its destination, and by the socket programs. Never touches the packet. */
#ifndef LIB_SERVICE_H
#define LIB_SERVICE_H

#include "service_maps.h"
#include "../abi/flow.h"

#define SERVICE_NONE  0 /* no service address */
#define SERVICE_FOUND 1

/* The backend that a reference names; NULL: it is gone. */
static __always_inline const struct backend *backend_of(backend_ref ref)
{
	__u32 index = ref & 0xffff;
	const struct backend *row = bpf_map_lookup_elem(&cilium_backends, &index);

	return row && row->state && row->generation == ref >> 16 ? row : NULL;
}

/* The frontend's row for who asks. @param inside a pod, or the node itself */
static __always_inline const struct frontend *frontend_find(struct frontend_key *key, bool inside)
{
	const struct frontend *row;

	key->scope = SCOPE_EXTERNAL;
	row = bpf_map_lookup_elem(&cilium_lb, key);
	if (inside && row && (row->flags & FRONTEND_SCOPES)) {
		key->scope = SCOPE_INTERNAL;
		row = bpf_map_lookup_elem(&cilium_lb, key);
	}
	return row;
}

/* The frontend of a NodePort on whichever address of whichever node, for who asks from inside. */
static __always_inline const struct frontend *frontend_of_nodes(struct frontend_key *key, bool v4)
{
	__u16 port = bpf_ntohs(key->port);

	if (!cfg.nodeport || port < cfg.nodeport_min || port > cfg.nodeport_max)
		return NULL;
	memset(&key->addr, 0, sizeof(key->addr));
	if (v4)
		key->addr.w[2] = bpf_htonl(0xffff);
	return frontend_find(key, true);
}

/* Is this the address of a service, whatever the port? */
static __always_inline bool service_owns(const struct addr *addr)
{
	struct frontend_key key = {.addr = *addr};

	return bpf_map_lookup_elem(&cilium_lb, &key) != NULL;
}

/* May this client from outside use the service? */
static __always_inline bool service_lets_in(const struct frontend *frontend,
					    const struct addr *client)
{
	struct source_range_key key = {.bits = 32 + 128, .service = frontend->service};
	bool found;

	if (likely(!(frontend->flags & FRONTEND_SOURCE_RANGES)))
		return true;
	key.addr = *client;
	found = bpf_map_lookup_elem(&cilium_lb_ranges, &key);
	return found != !!(frontend->flags & FRONTEND_DENY_RANGES);
}

/* A backend of a frontend by its address. */
struct backend_search {
	struct addr wanted;
	__u32 list;
	__be16 port;
	__u16 found;
	backend_ref ref;
};

/* Of longer lists only so many are looked at. */
#define BACKEND_SEARCH 65536

static long backend_look(__u32 i, struct backend_search *search)
{
	__u32 index = search->list + i, *ref = bpf_map_lookup_elem(&cilium_lb_lists, &index);
	const struct backend *backend = ref ? backend_of(*ref) : NULL;

	if (!backend || !addr_equal(&backend->addr, &search->wanted))
		return 0;
	search->port = backend->port;
	search->ref = *ref;
	search->found = 1;
	return 1;
}

/* Fills what is found under search->wanted. */
static __always_inline void backend_search(const struct frontend *frontend,
					   struct backend_search *search)
{
	__u32 count = frontend->count + frontend->others;

	search->list = frontend->list;
	bpf_loop(count < BACKEND_SEARCH ? count : BACKEND_SEARCH, backend_look, search, 0);
}

/* The same as frontend_find, but that a client who is a backend of the one that others inside find may go by the one
 * of the outside. */
static __always_inline const struct frontend *frontend_for(struct frontend_key *key, bool inside,
							   const struct addr *client)
{
	const struct frontend *row = frontend_find(key, inside);
	struct backend_search search = {};

	if (likely(!row || !(row->flags & FRONTEND_SPARES_BACKENDS)))
		return row;
	search.wanted = *client;
	backend_search(row, &search);
	if (!search.found)
		return row;
	key->scope = SCOPE_EXTERNAL;
	return bpf_map_lookup_elem(&cilium_lb, key);
}

/* The backend at a place of a frontend's list; NULL: it is gone. */
static __always_inline const struct backend *service_at(const struct frontend *frontend,
							__u32 place, backend_ref *ref)
{
	__u32 index = frontend->list + place, *found;

	found = bpf_map_lookup_elem(&cilium_lb_lists, &index);
	if (!found)
		return NULL;
	*ref = *found;
	return backend_of(*ref);
}

/* A number that every node computes alike for a client's connection, whichever of a service's addresses it asks. */
static __always_inline __u32 maglev_hash(const struct flow_key *key)
{
	const __u64 *src = (const void *)&key->src;
	__u64 ports = (__u64)key->sport << 32 | (__u64)key->dport << 8 | key->proto;
	__u64 h = (src[0] ^ cfg.hash_seed) * 0x9e3779b97f4a7c15ULL;

	h = ((h ^ h >> 29) + src[1]) * 0xbf58476d1ce4e5b9ULL;
	h = ((h ^ h >> 32) + ports) * 0x94d049bb133111ebULL;
	return (h ^ h >> 31) >> 16;
}

/* The place in the list that the frontend's table has for this connection. False: there is no such table. */
static __always_inline bool maglev_place(const struct frontend *frontend,
					 const struct flow_key *key, __u32 *place)
{
	__u32 slot, chunk, page;
	const struct maglev_chunk *row;
	void *map;

	if (likely(!frontend->table_size))
		return false;
	slot = maglev_hash(key) % frontend->table_size;
	chunk = frontend->table + slot / MAGLEV_CHUNK_PLACES;
	page = chunk / MAGLEV_PAGE_CHUNKS;
	map = bpf_map_lookup_elem(&cilium_lb_maglev, &page);
	if (!map)
		return false;
	chunk %= MAGLEV_PAGE_CHUNKS;
	row = bpf_map_lookup_elem(map, &chunk);
	if (!row)
		return false;
	*place = row->place[slot % MAGLEV_CHUNK_PLACES];
	return *place < frontend->count;
}

/* One of the backends that take new connections: the one that the connection's hash leads to, where the frontend has a
 * table, else any. NULL: there is none. @param key of the packet; NULL: a socket asks, whose port is not known yet */
static __always_inline const struct backend *service_pick(const struct frontend *frontend,
							  const struct flow_key *key,
							  backend_ref *ref, __u32 *place)
{
	if (!frontend->count)
		return NULL;
	if (!key || !maglev_place(frontend, key, place))
		*place = bpf_get_prandom_u32() % frontend->count;
	return service_at(frontend, *place, ref);
}

/* Longer lists are not searched for a backend that has moved within them: its clients choose anew. */
#define AFFINITY_SEARCH 4096

struct affinity_search {
	__u32 list;
	__u32 wanted;
	__u32 found;
};

static long affinity_look(__u32 i, struct affinity_search *search)
{
	__u32 index = search->list + i, *ref = bpf_map_lookup_elem(&cilium_lb_lists, &index);

	if (!ref || *ref != search->wanted)
		return 0;
	search->found = i + 1;
	return 1;
}

/* The backend that this client had last, if it still takes connections and the time has not run out.
 * @param place where in the list it is now */
static __always_inline bool affinity_holds(const struct frontend *frontend,
					   const struct affinity *known, __u32 now, __u32 *place)
{
	struct affinity_search search = {.list = frontend->list, .wanted = known->backend};
	backend_ref ref = 0;

	if (now - known->used > frontend->affinity_s)
		return false;
	*place = known->place;
	if (*place < frontend->count) {
		service_at(frontend, *place, &ref);
		if (ref == known->backend)
			return true;
	}
	/* the list is another one since */
	bpf_loop(frontend->count < AFFINITY_SEARCH ? frontend->count : AFFINITY_SEARCH,
		 affinity_look, &search, 0);
	*place = search.found - 1;
	return search.found;
}

/* Who answers this client's new connection. NULL: nobody.
 * @param client its address, or the cookie of its network namespace when a socket asks
 * @param tuple of the packet; NULL: a socket asks */
static __always_inline const struct backend *service_choose(const struct frontend *frontend,
							    const struct addr *client,
							    const struct flow_key *tuple, __u32 now,
							    backend_ref *ref)
{
	struct affinity_key key = {.service = frontend->service, .from_socket = !tuple};
	const struct backend *backend;
	struct affinity fresh = {};
	struct affinity *known;

	if (likely(!(frontend->flags & FRONTEND_AFFINITY)))
		return service_pick(frontend, tuple, ref, &fresh.place);
	key.client = *client;
	known = bpf_map_lookup_elem(&cilium_affinity, &key);
	if (known && affinity_holds(frontend, known, now, &fresh.place))
		backend = service_at(frontend, fresh.place, ref);
	else
		backend = service_pick(frontend, tuple, ref, &fresh.place);
	if (!backend)
		return NULL;
	fresh.backend = *ref;
	fresh.used = now;
	bpf_map_update_elem(&cilium_affinity, &key, &fresh, BPF_ANY);
	return backend;
}

#endif
