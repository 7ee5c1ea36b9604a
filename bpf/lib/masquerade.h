/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Masquerade: pods' traffic to outside leaves with the address of the device it leaves by. */
#ifndef LIB_MASQUERADE_H
#define LIB_MASQUERADE_H

#include "address.h"
#include "maps.h"
#include "scratch.h"

static __always_inline bool masquerade_is_on(const struct pkt *p)
{
	return pkt_is_v6(p) ? cfg.masquerade_ipv6 : cfg.masquerade_ipv4;
}

/* Must this destination not learn the pod's address? In order: 1 the family is not masqueraded, or the pod is exempt;
 * 2 pods, wherever they are, see each other; 3 so do nodes, unless only the overlay knows the way back to a pod;
 * 4 the cluster's native range and single exempt ranges do; 5 everything else is outside. */
static __always_inline bool masquerade_wanted(const struct pkt *p, const struct end *src,
					      const struct end *dst)
{
	struct addr native;
	__u32 bits;

	if (!masquerade_is_on(p) || (src->endpoint_flags & ENDPOINT_NO_MASQUERADE))
		return false;
	if (dst->way == WAY_LOCAL || dst->way == WAY_TUNNEL || dst->way == WAY_STACK)
		return false;
	if (dst->flags & ADDRESS_REMOTE_NODE)
		return cfg.tunnel;
	if (dst->flags & ADDRESS_NATIVE)
		return false;
	native = addr_load(pkt_is_v6(p) ? &cfg.native_v6 : &cfg.native_v4);
	bits = pkt_is_v6(p) ? cfg.native_v6_bits : cfg.native_v4_bits;
	return !bits || !addr_within(&dst->addr, &native, bits);
}

/* The address to leave with by this device into `to`, or zero when traffic leaves there as it is. Returns 0 or a
 * negative reason. @param route_source what the routing table would choose */
static __always_inline int masquerade_address(const struct pkt *p, __u32 ifindex,
					      const struct addr *route_source, struct addr *to)
{
	const struct device *device = bpf_map_lookup_elem(&cilium_devices, &ifindex);

	memset(to, 0, sizeof(*to));
	/* nobody has said whether outside lies there: not a guess to make with a pod's address */
	if (!device)
		return -DROP_NO_DEVICE;
	if (!(device->flags & DEVICE_MASQUERADE))
		return 0;
	*to = pkt_is_v6(p) ? device->v6 : device->v4;
	if (cfg.route_source && !addr_is_zero(route_source))
		*to = *route_source;
	return addr_is_zero(to) ? -DROP_NO_MASQUERADE_ADDRESS : 0;
}

#endif
