/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An endpoint is data: one row per pod device, found by the index of the device. */
#ifndef ABI_ENDPOINT_H
#define ABI_ENDPOINT_H

#include "types.h"

/* The agent creates a pod's device with the index ENDPOINT_IFINDEX_BASE + slot, so that the row of a packet's
 * endpoint is one array look-up away. The endpoint id that users see is the slot. Slot 0 is never a pod: it is the
 * endpoint on which a new generation is tried before any link is switched to it. */
#define ENDPOINT_IFINDEX_BASE 4096
#define ENDPOINT_SLOTS	      4096

/* After the pods' slots: this node's own stack, which has rule sets, too, with the host firewall. */
#define HOST_SLOT 4096

/* A rule set's number on an endpoint. CLOSED is what zeroed memory means: nothing passes.
 * Real sets are numbered from SET_FIRST, and no number is used twice while flows live. */
enum rule_set_number {
	SET_CLOSED = 0,
	SET_OPEN = 1,
	SET_FIRST = 16,
};

enum endpoint_flags {
	ENDPOINT_SKIP_SOURCE_CHECK = 1 << 0,
	ENDPOINT_AUDIT = 1 << 1, /* verdicts are reported, not enforced */
	ENDPOINT_NO_MASQUERADE = 1 << 2,
	ENDPOINT_TRACE_ALL = 1 << 3, /* no aggregation of its trace events */
};

/* A reference to a local endpoint that outlives it: slot in the low half, the slot's generation in the high half.
 * 0 means "not local". A reference whose generation differs from the row's is stale: the pod is gone. */
typedef __u32 endpoint_ref;

struct endpoint {
	__u32 ifindex;	  /* 0: the slot is free, nothing passes */
	__u32 identity;	  /* of its labels; ID_INIT before they are known */
	__u16 id;	  /* the slot; what users call the endpoint id */
	__u16 generation; /* counts the pods that had this slot, from 1 */
	__u32 flags;	  /* enum endpoint_flags */
	__u32 egress_set;
	__u32 ingress_set;
	struct addr v4; /* zero: the pod has no address of this family */
	struct addr v6;
	struct mac mac;	     /* of the pod's end */
	struct mac node_mac; /* of the node's end: the pod's next hop */
};

#endif
