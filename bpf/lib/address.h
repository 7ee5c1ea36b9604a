/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of an address: the exact row if there is one, else the longest prefix. NULL: nothing at all; the
 * agent writes a row for each family's whole range, so that means it is not ready. */
#ifndef LIB_ADDRESS_H
#define LIB_ADDRESS_H

#include "address_maps.h"

static __always_inline const struct address *address_exact(const struct addr *addr)
{
	/* verifier: a key may not lie in memory that a function got as an argument → copy (before kernel 6.2) */
	struct addr key = *addr;

	return bpf_map_lookup_elem(&cilium_ipcache, &key);
}

static __always_inline const struct address *address_find(const struct addr *addr)
{
	const struct address *found = address_exact(addr);
	struct prefix_key key;

	if (found)
		return found;
	key.bits = 128;
	key.addr = *addr;
	return bpf_map_lookup_elem(&cilium_ipcache_p, &key);
}

/* Multicast, broadcast and what else no unicast route leads to. */
static __always_inline bool address_is_group(const struct addr *a)
{
	if (addr_is_v4(a))
		return (a->w[3] & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000) ||
		       a->w[3] == 0xffffffff || !(a->w[3] & bpf_htonl(0xff000000));
	return (a->w[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000) || addr_is_zero(a);
}

static __always_inline bool address_is_link_local6(const struct addr *a)
{
	return (a->w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

#endif
