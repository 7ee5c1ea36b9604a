/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet path's side of expiry: asking the timer for a shard that is full. The walk itself is expiry.c. */
#ifndef LIB_FLOW_EXPIRY_H
#define LIB_FLOW_EXPIRY_H

#include "maps.h"

/* A packet was refused by this shard: counts it, and lets the timer walk it at once unless that is asked already. */
static __always_inline void shard_refused(__u32 index)
{
	struct flow_shard *shard = bpf_map_lookup_elem(&cilium_shards, &index);
	__u32 zero = 0;
	struct timer_row *row = bpf_map_lookup_elem(&cilium_timer, &zero);

	if (shard)
		__sync_fetch_and_add(&shard->refused, 1);
	if (row && !row->clock.urgent &&
	    !__sync_val_compare_and_swap(&row->clock.urgent, 0, index + 1))
		bpf_timer_start(&row->timer, 0, 0);
}

#endif
