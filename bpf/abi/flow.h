/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one flow entry: conntrack, translation, the cached verdicts and the way out.
 *
 * A flow is a pair of entries. The forward entry's key is the tuple as its first packet arrives (O), the reverse
 * entry's key is the tuple as an answer arrives. `to_*` is the tuple that leaves (X):
 *
 *     forward:  key O                → to X
 *     reverse:  key reverse(X)       → to reverse(O)
 *
 * so a packet in either direction costs one look-up, whatever is translated. Verdicts are about the flow's original
 * direction, after destination and before source translation: from O.src to X.dst. A reverse entry has both: O.src
 * is its `to_dst`, X.dst its `key.src`.
 */
#ifndef ABI_FLOW_H
#define ABI_FLOW_H

#include "types.h"
#include "endpoint.h"

/* Flows live in shards so that expiry can walk a bounded piece per tick. */
#define FLOW_SHARD_ENTRIES 4096
#define FLOW_SHARDS_MAX	   1024

/* `expires` of an entry that the expiry has condemned: whoever meets it makes a new flow. */
#define FLOW_DEAD 0

enum flow_zone {
	FLOW_ZONE_CLUSTER = 0,
	FLOW_ZONE_STACK = 1,  /* seen a second time, after the node's own stack has routed it */
	FLOW_ZONE_PIECES = 2, /* fragments whose ports nobody knows */
	FLOW_ZONE_DSR = 3,    /* answers that go another way: the reverse entry is never met */
};

/* Where a packet of an entry's direction goes, and where it comes from. */
enum way {
	WAY_UNKNOWN = 0,
	WAY_LOCAL = 1,	/* a pod of this node */
	WAY_STACK = 2,	/* this node's own stack */
	WAY_TUNNEL = 3, /* another node, in the overlay */
	WAY_ROUTE = 4,	/* another node or outside, by the routing table */
};

enum flow_flags {
	FLOW_REVERSE = 1 << 0,	/* this is the reverse entry */
	FLOW_SNAT = 1 << 1,	/* the source of the original direction is translated */
	FLOW_DNAT = 1 << 2,	/* the destination is */
	FLOW_REOPENED = 1 << 3, /* a closing connection's tuple was taken by a new one */
	FLOW_LOOPBACK = 1 << 4, /* an endpoint talks to itself through a service: no policy */
	FLOW_RELATED = 1 << 5,	/* made for an ICMP error's inner flow */
	FLOW_PROXY = 1 << 6,	/* redirected to a proxy */
	FLOW_HOST = 1 << 7,	/* one end is this node's own stack */
	FLOW_DSR = 1 << 8,	/* forward entry: the backend's node answers the client itself */
	FLOW_AUDITED = 1 << 9,
	FLOW_WRAPPED =
		1 << 10, /* forward entry: packets leave inside another from to_src to to_dst */
	FLOW_SERVED =
		1
		<< 11, /* answers leave as the service whose name came in an option: only the reverse entry
				 * translates, and its to_* is not the reverse of the forward entry's key */
};

enum flow_state {
	FLOW_OPENING = 0,
	FLOW_ESTABLISHED = 1,
	FLOW_CLOSING = 2,
};

/* ICMP echo: the identifier stands in sport, dport is 0; an answer's the other way round. Other ICMP messages: both are
 * the type, plus one. Other protocols without ports: both 0. */
struct flow_key {
	struct addr src;
	struct addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 zone; /* enum flow_zone */
	__u16 pad;
} __attribute__((aligned(8)));

struct flow {
	__u64 expires; /* monotonic clock, ns; FLOW_DEAD */
	__u64 created; /* monotonic clock, ns */
	__u64 packets; /* of this direction */
	__u64 bytes;
	struct addr to_src;
	struct addr to_dst;
	__be16 to_sport;
	__be16 to_dport;
	__u16 flags;	/* enum flow_flags */
	__u8 state;	/* enum flow_state */
	__u8 tcp_flags; /* seen in this direction */
	/* the verdicts: what they were computed with; a difference to the endpoint's present sets, or a moved epoch,
	 * and the next packet is judged again */
	__u32 src_identity;
	__u32 dst_identity;
	__u32 src_set; /* egress set of a local source, else 0 */
	__u32 dst_set; /* ingress set of a local destination, else 0 */
	__u32 epoch;
	__u32 src_cookie; /* the rules that decided */
	__u32 dst_cookie;
	/* the way out, valid as long as the epoch */
	endpoint_ref src_endpoint;
	endpoint_ref dst_endpoint;
	__u32 ifindex;	 /* device of the routing table's answer; 0: ask again */
	struct addr hop; /* tunnel: the node at its other end; route: the next hop */
	__u32 routed;	 /* monotonic clock in s of that answer, good for a second */
	__u32 answered;	 /* 1: a packet of the other direction has been seen */
	__u16 mtu;	 /* of the way out */
	__u8 way;	 /* enum way: where this direction goes */
	__u8 from;	 /* enum way: where it comes from */
	/* what events tell */
	__u32 service;
	__u32 backend;
	__u32 reported;	     /* monotonic clock in s of the last trace event, + 1; 0: none */
	__u8 reported_flags; /* TCP flags already told */
	__u8 peer_zone;	     /* zone of the other entry's key */
	__be16 proxy_port;
	__u32 pad2;
};

/* Fill of one shard; unanswered flows may take a quarter of it. */
struct flow_shard {
	__s32 flows;
	__s32 unanswered;
	__u64 expired;
	__u64 refused;
};

/* What is known of a datagram that comes in fragments: its ports once the first one was seen, or that the node's
 * stack has it because a later one came first. */
#define FRAGMENTS_MAX 8192

struct fragment_key {
	struct addr src;
	struct addr dst;
	__u32 id;   /* network order; IPv4: its 16 bits */
	__u8 proto; /* IPv6: 0, only the first fragment tells */
	__u8 pad[3];
};

enum fragment_flags {
	FRAGMENT_STACK = 1 << 0,  /* all fragments of this datagram go to the node's stack */
	FRAGMENT_DEFRAG = 1 << 1, /* and come back from it by way of the defrag address */
};

struct fragment {
	struct addr dst; /* where a datagram that went by the defrag address was to go */
	__be16 sport;
	__be16 dport;
	__u32 seen; /* monotonic clock, s */
	__u8 proto;
	__u8 flags; /* enum fragment_flags */
	__u16 pad;
};

/* The clockwork of expiry, one row; the kernel's own struct bpf_timer (16 bytes) stands before it. */
struct flow_timer {
	__u32 shards;	   /* in use; a power of two */
	__u32 next;	   /* shard of the next tick */
	__u32 urgent;	   /* shard + 1 that a packet found full; 0: none */
	__u32 interval_ms; /* between ticks */
	__u64 ticks;
	__u64 last; /* monotonic clock, ns */
};

#endif
