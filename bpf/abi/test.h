/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a packet test reads after BPF_PROG_TEST_RUN, which shows a redirect as 7 without its target. */
#ifndef ABI_TEST_H
#define ABI_TEST_H

#include "types.h"

enum test_action {
	TEST_NONE = 0,
	TEST_PASS = 1, /* to the stack */
	TEST_DROP = 2,
	TEST_REDIRECT = 3,  /* egress of ifindex */
	TEST_PEER = 4,	    /* into the namespace of ifindex's peer */
	TEST_NEIGHBOUR = 5, /* egress of ifindex, link layer by the kernel */
	TEST_TRANSMIT = 6,  /* back where it came from */
};

struct test_record {
	__u32 action; /* enum test_action */
	__u32 ifindex;
	__u32 reason; /* of a drop */
	__u32 ext_error;
	struct addr tunnel; /* remote node, or next hop of TEST_NEIGHBOUR */
	__u32 tunnel_id;    /* identity carried */
	__u32 mark;
};

#endif
