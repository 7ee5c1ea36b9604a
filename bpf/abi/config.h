/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one configuration of an object: read-only before load, so that the verifier drops what is off.
 * What may change while programs run is in a map (struct device, struct address, the epoch). */
#ifndef ABI_CONFIG_H
#define ABI_CONFIG_H

#include "types.h"

enum monitor_level {
	MONITOR_NONE = 0,   /* every packet at every point */
	MONITOR_LOWEST = 1, /* no receive-side traces */
	MONITOR_LOW = 2,
	MONITOR_MEDIUM = 3, /* one a connection, direction and interval, and on new TCP flags */
	MONITOR_MAXIMUM = 4,
};

/* How a node hands a client's packet to the backend's node, which then answers the client itself. */
enum dsr_dispatch {
	DSR_OFF = 0,
	DSR_OPTION = 1, /* service address and port in an IPv4 option or IPv6 destination option */
	DSR_IPIP = 2,	/* the packet as it came, inside another one for the backend */
	DSR_GENEVE = 3, /* the same, with UDP and Geneve in between */
};

#define LAYOUT_RUNS_MAX 12

struct config {
	__u32 generation; /* of the programs and configuration maps */
	__u8 test;	  /* packet tests: verdicts are written to the test record */
	__u8 enable_ipv4;
	__u8 enable_ipv6;
	__u8 tunnel;	      /* 0 native routing, 1 VXLAN */
	__u8 masquerade_ipv4; /* 1: pod traffic to outside leaves with the node's address */
	__u8 masquerade_ipv6;
	__u8 source_check;
	__u8 services; /* per-packet load balancing */
	__u8 policy;   /* rule sets are looked at; 0: enforcement mode never */
	__u8 host_firewall;
	__u8 nodeport;
	__u8 monitor_level; /* enum monitor_level */
	__u8 monitor_flags; /* TCP flags that are told when first seen */
	__u8 event_drop;    /* 1: such events are written */
	__u8 event_trace;
	__u8 event_verdict;
	__u32 monitor_interval_s;
	__u32 host_ifindex; /* cilium_host */
	__u32 overlay_ifindex;
	struct addr host_v4; /* the node's own address in the pod range: the pods' gateway */
	struct addr host_v6;
	struct mac host_mac;
	/* never a real address: routed to cilium_net, it brings datagrams that the node's stack has reassembled back to
	 * cil_from_defrag; zero: none */
	struct addr defrag_v4;
	struct addr defrag_v6;
	/* the source of what a pod sends to itself by way of a service */
	struct addr loopback_v4;
	struct addr loopback_v6;
	struct addr native_v4; /* no masquerade inside; bits 0: none */
	struct addr native_v6;
	__u32 native_v4_bits; /* 96 + n */
	__u32 native_v6_bits;
	__u32 flow_shards; /* a power of two */
	__u32 tcp_established_s;
	__u32 tcp_opening_s;
	__u32 tcp_closing_s;
	__u32 any_established_s;
	__u32 any_opening_s;
	__u32 fragment_s;
	__u16 nat_port_min; /* host order */
	__u16 nat_port_max;
	__u16 nodeport_min;
	__u16 nodeport_max;
	__u32 cluster_id;
	__u32 timer_interval_ms; /* of the flow expiry */
	__u32 pod_mtu; /* largest packet that fits the overlay: what pods are told is the most */
	__u32 event_rings; /* a power of two; CPU n writes to ring n mod that */
	__u16 tunnel_port;
	__u8 host_routing; /* 1: pods' packets to other nodes and outside skip the node's stack, so its netfilter
			    * does not see them; 0: they pass it, both ways (a kube-proxy may translate them) */
	__u8 defrag;	       /* the node's stack reassembles fragments before it routes them */
	__u8 route_source;     /* masquerade with the route's own source address */
	__u8 socket_host_only; /* sockets of pods are left to the packet path */
	__u8 event_socket;     /* 1: translations at the socket are told */
	__u8 l2;	       /* addresses of services are answered for on the node's links */
	__u32 hash_seed;  /* of the hash that leads into Maglev tables: the same on every node */
	__u8 before_runs; /* 0: no flows of another layout are looked for */
	__u8 bind_protection; /* processes of the node may not listen on NodePorts */
	__u8 deny_response;   /* enum deny_response: what denied senders are told */
	__u8 event_payload; /* bytes of packets that events carry, EVENT_PAYLOAD_MAX at most; 0: none */
	__u8 dsr;	    /* enum dsr_dispatch, for frontends with FRONTEND_DSR */
	__u8 pad[3];
	/* source ports for when those of the range are used up, host order; 0: none. Processes of the node listen on some */
	__u16 nat_low_min;
	__u16 nat_low_max;
	__u64 host_cookie; /* of the node's network namespace */
	/* Where the bytes of struct flow stand in the layout before: runs that both have. The first holds `expires`, at 0 in
	 * every layout. */
	__u16 before_from[LAYOUT_RUNS_MAX];
	__u16 before_to[LAYOUT_RUNS_MAX];
	__u16 before_bytes[LAYOUT_RUNS_MAX];
};

#endif
