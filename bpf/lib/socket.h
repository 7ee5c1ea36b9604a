/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket remembers of the services it was sent away from, so that it sees them as its peers. A connected socket
 * has one; a socket that sends datagrams to several has up to eight, told apart by their backends. The memory belongs
 * to the socket: it lives and dies with it. */
#ifndef LIB_SOCKET_H
#define LIB_SOCKET_H

#include "service.h"
#include "../abi/service.h"

/* A peer that has not been heard of this long may make room for another, s. */
#define SOCKET_PEER_IDLE_S  60
/* One whose backend takes nothing new, s: its last answers are here. */
#define SOCKET_PEER_ENDED_S 5

/* Memory of each socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct socket_peers);
} cilium_sockets SEC(".maps");

/* An end of a socket's conversation, in the form of the maps. */
struct socket_end {
	struct addr addr;
	__be16 port;
	__u16 pad;
};

static __always_inline bool socket_peer_is(const struct socket_peer *peer,
					   const struct socket_end *backend)
{
	return peer->backend_port == backend->port && addr_equal(&peer->backend, &backend->addr);
}

/* May another have the place of this peer? */
static __always_inline bool socket_peer_is_over(const struct socket_peer *peer, __u32 now)
{
	const struct backend *backend;

	if (!peer->backend_port || now - peer->used > SOCKET_PEER_IDLE_S)
		return true;
	if (now - peer->used <= SOCKET_PEER_ENDED_S)
		return false;
	backend = backend_of(peer->ref);
	return !backend || backend->state != BACKEND_ACTIVE;
}

enum socket_noted {
	SOCKET_NO_ROOM, /* every peer is in use, nothing is noted */
	SOCKET_NEW,
	SOCKET_KNOWN, /* it had been sent there for this service before */
};

/* Notes that this backend stands for the service.
 * A backend that two services share stands for the one that was asked last. */
static __always_inline enum socket_noted socket_note(struct socket_peers *peers,
						     const struct socket_end *service,
						     const struct socket_end *backend, __u32 id,
						     backend_ref ref, __u32 now, bool connected)
{
	enum socket_noted noted = SOCKET_NEW;
	struct socket_peer *peer, *room = NULL;
	__u32 i;

	if (connected) {
		room = &peers->peer[0];
	} else {
		for (i = 0; i < SOCKET_PEERS; i++) {
			peer = &peers->peer[i];
			if (socket_peer_is(peer, backend)) {
				room = peer;
				if (peer->id == id)
					noted = SOCKET_KNOWN;
				break;
			}
			if (socket_peer_is_over(peer, now))
				room = peer;
		}
	}
	if (!room)
		return SOCKET_NO_ROOM;
	room->backend = backend->addr;
	room->service = service->addr;
	room->backend_port = backend->port;
	room->service_port = service->port;
	room->id = id;
	room->ref = ref;
	room->used = now;
	peers->connected = connected;
	return noted;
}

/* The service that this backend stands for. False: it stands for itself. */
static __always_inline bool socket_recall(struct socket_peers *peers,
					  const struct socket_end *backend,
					  struct socket_end *service, __u32 now)
{
	struct socket_peer *peer;
	__u32 i;

	for (i = 0; i < SOCKET_PEERS; i++) {
		peer = &peers->peer[i];
		if (!socket_peer_is(peer, backend))
			continue;
		peer->used = now;
		service->addr = peer->service;
		service->port = peer->service_port;
		return true;
	}
	return false;
}

/* The socket speaks to a backend by its own name from now on. */
static __always_inline void socket_forget(struct socket_peers *peers,
					  const struct socket_end *backend)
{
	__u32 i;

	for (i = 0; i < SOCKET_PEERS; i++)
		if (socket_peer_is(&peers->peer[i], backend))
			peers->peer[i].backend_port = 0;
}

#endif
