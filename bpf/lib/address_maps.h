/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What addresses are: apart from the other maps, for the socket programs need no more. */
#ifndef LIB_ADDRESS_MAPS_H
#define LIB_ADDRESS_MAPS_H

#include "bpf.h"
#include "../abi/address.h"

/* What an exact address is. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ADDRESS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct addr);
	__type(value, struct address);
} cilium_ipcache SEC(".maps");

/* What the addresses of a prefix are, unless one has an exact row. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, PREFIX_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct prefix_key);
	__type(value, struct address);
} cilium_ipcache_p SEC(".maps");

#endif
