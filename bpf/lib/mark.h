/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bits of skb->mark that are ours. Processes of the node may set marks of their own: only MARK_MASK is read and
 * written here. A pod's marks never reach us: the kernel clears them when a packet leaves a namespace. */
#ifndef LIB_MARK_H
#define LIB_MARK_H

#include "bpf.h"

#ifndef PACKET_HOST
#define PACKET_HOST 0
#endif

#define MARK_MASK 0x0f00
/* This packet has been judged and translated: the program on its way out lets it pass. */
#define MARK_DONE 0x0300

static __always_inline bool mark_take(struct __sk_buff *ctx)
{
	if ((ctx->mark & MARK_MASK) != MARK_DONE)
		return false;
	ctx->mark &= ~MARK_MASK;
	return true;
}

static __always_inline void mark_done(struct __sk_buff *ctx)
{
	ctx->mark = (ctx->mark & ~MARK_MASK) | MARK_DONE;
}

#endif
