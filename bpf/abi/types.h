/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few types that every map and event is made of.
 * User space never types an offset: its codecs are generated from the BTF of these headers. */
#ifndef ABI_TYPES_H
#define ABI_TYPES_H

#include <linux/types.h>

/* Number of the layout of all *state* maps (flows, fragments, counters). Maps of one layout are shared by
 * every generation of programs; a change of any of their structs takes the next number and a converter. */
#define STATE_LAYOUT 1

/* An IPv6 address, or an IPv4 address in its mapped form (::ffff:a.b.c.d), network byte order.
 * All zero: no address. */
struct addr {
	__be32 w[4];
};

struct mac {
	__u8 b[6];
	__u8 pad[2];
};

/* Which end of a packet's way a count or verdict belongs to. */
enum direction {
	DIR_UNKNOWN = 0,
	DIR_INGRESS = 1,
	DIR_EGRESS = 2,
	DIR_SERVICE = 3,
};

/* Reserved identities (docs/reference: identities). Labels of pods start at 256. */
enum reserved_identity {
	ID_UNKNOWN = 0,
	ID_HOST = 1,
	ID_WORLD = 2,
	ID_UNMANAGED = 3,
	ID_HEALTH = 4,
	ID_INIT = 5,
	ID_REMOTE_NODE = 6,
	ID_KUBE_APISERVER = 7,
	ID_INGRESS = 8,
	ID_WORLD_IPV4 = 9,
	ID_WORLD_IPV6 = 10,
};

/* Upper eight bits of an identity of a node that policies know by its labels: of one node's own making. */
#define SCOPE_REMOTE_NODE 2

#endif
