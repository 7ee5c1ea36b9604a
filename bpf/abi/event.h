/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one event record, the same for every path, written to the ring buffer and parsed by column: 120 bytes, with
 * the ring buffer's own header two cache lines. */
#ifndef ABI_EVENT_H
#define ABI_EVENT_H

#include "types.h"

#define EVENT_VERSION	     1
/* All rings together, and what one of them holds at least and at most: where few CPUs write, each has longer. Not more,
 * for what the reader maps twice counts as its memory. */
#define EVENT_RINGS_BYTES    (1 << 25)
#define EVENT_RING_BYTES_MIN (1 << 22)
#define EVENT_RING_BYTES_MAX (1 << 23)
#define EVENT_RINGS_MAX	     64

enum event_type {
	EVENT_DROP = 1,
	EVENT_TRACE = 4,
	EVENT_VERDICT = 5,
	EVENT_SOCKET = 7,
};

/* Where a packet was seen. */
enum trace_point {
	TRACE_TO_ENDPOINT = 0,
	TRACE_TO_PROXY = 1,
	TRACE_TO_HOST = 2,
	TRACE_TO_STACK = 3,
	TRACE_TO_OVERLAY = 4,
	TRACE_FROM_ENDPOINT = 5,
	TRACE_FROM_PROXY = 6,
	TRACE_FROM_HOST = 7,
	TRACE_FROM_STACK = 8,
	TRACE_FROM_OVERLAY = 9,
	TRACE_FROM_NETWORK = 10,
	TRACE_TO_NETWORK = 11,
	TRACE_FROM_CRYPTO = 12,
	TRACE_TO_CRYPTO = 13,
};

enum trace_reason {
	TRACE_NEW = 0,
	TRACE_ESTABLISHED = 1,
	TRACE_REPLY = 2,
	TRACE_RELATED = 3,
	TRACE_UNKNOWN = 5,
	TRACE_ENCRYPTED = 0x80,
};

enum verdict_match {
	MATCH_NONE = 0,
	MATCH_L3 = 1,
	MATCH_L3_L4 = 2,
	MATCH_L4 = 3,
	MATCH_ALL = 4,
	MATCH_L3_PROTO = 5,
	MATCH_PROTO = 6,
};

/* What a process asked for and where it was sent, and the same of an answer. */
enum socket_point {
	SOCKET_PRE_FORWARD = 1,
	SOCKET_POST_FORWARD = 2,
	SOCKET_PRE_REVERSE = 3,
	SOCKET_POST_REVERSE = 4,
};

enum event_flags {
	EVENT_IPV6 = 1 << 0,
	EVENT_L3_DEVICE = 1 << 1,
	EVENT_VXLAN = 1 << 2,
	EVENT_REPLY = 1 << 3,
	EVENT_AUDITED = 1 << 4,
	EVENT_FRAGMENT = 1 << 5,
	EVENT_ORIGINAL = 1 << 6, /* orig_* are set */
};

struct event {
	__u64 time; /* boot clock, ns */
	struct addr src;
	struct addr dst;
	/* with EVENT_ORIGINAL the service's end as its client knows it, while src and dst are client and backend; of a
	 * process: the cookie of its network namespace and its cgroup */
	struct addr orig;
	__be16 sport;
	__be16 dport;
	__be16 orig_port;
	__be16 proxy_port;
	__u32 src_identity;
	__u32 dst_identity;
	__u32 ifindex;
	__u32 cookie;  /* the rule that decided */
	__u32 service; /* the service that translated */
	__u32 length;  /* bytes of the packet from its Ethernet header */
	__u16 src_endpoint;
	__u16 dst_endpoint;
	__u16 flags; /* enum event_flags */
	__u16 line;  /* of the drop in the source file */
	__u8 version;
	__u8 type;	/* enum event_type */
	__u8 point;	/* trace: enum trace_point; drop: the reason; socket: translation point */
	__u8 reason;	/* trace: enum trace_reason; verdict: enum verdict_match */
	__s32 verdict;	/* verdict: 0 allow, > 0 proxy port, < 0 minus the drop reason */
	__u8 direction; /* enum direction */
	__u8 proto;
	__u8 tcp_flags; /* or ICMP type */
	__u8 icmp_code;
	__u8 file; /* enum source_file */
	__s8 ext_error;
	__u8 ttl;
	__u8 cpu;
	__u64 socket; /* socket events: cookie; else 0 */
};

#define EVENT_PAYLOAD_MAX 128

/* An event of a packet when its first bytes are asked for, from the Ethernet header on. */
struct event_sample {
	struct event event;
	__u32 captured; /* bytes that are set */
	__u32 pad;
	__u8 bytes[EVENT_PAYLOAD_MAX];
};

/* Exact counts beside the ring: written = delivered + lost. Per CPU. */
struct event_count {
	__u64 written;
	__u64 lost;
};

enum source_file {
	FILE_UNKNOWN = 0,
	FILE_NETDEV = 1,
	FILE_POD = 2,
	FILE_OVERLAY = 3,
	FILE_XDP = 4,
	FILE_SOCK = 5,
};

#endif
