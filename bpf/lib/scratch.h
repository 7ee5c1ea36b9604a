/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Room for what is too large for the stack, one row per CPU. Valid within one run of one program: nothing is kept in
 * it, no other program reads it. tc programs are not interrupted by each other on one CPU. */
#ifndef LIB_SCRATCH_H
#define LIB_SCRATCH_H

#include "pkt.h"
#include "../abi/address.h"
#include "../abi/endpoint.h"

/* One end of a flow: what is known of its address, and the rules it stands under. */
struct end {
	struct addr addr;
	struct addr tunnel;
	__u32 identity;
	__u32 cidr_class;
	endpoint_ref ref; /* 0: not a pod of this node */
	__u32 set; /* of the direction that counts: egress of a source, ingress of a destination */
	__u32 flags; /* enum address_flags */
	__u32 endpoint_flags;
	__u8 way; /* enum way: how packets reach it */
	__u8 exact;
	__u8 pad[2];
};

/* What the routing table says of a destination. */
struct route {
	struct addr hop;
	struct addr source; /* the route's own, when the kernel tells it */
	__u32 ifindex;
	__u32 mtu;
};

enum target_flags {
	TARGET_SERVICE = 1 << 0,
	TARGET_LOOPBACK = 1 << 1, /* the sender itself */
	TARGET_AWAY = 1 << 2,	  /* it came from outside and leaves again */
	TARGET_DSR = 1 << 3,	  /* ... to a node that answers the client itself */
};

/* Where a new flow's packets go after a service has spoken; else as they say. */
struct target {
	struct addr addr;
	__be16 port;
	__u16 flags; /* enum target_flags */
	__u32 service;
	__u32 backend; /* backend_ref */
};

/* What an event tells besides the packet's own tuple; counts with PKT_TOLD. */
struct told {
	struct addr dst;     /* where the packet goes after translation */
	struct addr service; /* the service's end as its client knows it; zero: none */
	__be16 dport;
	__be16 service_port;
	__be16 proxy_port;
	__u16 pad;
	__u32 id; /* of the service */
};

/* What another node has said about a packet to a backend here; counts with PKT_DSR. */
struct dsr {
	struct addr service; /* the client's, when it came in an option */
	struct addr backend; /* when the packet came wrapped */
	__be16 service_port;
	__u8 wrapped;
	__u8 pad;
};

/* How a source port is looked for. */
struct port_search {
	__u64 now;
	__u32 first;  /* of the range */
	__u32 range;  /* its size */
	__u32 low;    /* size of the second range; 0: none */
	__u32 random; /* where in it neighbours are tried */
	int result;
	__u32 keep; /* 1: the original port may be kept */
	__u32 only; /* 1: and no other may be taken */
	__u32 pad;
};

#define QUOTE_BYTES 1280

struct scratch {
	struct flow forward;
	struct flow reverse;
	struct flow_key forward_key;
	struct flow_key reverse_key;
	struct flow_key about; /* entry of an ICMP error */
	struct end src;
	struct end dst;
	struct target target;
	struct route route;
	struct addr source; /* to masquerade with */
	struct told told;
	struct dsr dsr;
	struct port_search search;
	__u32 sockets[10]; /* struct bpf_sock_tuple: whose is this port? */
	__u8 quote[QUOTE_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} cilium_scratch SEC(".maps");

static __always_inline struct scratch *scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cilium_scratch, &zero);
}

#endif
