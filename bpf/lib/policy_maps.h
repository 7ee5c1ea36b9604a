/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps of rule sets: configuration, one generation's own, filled before its programs run; and their numbers. */
#ifndef LIB_POLICY_MAPS_H
#define LIB_POLICY_MAPS_H

#include "bpf.h"
#include "../abi/policy.h"

/* The rules of each set, part by part; a set without its first part denies. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, POLICY_SETS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct policy_set_key);
	__type(value, struct rule_set);
} cilium_policy_sets SEC(".maps");

/* Ports of all sets. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, POLICY_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct policy_key);
	__type(value, struct policy_entry);
} cilium_policy SEC(".maps");

/* Blocks of ports. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, POLICY_BLOCKS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct policy_block_key);
	__type(value, struct policy_entry);
} cilium_policy_p SEC(".maps");

/* The groups that each identity and each CIDR class is in. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, POLICY_PEERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct policy_peer_key);
	__type(value, struct policy_peer);
} cilium_policy_peers SEC(".maps");

/* The number that the next set gets. State: numbers stay used as long as flows may remember them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cilium_policy_no SEC(".maps");

#endif
