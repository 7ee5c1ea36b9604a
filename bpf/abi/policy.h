/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rule sets: the compiled policy of one direction of one kind of endpoint, named by a number that endpoints point at.
 * A set is never changed: whatever a policy says anew is a new set.
 *
 *     endpoint: egress_set, ingress_set ──► cilium_policy_sets: the set's rules, the strongest first
 *                                                │
 *            who: cilium_policy_peers: which groups of peers an identity or a CIDR class is in ──► rules by peer
 *           what: cilium_policy: set, port ──► rules by port;  cilium_policy_p: the same for blocks of ports
 *
 * Both answers are masks of the set's rules: the first rule in both speaks. What a set costs depends on its rules and
 * not on how many identities they are about; an identity that comes or goes is one row. */
#ifndef ABI_POLICY_H
#define ABI_POLICY_H

#include "types.h"

/* Ports and port blocks of all sets together, parts of sets, and peers. */
#define POLICY_MAX	  65536
#define POLICY_BLOCKS_MAX 65536
#define POLICY_SETS_MAX	  16384
#define POLICY_PEERS_MAX  131072

/* Groups of peers that rules speak of; number 0 is nobody's. */
#define POLICY_GROUPS 4096

/* Rules of one part of a set, and parts: a set with more rules goes on in the next part. */
#define POLICY_RULES 64
#define POLICY_PARTS 16

/* What a peer is known by. */
enum peer_kind {
	PEER_IDENTITY = 1,
	PEER_CLASS = 2, /* a CIDR class */
};

/* How an entry gives its port. */
enum port_form {
	PORT_NONE = 0,	   /* every protocol: proto and port are 0 */
	PORT_PROTOCOL = 1, /* every port of a protocol: port is 0 */
	PORT_EXACT = 2,
	PORT_BLOCK = 3, /* in cilium_policy_p */
};

/* A part's shapes are one bit each. */
#define POLICY_SHAPE(form) (1U << (form))

struct policy_peer_key {
	__u32 kind; /* enum peer_kind */
	__u32 number;
};

/* One bit per group, the lowest of the first byte being group 0. */
struct policy_peer {
	__u8 groups[POLICY_GROUPS / 8];
};

struct policy_set_key {
	__u32 set;
	__u32 part;
};

struct policy_key {
	__u32 set;
	__u8 part;
	__u8 proto;
	__be16 port; /* of the receiver; ICMP: type + 1 */
};

/* Ports that share their upper bits. Blocks of one part and protocol do not overlap. */
struct policy_block_key {
	__u32 bits; /* 48 + n, with n bits of the port */
	struct policy_key key;
};

/* The rules that are about a port: bit n is the part's rule n. */
struct policy_entry {
	__u64 rules;
};

enum policy_flags {
	POLICY_ALLOW = 1 << 0,
	POLICY_EXPLICIT = 1 << 1,  /* a deny that a policy asks for by name */
	POLICY_MORE = 1 << 2,	   /* of a part: another follows */
	POLICY_ASKS_PEER = 1 << 3, /* of a part: a deny depends on who the peer is */
};

/* What a sender is told of a packet that policy denies. Of a rule, or of a set's isolation, in the flags' upper half. */
enum deny_response {
	RESPONSE_OF_NODE = 0, /* as the node's configuration says */
	RESPONSE_NONE = 1,
	RESPONSE_ICMP = 2,  /* administratively prohibited */
	RESPONSE_RESET = 3, /* TCP: a reset; others: as before */
};

#define POLICY_RESPONSE_SHIFT 4

struct policy_rule {
	__u32 group;  /* of the peers it is about; not looked at for those about anybody */
	__u32 cookie; /* names the rule in events */
	__be16 proxy_port;
	__u8 flags; /* enum policy_flags */
	__u8 pad;
};

/* A part of a set. What an empty look-up means is said by part 0. */
struct rule_set {
	__u64 anybody; /* rules that are about every peer */
	__u32 shapes;
	__u32 cookie; /* of the policy that isolates; 0: none */
	__u16 count;
	__u8 flags; /* enum policy_flags */
	__u8 pad[5];
	struct policy_rule rule[POLICY_RULES];
};

#endif
