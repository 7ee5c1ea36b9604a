// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Services at the socket: connect and sendmsg to a service go to one of its backends from the start, so that no packet
 * needs translation; recvmsg and getpeername show the service again. Attached to the node's cgroup, they see the sockets
 * of pods and of the node's own processes alike. What they leave alone is translated packet by packet. */
#include "lib/bpf.h"
#include "lib/address.h"
#include "lib/socket.h"
#include "lib/socket_event.h"

#define EADDRINUSE_   98
/* not ENOBUFS, at which libraries wait and try again for ever */
#define ENOMEM_	      12
#define ECONNREFUSED_ 111
#define EHOSTUNREACH_ 113
#define SOCK_DGRAM_   2

/* What a program of a cgroup answers. */
#define REFUSE 0
#define PASS   1

#define SEND_PLAIN	1 /* not a service */
#define SEND_TRANSLATED 2

static __always_inline __u32 seconds_now(void)
{
	return bpf_ktime_get_coarse_ns() / NS_PER_S;
}

static __always_inline bool is_ours(struct bpf_sock_addr *ctx)
{
	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
		return false;
	return !cfg.socket_host_only || bpf_get_netns_cookie(ctx) == cfg.host_cookie;
}

/* Nobody answers for the service. A datagram socket that connects sends nothing yet, and often never will: resolvers
 * ask so for the way to an address. A pod's goes on, and what it sends is judged as a packet; the node's own would leave
 * by the network, so it is refused. Returns SEND_PLAIN or a negative errno. */
static __always_inline int refuse(struct bpf_sock_addr *ctx, const struct socket_end *service,
				  bool connected, __u32 reason, __u32 id)
{
	if (connected && ctx->protocol == IPPROTO_UDP) {
		if (bpf_get_netns_cookie(ctx) != cfg.host_cookie)
			return SEND_PLAIN;
	} else {
		socket_drop(ctx, service, reason, id);
	}
	return reason == DROP_NO_LOCAL_BACKEND ? -EHOSTUNREACH_ : -ECONNREFUSED_;
}

/* An address that leads to this node's own processes, from this node only. */
static __always_inline bool is_loopback(const struct addr *a)
{
	if (addr_is_v4(a))
		return (a->w[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !a->w[0] && !a->w[1] && !a->w[2] && a->w[3] == bpf_htonl(1);
}

/* A NodePort answers on every address of every node, to the node itself also on the loopback's. */
static __always_inline const struct frontend *find_on_nodes(struct frontend_key *key, bool host)
{
	const struct address *known = address_exact(&key->addr);

	if (!(known && (known->flags & ADDRESS_NODES)) && !(host && is_loopback(&key->addr)))
		return NULL;
	return frontend_of_nodes(key, addr_is_v4(&key->addr));
}

/* Finds who answers, and notes it. Returns SEND_PLAIN, SEND_TRANSLATED with `backend` filled, or a negative errno.
 * @param connected the socket will speak to this one alone */
static __always_inline int translate(struct bpf_sock_addr *ctx, const struct socket_end *service,
				     struct socket_end *backend, bool connected)
{
	struct frontend_key key = {};
	const struct frontend *frontend;
	const struct backend *row;
	enum socket_noted noted;
	struct socket_peers *peers;
	struct addr client = {};
	__u64 cookie = bpf_get_netns_cookie(ctx);
	__u32 now = seconds_now();
	backend_ref ref = 0;

	key.addr = service->addr;
	key.port = service->port;
	key.proto = ctx->protocol;
	frontend = frontend_find(&key, true);
	if (!frontend)
		frontend = find_on_nodes(&key, cookie == cfg.host_cookie);
	/* whether the pod is one of the backends, only its packets tell */
	if (frontend && (frontend->flags & FRONTEND_SPARES_BACKENDS) && cookie != cfg.host_cookie)
		return SEND_PLAIN;
	if (!frontend) {
		peers = bpf_sk_storage_get(&cilium_sockets, ctx->sk, NULL, 0);
		if (peers) {
			if (connected)
				memset(peers, 0, sizeof(*peers));
			else
				socket_forget(peers, service);
		}
		if (address_exact(&service->addr) || !service_owns(&service->addr))
			return SEND_PLAIN;
		return refuse(ctx, service, connected, DROP_NO_SERVICE_PORT, 0);
	}
	memcpy(&client.w[2], &cookie, sizeof(cookie));
	row = service_choose(frontend, &client, NULL, now, &ref);
	if (!row && frontend->count) {
		/* the list was replaced under us */
		frontend = frontend_find(&key, true);
		if (!frontend)
			return refuse(ctx, service, connected, DROP_NO_SERVICE_PORT, 0);
		row = service_choose(frontend, &client, NULL, now, &ref);
	}
	if (!row)
		return refuse(ctx, service, connected,
			      frontend->flags & FRONTEND_DROP ? DROP_NO_LOCAL_BACKEND
							      : DROP_SERVICE_BACKEND_NOT_FOUND,
			      frontend->service);
	backend->addr = row->addr;
	backend->port = row->port;
	backend->pad = 0;
	peers = bpf_sk_storage_get(&cilium_sockets, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	/* without a memory the socket would see a stranger answer: a pod's packets are translated instead */
	if (!peers)
		return cookie == cfg.host_cookie ? -ENOMEM_ : SEND_PLAIN;
	noted = socket_note(peers, service, backend, frontend->service, ref, now, connected);
	if (noted == SOCKET_NO_ROOM) {
		if (cookie != cfg.host_cookie)
			return SEND_PLAIN;
		/* nobody translates the node's own packets: they would leave by the network */
		socket_drop(ctx, service, DROP_NO_SOCKET_ROOM, frontend->service);
		return -ENOMEM_;
	}
	peers->proto = ctx->protocol;
	peers->netns = cookie;
	peers->socket = bpf_get_socket_cookie(ctx);
	/* datagrams are told once per backend, as packets of a flow are */
	if (cfg.event_socket && (noted == SOCKET_NEW || cfg.monitor_level < MONITOR_MEDIUM)) {
		socket_event(ctx, service, EVENT_SOCKET, SOCKET_PRE_FORWARD, frontend->service);
		socket_event(ctx, backend, EVENT_SOCKET, SOCKET_POST_FORWARD, frontend->service);
	}
	return SEND_TRANSLATED;
}

static __always_inline void end_of_v4(struct bpf_sock_addr *ctx, struct socket_end *end)
{
	addr_set_v4(&end->addr, ctx->user_ip4);
	end->port = ctx->user_port;
	end->pad = 0;
}

static __always_inline void end_of_v6(struct bpf_sock_addr *ctx, struct socket_end *end)
{
	end->addr.w[0] = ctx->user_ip6[0];
	end->addr.w[1] = ctx->user_ip6[1];
	end->addr.w[2] = ctx->user_ip6[2];
	end->addr.w[3] = ctx->user_ip6[3];
	end->port = ctx->user_port;
	end->pad = 0;
}

static __always_inline void end_to_v4(struct bpf_sock_addr *ctx, const struct socket_end *end)
{
	ctx->user_ip4 = end->addr.w[3];
	ctx->user_port = end->port;
}

static __always_inline void end_to_v6(struct bpf_sock_addr *ctx, const struct socket_end *end)
{
	ctx->user_ip6[0] = end->addr.w[0];
	ctx->user_ip6[1] = end->addr.w[1];
	ctx->user_ip6[2] = end->addr.w[2];
	ctx->user_ip6[3] = end->addr.w[3];
	ctx->user_port = end->port;
}

/* @param v6 the socket is one of IPv6: an IPv4 address is in its mapped form then, which is the maps' own */
static __always_inline int send(struct bpf_sock_addr *ctx, bool v6, bool connected)
{
	struct socket_end service, backend;
	int ret;

	if (!is_ours(ctx))
		return PASS;
	if (v6)
		end_of_v6(ctx, &service);
	else
		end_of_v4(ctx, &service);
	ret = translate(ctx, &service, &backend, connected);
	if (ret < 0) {
		bpf_set_retval(ret);
		return REFUSE;
	}
	if (ret == SEND_TRANSLATED) {
		if (v6)
			end_to_v6(ctx, &backend);
		else
			end_to_v4(ctx, &backend);
	}
	return PASS;
}

/* The peer that a process is told: the service that it asked for. @param told a datagram came, and may be told */
static __always_inline int receive(struct bpf_sock_addr *ctx, bool v6, bool told)
{
	struct socket_end service, backend;
	struct socket_peers *peers;

	peers = bpf_sk_storage_get(&cilium_sockets, ctx->sk, NULL, 0);
	if (!peers)
		return PASS;
	if (v6)
		end_of_v6(ctx, &backend);
	else
		end_of_v4(ctx, &backend);
	if (socket_recall(peers, &backend, &service, seconds_now())) {
		if (told && cfg.event_socket && cfg.monitor_level < MONITOR_MEDIUM) {
			socket_event(ctx, &backend, EVENT_SOCKET, SOCKET_PRE_REVERSE, 0);
			socket_event(ctx, &service, EVENT_SOCKET, SOCKET_POST_REVERSE, 0);
		}
		if (v6)
			end_to_v6(ctx, &service);
		else
			end_to_v4(ctx, &service);
	}
	return PASS;
}

SEC("cgroup/connect4")
int cil_sock4_connect(struct bpf_sock_addr *ctx)
{
	return send(ctx, false, true);
}

SEC("cgroup/connect6")
int cil_sock6_connect(struct bpf_sock_addr *ctx)
{
	return send(ctx, true, true);
}

SEC("cgroup/sendmsg4")
int cil_sock4_sendmsg(struct bpf_sock_addr *ctx)
{
	return send(ctx, false, false);
}

SEC("cgroup/sendmsg6")
int cil_sock6_sendmsg(struct bpf_sock_addr *ctx)
{
	return send(ctx, true, false);
}

SEC("cgroup/recvmsg4")
int cil_sock4_recvmsg(struct bpf_sock_addr *ctx)
{
	return receive(ctx, false, true);
}

SEC("cgroup/recvmsg6")
int cil_sock6_recvmsg(struct bpf_sock_addr *ctx)
{
	return receive(ctx, true, true);
}

SEC("cgroup/getpeername4")
int cil_sock4_getpeername(struct bpf_sock_addr *ctx)
{
	return receive(ctx, false, false);
}

SEC("cgroup/getpeername6")
int cil_sock6_getpeername(struct bpf_sock_addr *ctx)
{
	return receive(ctx, true, false);
}

static __always_inline bool is_node_service(const struct frontend *frontend)
{
	return frontend &&
	       (frontend->kind == FRONTEND_NODE_PORT || frontend->kind == FRONTEND_EXTERNAL_IP ||
		frontend->kind == FRONTEND_LOAD_BALANCER);
}

/* A process of the node that listens where a service does would never hear of its clients: it is told at once.
 * @param any the address that it has bound is the unspecified one */
static __always_inline int bound(struct bpf_sock *ctx, const struct addr *addr, bool any)
{
	struct frontend_key key = {};
	bool taken;

	if (!cfg.bind_protection || bpf_get_netns_cookie(ctx) != cfg.host_cookie)
		return PASS;
	if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
		return PASS;
	key.addr = *addr;
	key.port = bpf_htons(ctx->src_port);
	key.proto = ctx->protocol;
	taken = is_node_service(any ? frontend_of_nodes(&key, addr_is_v4(addr))
				    : frontend_find(&key, true));
	/* a socket of IPv6 hears IPv4 too, unless it has said otherwise */
	if (!taken && any && !addr_is_v4(addr))
		taken = is_node_service(frontend_of_nodes(&key, true));
	if (!taken && !any)
		taken = is_node_service(find_on_nodes(&key, true));
	if (!taken)
		return PASS;
	bpf_set_retval(-EADDRINUSE_);
	return REFUSE;
}

SEC("cgroup/post_bind4")
int cil_sock4_post_bind(struct bpf_sock *ctx)
{
	struct addr addr;

	addr_set_v4(&addr, ctx->src_ip4);
	return bound(ctx, &addr, !addr.w[3]);
}

SEC("cgroup/post_bind6")
int cil_sock6_post_bind(struct bpf_sock *ctx)
{
	struct addr addr;

	addr.w[0] = ctx->src_ip6[0];
	addr.w[1] = ctx->src_ip6[1];
	addr.w[2] = ctx->src_ip6[2];
	addr.w[3] = ctx->src_ip6[3];
	return bound(ctx, &addr, addr_is_zero(&addr));
}

char _license[] SEC("license") = "Dual BSD/GPL";
