// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which sockets are connected to a backend that is gone: an iterator over the memories of all sockets, whichever
 * network namespace they are in. User space closes them; what was never translated has no memory and is not met. */
#include "lib/bpf.h"
#include "lib/service.h"

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_sk_storage_map {
	__bpf_md_ptr(struct bpf_iter_meta *, meta);
	__bpf_md_ptr(struct bpf_map *, map);
	__bpf_md_ptr(struct sock *, sk);
	__bpf_md_ptr(struct socket_peers *, value);
};

SEC("iter/bpf_sk_storage_map")
int cil_stale_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct socket_peers *peers = ctx->value;
	struct stale_socket stale = {};

	/* a socket without a connection may speak to anybody next: it is nobody's to close */
	if (!peers || !peers->connected || !peers->peer[0].backend_port)
		return 0;
	if (backend_of(peers->peer[0].ref))
		return 0;
	stale.socket = peers->socket;
	stale.netns = peers->netns;
	stale.backend = peers->peer[0].backend;
	stale.port = peers->peer[0].backend_port;
	stale.proto = peers->proto;
	bpf_seq_write(ctx->meta->seq, &stale, sizeof(stale));
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
