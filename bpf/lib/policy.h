/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The place of policy: is this packet allowed by one endpoint's rule set? Called for each end of a flow that is a pod
 * of this node, when the flow begins and when anything that a verdict rests on has changed. Never touches the packet. */
#ifndef LIB_POLICY_H
#define LIB_POLICY_H

#include "scratch.h"

/* Returns 0 (allowed), a negative reason, or a positive proxy port.
 * @param set the rule set's number, read before the peer's identity
 * @param peer the other end */
static __always_inline int policy_verdict(struct pkt *p, __u32 set, const struct end *peer,
					  enum direction dir)
{
	(void)peer;
	if (!cfg.policy || set == SET_OPEN)
		return 0;
	p->dir = dir;
	/* what zeroed memory says, and what an endpoint says until its rules are known */
	if (set == SET_CLOSED)
		return -DROP_POLICY_DENIED;
	/* a piece of a datagram whose ports nobody knows */
	if (p->flags & PKT_NO_PORTS)
		return -DROP_FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND;
	return -DROP_NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION;
}

#endif
