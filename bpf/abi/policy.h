/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets: the compiled policy of one direction of one kind of endpoint, named by a number that endpoints point at.
 * A set is never changed but for allows that are added; what denies anybody anything is a new set.
 *
 *     endpoint: egress_set, ingress_set ──► cilium_policy_sets: which shapes it has, what an empty look-up means
 *                                                │
 *                  cilium_policy: set, peer, port → entry;  cilium_policy_p: the same for blocks of ports
 *
 * Every shape that a set has is looked up, and the entry with the highest precedence speaks. */
#ifndef ABI_POLICY_H
#define ABI_POLICY_H

#include "types.h"

/* Entries and port blocks of all sets together, and sets. */
#define POLICY_MAX	  262144
#define POLICY_BLOCKS_MAX 65536
#define POLICY_SETS_MAX	  16384

/* Whom an entry is about. */
enum peer_kind {
	PEER_ANY = 0,	   /* peer is 0 */
	PEER_IDENTITY = 1, /* peer is its number */
	PEER_CLASS = 2,	   /* peer is a CIDR class */
};

/* How an entry gives its port. */
enum port_form {
	PORT_NONE = 0,	   /* every protocol: proto and port are 0 */
	PORT_PROTOCOL = 1, /* every port of a protocol: port is 0 */
	PORT_EXACT = 2,
	PORT_BLOCK = 3, /* in cilium_policy_p */
};

/* A set's shapes are one bit each. */
#define POLICY_SHAPE(kind, form) (1U << ((kind)*4 + (form)))

struct policy_key {
	__u32 set;
	__u32 peer;
	__u8 kind; /* enum peer_kind */
	__u8 proto;
	__be16 port; /* of the receiver; ICMP: type + 1 */
};

/* Ports that share their upper bits. Blocks of one set, peer and protocol do not overlap. */
struct policy_block_key {
	__u32 bits; /* 80 + n, with n bits of the port */
	struct policy_key key;
};

enum policy_flags {
	POLICY_ALLOW = 1 << 0,
	POLICY_EXPLICIT = 1 << 1, /* a deny that a policy asks for by name */
};

struct policy_entry {
	__u32 precedence;
	__u32 cookie; /* the rule that speaks */
	__be16 proxy_port;
	__u8 flags; /* enum policy_flags */
	__u8 pad;
};

struct rule_set {
	__u32 shapes;
	__u32 cookie; /* of the policy that isolates; 0: none */
	__u32 flags;  /* enum policy_flags: what an empty look-up means */
	__u32 pad;
};

#endif
