/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of services. All but affinity are configuration: one generation's own,
 * filled before its programs run. */
#ifndef LIB_SERVICE_MAPS_H
#define LIB_SERVICE_MAPS_H

#include "bpf.h"
#include "../abi/service.h"

/* Where clients connect to. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FRONTENDS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct frontend_key);
	__type(value, struct frontend);
} cilium_lb SEC(".maps");

/* Lists of backends, one after the other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVICE_LIST_MAX);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, __u32);
} cilium_lb_lists SEC(".maps");

struct maglev_page {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAGLEV_PAGE_CHUNKS);
	__type(key, __u32);
	__type(value, struct maglev_chunk);
};

/* Without a variable of the type, the compiler leaves the inner map's value out of BTF. */
static const volatile struct maglev_chunk maglev_layout __attribute__((used));

/* Maglev tables, page by page. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MAGLEV_PAGES_MAX);
	__type(key, __u32);
	__array(values, struct maglev_page);
} cilium_lb_maglev SEC(".maps");

/* Who answers, by index. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BACKENDS_MAX);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, struct backend);
} cilium_backends SEC(".maps");

/* The backend that a client of a service was sent to last. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, AFFINITIES_MAX);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
} cilium_affinity SEC(".maps");

/* Clients from outside that may, or may not, use a service. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SOURCE_RANGES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct source_range_key);
	__type(value, __u32);
} cilium_lb_ranges SEC(".maps");

#endif
