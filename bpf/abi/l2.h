/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of services that this node answers for on its links. */
#ifndef ABI_L2_H
#define ABI_L2_H

#include "types.h"

#define L2_ENTRIES_MAX 16384

struct l2_key {
	struct addr addr;
	__u32 ifindex;
};

struct l2_entry {
	__u64 until; /* monotonic clock, ns: the end of the lease, when another node may have it */
	__u64 answers;
};

#endif
