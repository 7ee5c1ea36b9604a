/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Forwarded and dropped packets by reason and direction: per-CPU, exact, independent of events. */
#ifndef ABI_COUNTER_H
#define ABI_COUNTER_H

#include "types.h"

/* index = reason * COUNTER_DIRECTIONS + enum direction; reason 0: forwarded */
#define COUNTER_DIRECTIONS 4
#define COUNTER_REASONS	   256
#define COUNTER_SLOTS	   (COUNTER_REASONS * COUNTER_DIRECTIONS)

struct counter {
	__u64 packets;
	__u64 bytes;
};

#endif
