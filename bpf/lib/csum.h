/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One's complement sums (RFC 1071, RFC 1624). */
#ifndef LIB_CSUM_H
#define LIB_CSUM_H

#include "bpf.h"

static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum + (sum >> 16);
}

/* A checksum field after what it covers has changed by `diff`. */
static __always_inline __u16 csum_apply(__u16 check, __s64 diff)
{
	return ~csum_fold((__u16)~check + (diff & 0xffffffff));
}

#endif
