/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services: where clients connect to (frontends), who answers (backends), and the lists in between.
 *
 *     cilium_lb: address, port, protocol, scope → frontend: offset, count ──► cilium_lb_lists: backend_ref ...
 *                                                                                   │
 *                                                    cilium_backends: by index ◄────┘
 *
 * A list is never changed: a new one is written in free room, then the frontend's value is replaced, so that no packet
 * sees half of one; the old room is used again only when no packet can still be reading it. */
#ifndef ABI_SERVICE_H
#define ABI_SERVICE_H

#include "types.h"

#define FRONTENDS_MAX	 65536
#define BACKENDS_MAX	 65536
/* Places in all lists together. */
#define SERVICE_LIST_MAX 524288
#define AFFINITIES_MAX	 65536

/* From where a frontend is asked. Only a frontend with FRONTEND_SCOPES has a row for the inside too. */
enum frontend_scope {
	SCOPE_EXTERNAL = 0,
	SCOPE_INTERNAL = 1, /* pods and the node itself */
};

/* The words of the API, numbered as its clients know them. */
enum frontend_kind {
	FRONTEND_NONE = 0,
	FRONTEND_CLUSTER_IP = 1,
	FRONTEND_NODE_PORT = 2,
	FRONTEND_EXTERNAL_IP = 3,
	FRONTEND_LOAD_BALANCER = 4,
	FRONTEND_HOST_PORT = 5,
	FRONTEND_LOCAL_REDIRECT = 6,
};

enum frontend_flags {
	FRONTEND_SCOPES = 1 << 0,	 /* the inside has a row of its own */
	FRONTEND_AFFINITY = 1 << 1,	 /* a client stays with its backend */
	FRONTEND_SOURCE_RANGES = 1 << 2, /* only some clients from outside may */
	FRONTEND_DENY_RANGES = 1 << 3,	 /* ... or all but some */
	FRONTEND_KEEP_SOURCE =
		1 << 4,		/* backends see the client's address: they are all on this node */
	FRONTEND_DROP = 1 << 5, /* without backends: silence, not a refusal */
	FRONTEND_DSR = 1 << 6,	/* backends elsewhere answer clients from outside themselves */
	FRONTEND_ADDRESS =
		1 << 7, /* the row for every other port and protocol of a service address */
	FRONTEND_INTERNAL_ONLY = 1 << 8, /* not for clients from outside */
	FRONTEND_SPARES_BACKENDS =
		1 << 9, /* of the inside's row: its own backends go by the outside's */
};

struct frontend_key {
	struct addr addr;
	__be16 port; /* 0 with proto 0: every port and protocol that has no row of its own */
	__u8 proto;
	__u8 scope; /* enum frontend_scope */
};

struct frontend {
	__u32 service;	  /* number of the frontend: what users call the service id */
	__u32 list;	  /* offset of its backends */
	__u32 count;	  /* of those that take new connections: they come first */
	__u32 others;	  /* of those behind them, which only keep what they have */
	__u32 table;	  /* first chunk of its Maglev table */
	__u32 table_size; /* places in the table, a prime; 0: it has none */
	__u32 affinity_s;
	__u16 flags; /* enum frontend_flags */
	__u8 kind;   /* enum frontend_kind */
	__u8 pad;
};

/* Maglev tables: which place of the list a hash leads to. A table is a run of chunks, chunks lie in pages that are made
 * when they are needed. Chunk 0 is no table's: it says what the tables were made with. */
#define MAGLEV_CHUNK_PLACES 32
#define MAGLEV_PAGE_CHUNKS  16384
#define MAGLEV_PAGES_MAX    2048

struct maglev_chunk {
	__u16 place[MAGLEV_CHUNK_PLACES];
};

/* A backend that outlives changes of the map: index in the low half, generation of the index in the high half. 0: none.
 * The index of one that is gone is not used again before its generation is. */
typedef __u32 backend_ref;

enum backend_state {
	BACKEND_FREE = 0,
	BACKEND_ACTIVE = 1,
	BACKEND_TERMINATING = 2, /* keeps its connections, gets no new ones */
};

struct backend {
	struct addr addr;
	__be16 port;
	__u8 proto;
	__u8 state; /* enum backend_state */
	__u16 generation;
	__u16 pad;
};

/* Session affinity: the backend a client was sent to last. The client is an address, or for socket translation the
 * cookie of its network namespace, in the last two words of the address. */
struct affinity_key {
	struct addr client;
	__u32 service;
	__u32 from_socket;
};

struct affinity {
	__u32 backend; /* backend_ref */
	__u32 place;   /* in the list, when it was looked up last */
	__u32 used;    /* monotonic clock, s */
	__u32 pad;
};

/* Clients from outside that may (or, with FRONTEND_DENY_RANGES, may not) use a service. */
#define SOURCE_RANGES_MAX 65536

struct source_range_key {
	__u32 bits; /* of what follows: 32 + prefix length of the 16 byte form */
	__u32 service;
	struct addr addr;
};

/* What a socket has to give back: who was asked for, when this backend answers. */
#define SOCKET_PEERS 8

struct socket_peer {
	struct addr backend;
	struct addr service;
	__be16 backend_port; /* 0 with a zero address: free */
	__be16 service_port;
	__u32 id;   /* of the service */
	__u32 ref;  /* of the backend */
	__u32 used; /* monotonic clock, s */
};

struct socket_peers {
	struct socket_peer peer[SOCKET_PEERS]; /* connected sockets: only the first */
	__u32 connected;
	__u8 proto;
	__u8 pad[3];
	__u64 socket; /* its cookie */
	__u64 netns;  /* cookie of its network namespace */
};

/* A socket that is connected to a backend that is gone, as the iterator over sockets tells of it. */
struct stale_socket {
	__u64 socket; /* cookies, as in socket_peers */
	__u64 netns;
	struct addr backend;
	__be16 port;
	__u8 proto;
	__u8 pad[5];
};

#endif
