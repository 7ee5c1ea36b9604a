/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an address is: whose identity it carries, in which policy CIDRs it lies, and how packets get there.
 * Exact addresses live in a HASH, prefixes in an LPM trie; the exact row wins and needs no second look-up because
 * the agent writes the CIDR class of the covering prefixes into it. */
#ifndef ABI_ADDRESS_H
#define ABI_ADDRESS_H

#include "types.h"
#include "endpoint.h"

#define ADDRESS_MAX 65536
#define PREFIX_MAX  65536
#define DEVICES_MAX 256

enum address_flags {
	ADDRESS_LOCAL_HOST = 1 << 0,  /* an address of this node: goes to the stack */
	ADDRESS_REMOTE_NODE = 1 << 1, /* an address of another node */
	ADDRESS_NATIVE = 1 << 2,      /* reached without tunnel and without masquerade */
	ADDRESS_ENCRYPT = 1 << 4,
};

#define ADDRESS_NODES (ADDRESS_LOCAL_HOST | ADDRESS_REMOTE_NODE)

struct address {
	__u32 identity;
	__u32 cidr_class;      /* number of the set of policy CIDRs that contain it; 0: none */
	endpoint_ref endpoint; /* the local pod that owns it; 0: none */
	__u32 flags;	       /* enum address_flags */
	struct addr tunnel;    /* underlay address of the node it lives on; zero: no tunnel */
};

struct prefix_key {
	__u32 bits; /* prefix length of the 16 byte form: 96 + n for IPv4 */
	struct addr addr;
};

/* A network device of the node that is not a pod's. Keyed by ifindex, few rows. */
enum device_flags {
	DEVICE_MASQUERADE = 1 << 0, /* traffic that leaves here may be masqueraded */
	DEVICE_L3 = 1 << 1,	    /* no Ethernet header */
	DEVICE_XDP = 1 << 2,	    /* frames may be sent here from other devices' XDP programs */
};

struct device {
	struct addr v4; /* source of masqueraded traffic; zero: none, such traffic is dropped */
	struct addr v6;
	struct mac mac;
	__u32 flags; /* enum device_flags */
	__u32 mtu;
};

#endif
