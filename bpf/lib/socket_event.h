/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the socket programs tell: where a process was sent instead of a service, and that it was refused. A process has
 * no address yet when it is told of; its network namespace says who it is. */
#ifndef LIB_SOCKET_EVENT_H
#define LIB_SOCKET_EVENT_H

#include "event.h"
#include "socket.h"

/* Counts nothing and refuses nothing: see socket_drop().
 * @param peer the other end, as it is at this point
 * @param point enum socket_point, or the reason of a drop */
__separate int socket_event(struct bpf_sock_addr *ctx, const struct socket_end *peer,
			    enum event_type type, __u32 point, __u32 service)
{
	struct event *event;
	__u64 process[2];
	bool back;

	if (!ctx || !peer)
		return 0;
	event = event_begin(type, true, sizeof(*event));
	if (!event)
		return 0;
	process[0] = bpf_get_netns_cookie(ctx);
	process[1] = bpf_get_current_cgroup_id();
	memcpy(&event->orig, process, sizeof(process));
	back = type == EVENT_SOCKET && point >= SOCKET_PRE_REVERSE;
	if (back) {
		event->src = peer->addr;
		event->sport = peer->port;
		event->flags = EVENT_REPLY;
	} else {
		event->dst = peer->addr;
		event->dport = peer->port;
	}
	if (!addr_is_v4(&peer->addr))
		event->flags |= EVENT_IPV6;
	event->service = service;
	event->point = point;
	event->reason = TRACE_UNKNOWN;
	event->verdict = type == EVENT_DROP ? -(__s32)point : 0;
	event->direction = back ? DIR_INGRESS : DIR_EGRESS;
	event->proto = ctx->protocol;
	event->file = FILE_SOCK;
	event->socket = bpf_get_socket_cookie(ctx);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/* A process was refused: no packet will ever tell. */
static __always_inline void socket_drop(struct bpf_sock_addr *ctx, const struct socket_end *peer,
					__u32 reason, __u32 service)
{
	__u32 index = reason * COUNTER_DIRECTIONS + DIR_EGRESS;
	struct counter *counter = bpf_map_lookup_elem(&cilium_metrics, &index);

	if (counter)
		add_once(counter->packets, 1);
	if (cfg.event_drop)
		socket_event(ctx, peer, EVENT_DROP, reason, service);
}

#endif
