/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every program begins with: kernel types, helpers, the configuration, and a few words of C. */
#ifndef LIB_BPF_H
#define LIB_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "../abi/config.h"
#include "../abi/reason.h"
#include "../abi/types.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define memcpy(to, from, n) __builtin_memcpy(to, from, n)
#define memset(to, c, n)    __builtin_memset(to, c, n)

/* A function that the verifier looks at once, on its own, and not anew for every path that leads to it: what the slow
 * and the rare parts are. It is not static, takes the context, numbers and pointers to structs, and checks the latter
 * for NULL. */
#define __separate __attribute__((noinline))

#define NS_PER_S 1000000000ULL

/* Keeps the compiler from merging or splitting what the verifier must see as one value. */
#define opaque(value) asm volatile("" : "+r"(value))

/* A field of struct __sk_buff.
 * verifier: it refuses a context pointer with an offset, which the compiler likes to keep in a register → a load that
 * cannot be split (all kernels) */
#define ctx_read(ctx, field)                                                                       \
	({                                                                                         \
		__u64 value_;                                                                      \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(value_)                                                        \
			     : "r"(ctx), "i"(offsetof(struct __sk_buff, field)));                  \
		value_;                                                                            \
	})

/* Read-only once loaded: the verifier follows only what it says. */
const volatile struct config cfg;

static __always_inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}

static __always_inline bool addr_is_v4(const struct addr *a)
{
	return a->w[2] == bpf_htonl(0xffff) && !a->w[0] && !a->w[1];
}

static __always_inline bool addr_is_zero(const struct addr *a)
{
	return !(a->w[0] | a->w[1] | a->w[2] | a->w[3]);
}

static __always_inline void addr_set_v4(struct addr *a, __be32 v4)
{
	a->w[0] = 0;
	a->w[1] = 0;
	a->w[2] = bpf_htonl(0xffff);
	a->w[3] = v4;
}

/* An address of the configuration, by value: its memory is volatile. */
static __always_inline struct addr addr_load(const volatile struct addr *from)
{
	struct addr a;

	a.w[0] = from->w[0];
	a.w[1] = from->w[1];
	a.w[2] = from->w[2];
	a.w[3] = from->w[3];
	return a;
}

/* Does the address lie in net/bits? `bits` counts from the 16 byte form's first bit. */
static __always_inline bool addr_within(const struct addr *a, const struct addr *net, __u32 bits)
{
	__u32 i;

	for (i = 0; i < 4; i++) {
		__u32 word = bits > 32 * i ? bits - 32 * i : 0;
		__u32 mask = word >= 32 ? 0xffffffff : word ? ~(0xffffffff >> word) : 0;

		if ((a->w[i] ^ net->w[i]) & bpf_htonl(mask))
			return false;
	}
	return true;
}

#endif
