/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pods of this node. A row is found by the index of its device, or by a reference kept in a flow or address, which
 * tells a pod from the next one in the same slot. */
#ifndef LIB_ENDPOINT_H
#define LIB_ENDPOINT_H

#include "maps.h"

/* Every namespace's loopback device: packets are made up there to try a new generation (slot 0). */
#define LOOPBACK_IFINDEX 1

static __always_inline const struct endpoint *endpoint_at(__u32 slot)
{
	const struct endpoint *row = bpf_map_lookup_elem(&cilium_lxc, &slot);

	return row && row->ifindex ? row : NULL;
}

/* The pod behind a device; NULL: no such pod, nothing passes. */
static __always_inline const struct endpoint *endpoint_of_device(__u32 ifindex)
{
	return endpoint_at(ifindex == LOOPBACK_IFINDEX ? 0 : ifindex - ENDPOINT_IFINDEX_BASE);
}

/* The pod that a reference names; NULL: it is gone. */
static __always_inline const struct endpoint *endpoint_of(endpoint_ref ref)
{
	const struct endpoint *row = endpoint_at(ref & 0xffff);

	return row && row->generation == ref >> 16 ? row : NULL;
}

static __always_inline endpoint_ref endpoint_refer(const struct endpoint *row)
{
	return row->id | (endpoint_ref)row->generation << 16;
}

#endif
