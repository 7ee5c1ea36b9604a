/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The backend's node's side of direct server return: makes of what another node has handed over the packet that goes on
 * from here, and notes for whom it is answered (struct dsr). What is not for this node's pods and processes, and what
 * no node has sent, is left as it is. Called once the packet is parsed. */
#ifndef LIB_DSR_RECEIVE_H
#define LIB_DSR_RECEIVE_H

#include "dsr.h"
#include "eth.h"

static __always_inline bool dsr_is_ours(const struct pkt *p)
{
	const struct address *dst = address_exact(&p->key.dst);

	return dst && (dst->endpoint || (dst->flags & ADDRESS_LOCAL_HOST));
}

/* May there be a packet inside that another node has put there? */
static __always_inline bool dsr_is_wrapped(const struct pkt *p)
{
	if (p->flags & PKT_FRAGMENT)
		return false;
	if (p->key.proto == IPPROTO_UDP)
		return p->key.dport == bpf_htons(GENEVE_PORT);
	return p->key.proto == (pkt_is_v6(p) ? IPPROTO_IPV6 : IPPROTO_IPIP);
}

/* Bytes of UDP's and Geneve's headers, whose service is noted. 0: nodes did not make them; a negative reason: they are not
 * as nodes make them. */
static __always_inline int dsr_geneve_read(struct __sk_buff *ctx, const struct pkt *p,
					   struct scratch *s)
{
	bool v6 = pkt_is_v6(p);
	__u32 bytes = v6 ? sizeof(struct geneve6) : sizeof(struct geneve4);
	struct geneve6 geneve = {};
	__be32 addr4 = 0;

	if (bpf_skb_load_bytes(ctx, p->l4, &geneve.header, sizeof(geneve.header)) ||
	    !geneve.header.words || geneve.header.class != bpf_htons(GENEVE_DSR_CLASS) ||
	    geneve.header.type != GENEVE_DSR_TYPE)
		return 0;
	if (geneve.header.words != geneve_words(bytes) ||
	    geneve.header.option_words != geneve.header.words - 1 ||
	    geneve.header.flags != GENEVE_CRITICAL ||
	    geneve.header.proto != bpf_htons(v6 ? ETH_P_IPV6 : ETH_P_IP) ||
	    p->l4 + bytes > p->l3 + p->length)
		return -DROP_INVALID_GENEVE_OPTION;
	if (v6) {
		if (bpf_skb_load_bytes(ctx, p->l4 + offsetof(struct geneve6, addr), &s->dsr.service,
				       sizeof(s->dsr.service)))
			return -DROP_INVALID_GENEVE_OPTION;
	} else {
		if (bpf_skb_load_bytes(ctx, p->l4 + offsetof(struct geneve4, addr), &addr4,
				       sizeof(addr4)))
			return -DROP_INVALID_GENEVE_OPTION;
		addr_set_v4(&s->dsr.service, addr4);
	}
	return bytes;
}

/* Takes the packet out of the one that another node has put around it. Returns 0 or a negative reason. */
__separate int dsr_unwrap(struct __sk_buff *ctx, struct pkt *p)
{
	struct scratch *s = scratch();
	const struct address *sender;
	struct eth_header *eth;
	int ret, outer;
	bool v6, named;

	if (!p || !s)
		return -DROP_INVALID_TC_BUFFER;
	sender = address_exact(&p->key.src);
	if (!sender || !(sender->flags & ADDRESS_REMOTE_NODE) || !dsr_is_ours(p))
		return 0;
	v6 = pkt_is_v6(p);
	memset(&s->dsr, 0, sizeof(s->dsr));
	outer = p->l4 - p->l3;
	named = p->key.proto == IPPROTO_UDP;
	if (named) {
		ret = dsr_geneve_read(ctx, p, s);
		if (ret <= 0)
			return ret;
		outer += ret;
	}
	if (outer + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > p->length)
		return -DROP_INVALID_PACKET;
	s->dsr.backend = p->key.dst;
	s->dsr.wrapped = 1;
	if (bpf_skb_adjust_room(ctx, -(__s32)outer, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO))
		return -DROP_ERROR_WRITING_TO_PACKET;
	memset(&p->key, 0, sizeof(p->key));
	p->flags = 0;
	p->tcp_flags = 0;
	eth = pkt_pull(ctx, p, 0, sizeof(*eth));
	if (!eth)
		return -DROP_INVALID_PACKET;
	ret = eth_parse_ip(ctx, p, eth->proto);
	if (ret)
		return ret;
	if (pkt_is_v6(p) != v6 || address_is_group(&p->key.dst))
		return -DROP_INVALID_PACKET;
	if (named && !addr_equal(&s->dsr.service, &p->key.dst))
		return -DROP_INVALID_GENEVE_OPTION;
	p->flags |= PKT_DSR;
	/* the overlay's sender is the node: on as if it had come from the wire */
	p->hook = HOOK_FROM_NETDEV;
	p->vni = 0;
	return 0;
}

/* Takes the option out of an IPv4 header, where the service's node puts it: first. Returns 0 or a negative reason. */
__separate int dsr_read4(struct __sk_buff *ctx, struct pkt *p)
{
	struct scratch *s = scratch();
	struct dsr_option4 option = {};
	__be32 was[3], is = 0;
	__u8 *first = (void *)&is;
	__s64 diff;

	if (!p || !s)
		return -DROP_INVALID_TC_BUFFER;
	if (bpf_skb_load_bytes(ctx, p->l3 + sizeof(struct iphdr), &option, sizeof(option)) ||
	    option.type != DSR_OPTION4_TYPE || option.length != sizeof(option) || !dsr_is_ours(p))
		return 0;
	if (bpf_skb_load_bytes(ctx, p->l3, was, 4))
		return -DROP_INVALID_PACKET;
	memset(&s->dsr, 0, sizeof(s->dsr));
	addr_set_v4(&s->dsr.service, option.addr);
	s->dsr.service_port = option.port;
	is = was[0];
	*first -= sizeof(option) / 4;
	p->length -= sizeof(option);
	p->l4 -= sizeof(option);
	*(__be16 *)(first + 2) = bpf_htons(p->length);
	memcpy(&was[1], &option, sizeof(option));
	diff = bpf_csum_diff(was, sizeof(was), &is, sizeof(is), 0);
	if (bpf_skb_adjust_room(ctx, -(__s32)sizeof(option), BPF_ADJ_ROOM_NET,
				BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_store_bytes(ctx, p->l3, &is, sizeof(is), 0))
		return -DROP_ERROR_WRITING_TO_PACKET;
	if (bpf_l3_csum_replace(ctx, p->l3 + offsetof(struct iphdr, check), 0, diff, 0))
		return -DROP_ERROR_WHILE_CORRECTING_L3_CHECKSUM;
	p->flags |= PKT_DSR;
	return 0;
}

/* The same of an IPv6 packet. */
__separate int dsr_read6(struct __sk_buff *ctx, struct pkt *p)
{
	struct scratch *s = scratch();
	struct dsr_option6 option = {};
	__be16 length;
	__u8 next = 0;
	__u32 next_at;

	if (!p || !s)
		return -DROP_INVALID_TC_BUFFER;
	next_at = p->l3 + offsetof(struct ipv6hdr, nexthdr);
	if (bpf_skb_load_bytes(ctx, next_at, &next, 1) || next != IP6_DEST_OPTIONS ||
	    bpf_skb_load_bytes(ctx, p->l3 + sizeof(struct ipv6hdr), &option, sizeof(option)) ||
	    option.type != DSR_OPTION6_TYPE || option.option_length != sizeof(option) - 4 ||
	    option.length != sizeof(option) / 8 - 1 || addr_is_v4(&option.addr) || !dsr_is_ours(p))
		return 0;
	memset(&s->dsr, 0, sizeof(s->dsr));
	s->dsr.service = option.addr;
	s->dsr.service_port = option.port;
	p->length -= sizeof(option);
	p->l4 -= sizeof(option);
	length = bpf_htons(p->length - sizeof(struct ipv6hdr));
	if (bpf_skb_adjust_room(ctx, -(__s32)sizeof(option), BPF_ADJ_ROOM_NET,
				BPF_F_ADJ_ROOM_FIXED_GSO) ||
	    bpf_skb_store_bytes(ctx, next_at, &option.next, 1, BPF_F_RECOMPUTE_CSUM) ||
	    bpf_skb_store_bytes(ctx, p->l3 + offsetof(struct ipv6hdr, payload_len), &length,
				sizeof(length), BPF_F_RECOMPUTE_CSUM))
		return -DROP_ERROR_WRITING_TO_PACKET;
	p->flags |= PKT_DSR;
	return 0;
}

/* Returns 0 or a negative reason. */
static __always_inline int dsr_receive(struct __sk_buff *ctx, struct pkt *p)
{
	bool v6 = pkt_is_v6(p);

	if (unlikely(dsr_is_wrapped(p)))
		return dsr_unwrap(ctx, p);
	if (likely(p->l4 - p->l3 == (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr))))
		return 0;
	return v6 ? dsr_read6(ctx, p) : dsr_read4(ctx, p);
}

#endif
