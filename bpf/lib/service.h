/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a service's address to one of its backends: called for the first packet of a flow, before anything is known of
 * its destination, and by the socket programs. Never touches the packet. */
#ifndef LIB_SERVICE_H
#define LIB_SERVICE_H

#include "service_maps.h"

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

/* Is this the address of a service, whatever the port? */
static __always_inline bool service_owns(const struct addr *addr)
{
	struct frontend_key key = {.addr = *addr};

	return bpf_map_lookup_elem(&cilium_lb, &key) != NULL;
}

/* One of the backends that take new connections, at random. NULL: there is none. */
static __always_inline const struct backend *service_pick(const struct frontend *frontend,
							  backend_ref *ref)
{
	__u32 index, *place;

	if (!frontend->count)
		return NULL;
	index = frontend->list + bpf_get_prandom_u32() % frontend->count;
	place = bpf_map_lookup_elem(&cilium_lb_lists, &index);
	if (!place)
		return NULL;
	*ref = *place;
	return backend_of(*ref);
}

#endif
