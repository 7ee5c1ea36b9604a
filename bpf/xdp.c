// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The node's own devices before the stack: what outside has sent to a service and a known flow leads to a backend on another
 * node, and the way back, is translated and sent out from here. Everything else goes on to cil_from_netdev: it makes the
 * flows, judges them, and meets one packet a second of each, which keeps the flow alive, asks for the way again, and is
 * told of. So nothing is decided here, and nothing is decided twice. */
#include "lib/bpf.h"
#include "lib/act.h"
#include "lib/dsr_outer.h"
#include "lib/eth.h"
#include "lib/flow.h"
#include "lib/nat.h"

/* Where the headers of a packet lie. Pointers into it: not to be kept over bpf_xdp_adjust_head. */
struct plain {
	struct eth_header *eth;
	struct iphdr *ip4; /* one of the two is NULL */
	struct ipv6hdr *ip6;
	__be16 *ports;
	__u16 *check; /* of TCP or UDP */
};

/* Is this a packet without anything special about it? Fills its tuple. */
static __always_inline bool plain_parse(struct xdp_md *ctx, struct pkt *p, struct plain *at)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct eth_header *eth = data;
	struct iphdr *ip4 = data + ETH_HLEN;
	struct ipv6hdr *ip6 = data + ETH_HLEN;
	struct tcphdr *tcp;
	void *l4;

	if (data + ETH_HLEN + sizeof(*ip4) > end)
		return false;
	at->eth = eth;
	if (cfg.enable_ipv4 && eth->proto == bpf_htons(ETH_P_IP)) {
		if (ip4->version != 4 || ip4->ihl != 5 || ip4->ttl <= 1 ||
		    (ip4->frag_off & bpf_htons(IP4_MF | IP4_OFFSET)))
			return false;
		p->length = bpf_ntohs(ip4->tot_len);
		p->key.proto = ip4->protocol;
		p->dsfield = ip4->tos;
		addr_set_v4(&p->key.src, ip4->saddr);
		addr_set_v4(&p->key.dst, ip4->daddr);
		at->ip4 = ip4;
		l4 = ip4 + 1;
	} else if (cfg.enable_ipv6 && eth->proto == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > end || ip6->version != 6 || ip6->hop_limit <= 1)
			return false;
		p->flags = PKT_IPV6;
		p->length = sizeof(*ip6) + bpf_ntohs(ip6->payload_len);
		p->key.proto = ip6->nexthdr;
		p->dsfield = (ip6->priority << 4) | (ip6->flow_lbl[0] >> 4);
		memcpy(&p->key.src, &ip6->saddr, sizeof(struct addr));
		memcpy(&p->key.dst, &ip6->daddr, sizeof(struct addr));
		if (addr_is_v4(&p->key.src) || addr_is_v4(&p->key.dst))
			return false;
		at->ip6 = ip6;
		l4 = ip6 + 1;
	} else {
		return false;
	}
	if (data + ETH_HLEN + p->length > end)
		return false;
	tcp = l4;
	if (p->key.proto == IPPROTO_TCP) {
		/* the steps of a connection are not taken here */
		if ((void *)(tcp + 1) > end || (((__u8 *)tcp)[13] & (TCP_SYN | TCP_FIN | TCP_RST)))
			return false;
		at->check = &tcp->check;
	} else if (p->key.proto == IPPROTO_UDP) {
		if (l4 + sizeof(struct udphdr) > end)
			return false;
		at->check = &((struct udphdr *)l4)->check;
	} else {
		return false;
	}
	at->ports = l4;
	p->key.sport = at->ports[0];
	p->key.dport = at->ports[1];
	p->size = end - data;
	return true;
}

/* May this flow's packet leave without any other step? */
static __always_inline bool flow_is_steady(const struct pkt *p, const struct flow *flow)
{
	bool tcp = p->key.proto == IPPROTO_TCP, wrapped = flow->flags & FLOW_WRAPPED;
	__u32 more = wrapped ? dsr_outer_bytes(p) : 0;

	if (flow->way != WAY_ROUTE || flow->from != WAY_ROUTE || !(flow->flags & FLOW_DNAT) ||
	    flow->src_endpoint || flow->dst_endpoint || flow->epoch != epoch_now())
		return false;
	/* each datagram names the service */
	if (!tcp && (flow->flags & FLOW_DSR) && !wrapped)
		return false;
	if (tcp ? flow->state != FLOW_ESTABLISHED : !flow->answered && !(flow->flags & FLOW_DSR))
		return false;
	/* the rest is for once a second */
	return flow->expires > p->now &&
	       (__s64)(p->now + flow_lifetime(flow, p->key.proto) - flow->expires) <
		       (__s64)FLOW_REFRESH_NS &&
	       p->length + more <= flow->mtu;
}

/* Asks for the link layer's addresses and the device. False: the stack has to find out first. */
static __always_inline bool wire_route(struct xdp_md *ctx, const struct pkt *p,
				       const struct flow *flow, struct bpf_fib_lookup *fib)
{
	const struct device *device;
	__u32 ifindex;

	fib->family = pkt_is_v6(p) ? 10 : 2; /* AF_INET6, AF_INET */
	fib->l4_protocol = p->key.proto;
	fib->ifindex = ctx->ingress_ifindex;
	if (pkt_is_v6(p)) {
		memcpy(fib->ipv6_src, &p->key.src, 16);
		memcpy(fib->ipv6_dst, &flow->to_dst, 16);
	} else {
		fib->ipv4_src = p->key.src.w[3];
		fib->ipv4_dst = flow->to_dst.w[3];
	}
	if (bpf_fib_lookup(ctx, fib, sizeof(*fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	if (fib->ifindex == ctx->ingress_ifindex)
		return true;
	ifindex = fib->ifindex;
	device = bpf_map_lookup_elem(&cilium_devices, &ifindex);
	return device && (device->flags & DEVICE_XDP);
}

/* Gives the packet its flow's outgoing tuple. */
static __always_inline void wire_translate(const struct pkt *p, const struct flow *flow,
					   const struct plain *at)
{
	struct addr src = flow->to_src, dst = flow->to_dst;
	__be16 was[2] = {p->key.sport, p->key.dport}, is[2] = {flow->to_sport, flow->to_dport};
	__s64 diff = nat_address_diff(&p->key, &src, &dst);

	if (at->ip4) {
		at->ip4->check = csum_apply(at->ip4->check, diff);
		at->ip4->saddr = src.w[3];
		at->ip4->daddr = dst.w[3];
	} else if (at->ip6) {
		memcpy(&at->ip6->saddr, &src, sizeof(src));
		memcpy(&at->ip6->daddr, &dst, sizeof(dst));
	}
	at->ports[0] = is[0];
	at->ports[1] = is[1];
	/* UDP without a sum stays without; one that comes out as 0 is written as its complement */
	if (p->key.proto == IPPROTO_UDP && !*at->check)
		return;
	diff = bpf_csum_diff((void *)was, sizeof(was), (void *)is, sizeof(is), diff);
	*at->check = csum_apply(*at->check, diff);
	if (p->key.proto == IPPROTO_UDP && !*at->check)
		*at->check = 0xffff;
}

/* Puts the packet into one to the backend's node. */
static __always_inline bool wire_wrap(struct xdp_md *ctx, const struct pkt *p,
				      const struct flow *flow, struct plain *at)
{
	__u32 bytes = dsr_outer_bytes(p);
	__be16 proto = at->eth->proto;
	struct dsr_outer6 outer6 = {};
	struct dsr_outer4 outer4 = {};
	void *data, *end;

	if (bpf_xdp_adjust_head(ctx, -(int)bytes))
		return false;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	/* with what is inside it is longer than either header */
	if (data + ETH_HLEN + (pkt_is_v6(p) ? sizeof(outer6) : sizeof(outer4)) > end)
		return false;
	at->eth = data;
	at->eth->proto = proto;
	data += ETH_HLEN;
	if (pkt_is_v6(p)) {
		dsr_outer6(p, flow, &outer6);
		if (cfg.dsr == DSR_GENEVE)
			memcpy(data, &outer6, sizeof(outer6));
		else
			memcpy(data, &outer6.ip, sizeof(outer6.ip));
	} else {
		dsr_outer4(p, flow, &outer4);
		if (cfg.dsr == DSR_GENEVE)
			memcpy(data, &outer4, sizeof(outer4));
		else
			memcpy(data, &outer4.ip, sizeof(outer4.ip));
	}
	return true;
}

SEC("xdp")
int cil_xdp_entry(struct xdp_md *ctx)
{
	struct pkt p = {.hook = HOOK_FROM_NETDEV, .dir = DIR_INGRESS};
	struct bpf_fib_lookup fib = {};
	struct plain at = {};
	struct flow *flow;

	/* whoever wants to be told of every packet */
	if (cfg.event_trace && cfg.monitor_level < MONITOR_MEDIUM)
		return XDP_PASS;
	if (!cfg.nodeport || !plain_parse(ctx, &p, &at))
		return XDP_PASS;
	p.now = bpf_ktime_get_coarse_ns();
	flow = flow_here(&p.key);
	if (!flow || !flow_is_steady(&p, flow) || !wire_route(ctx, &p, flow, &fib))
		return XDP_PASS;
	if (at.ip4)
		ipv4_count_hop(at.ip4);
	else if (at.ip6)
		at.ip6->hop_limit--;
	if (!(flow->flags & FLOW_WRAPPED))
		wire_translate(&p, flow, &at);
	else if (!wire_wrap(ctx, &p, flow, &at))
		return XDP_DROP;
	mac_copy(at.eth->dst, fib.dmac);
	mac_copy(at.eth->src, fib.smac);
	flow->packets++;
	flow->bytes += p.size;
	count(&p, REASON_FORWARDED);
	return fib.ifindex == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(fib.ifindex, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
