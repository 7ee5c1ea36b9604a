// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The overlay's device (VXLAN): cil_from_overlay meets what other nodes sent, with the sender's identity as the
 * network identifier; cil_to_overlay what this node's stack sends to other nodes' pods. */
#include "lib/bpf.h"
#include "lib/pkt.h"
#include "lib/act.h"
#include "lib/dsr_receive.h"
#include "lib/eth.h"
#include "lib/nd.h"
#include "lib/walk.h"

/* Who sent it, and from which node. Returns 0 or a negative reason. */
__separate int overlay_read_key(struct __sk_buff *ctx, struct pkt *p)
{
	struct bpf_tunnel_key key = {};

	if (!p)
		return -DROP_INVALID_TC_BUFFER;
	/* the flag has to match the outer family, and nothing else tells which it is */
	if (!bpf_skb_get_tunnel_key(ctx, &key, sizeof(key), 0)) {
		addr_set_v4(&p->hop, bpf_htonl(key.remote_ipv4));
	} else if (!bpf_skb_get_tunnel_key(ctx, &key, sizeof(key), BPF_F_TUNINFO_IPV6)) {
		memcpy(&p->hop, key.remote_ipv6, sizeof(p->hop));
	} else {
		return -DROP_ERROR_RETRIEVING_TUNNEL_KEY;
	}
	p->vni = key.tunnel_id;
	p->src_identity = key.tunnel_id;
	/* a node's own name for itself means nothing elsewhere */
	if (p->vni == ID_UNKNOWN || p->vni == ID_HOST)
		return -DROP_INVALID_IDENTITY;
	return 0;
}

/* Nodes that policies tell apart are known by their addresses: what travels says only that it is one. */
static __always_inline void overlay_name_node(struct pkt *p)
{
	const struct address *sender;

	if (p->vni != ID_REMOTE_NODE)
		return;
	sender = address_exact(&p->key.src);
	if (!sender || !(sender->flags & ADDRESS_REMOTE_NODE))
		return;
	p->vni = sender->identity;
	p->src_identity = sender->identity;
}

static __always_inline int overlay_receive(struct __sk_buff *ctx, struct pkt *p)
{
	struct eth_header *eth;
	int ret = overlay_read_key(ctx, p);

	if (ret)
		return ret;
	eth = pkt_pull(ctx, p, 0, sizeof(*eth));
	if (!eth)
		return -DROP_INVALID_PACKET;
	ret = eth_parse_ip(ctx, p, eth->proto);
	if (ret)
		return ret;
	if (nd_is_link_message(p))
		return -DROP_FORBIDDEN_ICMPV6_MESSAGE;
	if (address_is_group(&p->key.dst) || address_is_link_local6(&p->key.dst))
		return -DROP_UNKNOWN_L3_TARGET_ADDRESS;
	if (cfg.dsr) {
		ret = dsr_receive(ctx, p);
		if (ret)
			return ret;
	}
	overlay_name_node(p);
	ret = walk(ctx, p);
	if (host_is_judged(p))
		ret = host_outcome(p, ret);
	return ret == FLOW_UNTRACKED ? forward_stack(p, TRACE_TO_HOST) : ret;
}

SEC("tc")
int cil_from_overlay(struct __sk_buff *ctx)
{
	struct pkt p = {.hook = HOOK_FROM_OVERLAY, .dir = DIR_INGRESS};
	int ret;

	p.size = ctx_read(ctx, len);
	p.now = bpf_ktime_get_coarse_ns();
	p.epoch = epoch_now();
	ret = overlay_receive(ctx, &p);
	/* the frame's addresses inside a tunnel are nobody's: for the stack and for pods it is theirs */
	if (ret >= 0 && ctx->pkt_type != PACKET_HOST)
		bpf_skb_change_type(ctx, PACKET_HOST);
	return act(ctx, &p, ret);
}

static __always_inline int overlay_send(struct __sk_buff *ctx, struct pkt *p)
{
	struct eth_header *eth = pkt_pull(ctx, p, 0, sizeof(*eth));
	int ret;

	if (!eth)
		return -DROP_INVALID_PACKET;
	ret = eth_parse_ip(ctx, p, eth->proto);
	if (ret)
		return ret;
	if (nd_is_link_message(p) || address_is_group(&p->key.dst))
		return -DROP_UNKNOWN_L3_TARGET_ADDRESS;
	ret = walk(ctx, p);
	if (host_is_judged(p))
		ret = host_outcome(p, ret);
	if (ret < 0)
		return ret;
	if (ret == FLOW_UNTRACKED)
		forward_stack(p, TRACE_TO_OVERLAY);
	if (addr_is_zero(&p->hop))
		return -DROP_NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT;
	return tunnel_set(ctx, p);
}

SEC("tc")
int cil_to_overlay(struct __sk_buff *ctx)
{
	struct pkt p = {.hook = HOOK_TO_OVERLAY, .dir = DIR_EGRESS};

	if (mark_take(ctx))
		return TC_ACT_OK;
	p.size = ctx_read(ctx, len);
	p.now = bpf_ktime_get_coarse_ns();
	p.epoch = epoch_now();
	return act(ctx, &p, overlay_send(ctx, &p));
}

char _license[] SEC("license") = "Dual BSD/GPL";
