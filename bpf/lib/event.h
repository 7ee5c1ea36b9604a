/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events: records to the ring of this CPU's group, written without a wake-up; readers poll. A full ring loses the
 * event and counts it: written = delivered, and written + lost is what there was to tell. */
#ifndef LIB_EVENT_H
#define LIB_EVENT_H

#include "maps.h"
#include "pkt.h"
#include "scratch.h"

/* Programs of sockets run in a process, which the packet programs of this CPU interrupt: what both count, a process
 * counts in one instruction. */
#define add_once(counter, value) __sync_fetch_and_add(&(counter), value)

/* One more. @param process told of by a process, which may be interrupted by another on its CPU */
static __always_inline void event_count(__u64 *counter, bool process)
{
	if (process)
		add_once(*counter, 1);
	else
		++*counter;
}

/* A record of this CPU's ring with what every event has, or NULL: counted as lost.
 * @param process it runs in one
 * @param bytes of the record, that of struct event at least; what follows that is not set */
static __always_inline struct event *event_begin(enum event_type type, bool process, __u32 bytes)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	__u32 index = cpu & (cfg.event_rings - 1);
	struct event_count *count = bpf_map_lookup_elem(&cilium_evcount, &zero);
	void *ring = bpf_map_lookup_elem(&cilium_events, &index);
	struct event *event;

	if (!count || !ring)
		return NULL;
	event = bpf_ringbuf_reserve(ring, bytes, 0);
	/* asked once: older verifiers do not know that what was reserved is there when they are asked again */
	if (!event) {
		event_count(&count->lost, process);
		return NULL;
	}
	event_count(&count->written, process);
	memset(event, 0, sizeof(*event));
	event->time = bpf_ktime_get_boot_ns();
	event->version = EVENT_VERSION;
	event->type = type;
	event->cpu = cpu;
	return event;
}

/* What translation has done, into the event: it names the backend, and the service besides. */
static __always_inline void event_translation(struct event *event)
{
	const struct scratch *s = scratch();

	if (!s)
		return;
	event->dst = s->told.dst;
	event->dport = s->told.dport;
	event->service = s->told.id;
	event->proxy_port = s->told.proxy_port;
	if (addr_is_zero(&s->told.service))
		return;
	event->orig = s->told.service;
	event->orig_port = s->told.service_port;
	event->flags |= EVENT_ORIGINAL;
}

/* The packet's first bytes as they are now, behind its event. */
static __always_inline void event_payload(struct __sk_buff *ctx, struct event_sample *sample)
{
	__u32 bytes = ctx_read(ctx, len);

	if (bytes > cfg.event_payload)
		bytes = cfg.event_payload;
	sample->captured = 0;
	sample->pad = 0;
	/* verifier: it does not learn from "not 0" that there is a byte → more than 1 is asked for (6.1) */
	if (bytes > 1 && !bpf_skb_load_bytes(ctx, 0, sample->bytes, bytes))
		sample->captured = bytes;
}

__separate int event_write(struct __sk_buff *ctx, struct pkt *p, enum event_type type,
			   __s32 verdict)
{
	struct event *event;

	if (!p)
		return 0;
	event = event_begin(type, false,
			    cfg.event_payload ? sizeof(struct event_sample) : sizeof(*event));
	if (!event)
		return 0;
	event->src = p->key.src;
	event->dst = p->key.dst;
	event->sport = p->key.sport;
	event->dport = p->key.dport;
	event->src_identity = p->src_identity;
	event->dst_identity = p->dst_identity;
	event->ifindex = p->action == TEST_PASS || !p->out ? ctx_read(ctx, ifindex) : p->out;
	event->cookie = p->cookie;
	event->length = p->size;
	event->src_endpoint = p->src_endpoint;
	event->dst_endpoint = p->dst_endpoint;
	if (p->flags & PKT_IPV6)
		event->flags |= EVENT_IPV6;
	if (p->flags & PKT_REPLY)
		event->flags |= EVENT_REPLY;
	if (p->flags & PKT_FRAGMENT)
		event->flags |= EVENT_FRAGMENT;
	if (p->audited && type == EVENT_VERDICT)
		event->flags |= EVENT_AUDITED;
	if (cfg.tunnel && (p->hook == HOOK_FROM_OVERLAY || p->hook == HOOK_TO_OVERLAY ||
			   (p->action == TEST_REDIRECT && p->out == cfg.overlay_ifindex)))
		event->flags |= EVENT_VXLAN;
	if (p->flags & PKT_TOLD)
		event_translation(event);
	event->line = p->line;
	event->point = type == EVENT_DROP ? (__u8)-verdict : p->point;
	event->reason = type == EVENT_VERDICT ? (p->judged & 0xf) - 1 : p->related;
	event->verdict = verdict;
	event->direction = p->dir;
	event->proto = p->key.proto;
	event->tcp_flags = p->tcp_flags;
	event->icmp_code = p->icmp_code;
	event->file = p->hook <= HOOK_TO_CONTAINER ? FILE_POD
		      : p->hook <= HOOK_TO_NETDEV  ? FILE_NETDEV
						   : FILE_OVERLAY;
	event->ext_error = p->ext_error;
	event->ttl = p->ttl;
	if (cfg.event_payload)
		event_payload(ctx, (struct event_sample *)event);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

/* Is a forwarded packet of this flow worth an event? At medium aggregation: the first of each direction, one an
 * interval, and one when a TCP flag is seen for the first time. */
static __always_inline bool event_is_due(struct pkt *p, struct flow *flow)
{
	__u32 now = pkt_seconds(p) + 1;
	__u8 fresh;

	if (!cfg.event_trace)
		return false;
	if (cfg.monitor_level < MONITOR_MEDIUM)
		return true;
	fresh = p->key.proto == IPPROTO_TCP
			? p->tcp_flags & cfg.monitor_flags & ~flow->reported_flags
			: 0;
	if (flow->reported && now - flow->reported < cfg.monitor_interval_s && !fresh)
		return false;
	flow->reported = now;
	flow->reported_flags |= fresh;
	return true;
}

#endif
