/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeps in BTF every type that user space reads, among them those that appear in no map (events and enums reach it
 * through a ring buffer only). The codec generator fails when one of its list is missing here. */
#ifndef ABI_EXPORT_H
#define ABI_EXPORT_H

#include "types.h"
#include "reason.h"
#include "endpoint.h"
#include "address.h"
#include "flow.h"
#include "event.h"
#include "counter.h"
#include "service.h"
#include "policy.h"
#include "l2.h"
#include "config.h"
#include "test.h"

#define EXPORT(kind, name)                                                                         \
	const kind name *export_##name __attribute__((unused, section(".data.export")))

EXPORT(enum, drop_reason);
EXPORT(enum, direction);
EXPORT(enum, reserved_identity);
EXPORT(enum, rule_set_number);
EXPORT(enum, endpoint_flags);
EXPORT(enum, address_flags);
EXPORT(enum, device_flags);
EXPORT(enum, flow_zone);
EXPORT(enum, way);
EXPORT(enum, fragment_flags);
EXPORT(enum, flow_flags);
EXPORT(enum, flow_state);
EXPORT(enum, monitor_level);
EXPORT(enum, event_type);
EXPORT(enum, trace_point);
EXPORT(enum, trace_reason);
EXPORT(enum, verdict_match);
EXPORT(enum, socket_point);
EXPORT(enum, event_flags);
EXPORT(enum, source_file);
EXPORT(enum, test_action);
EXPORT(enum, frontend_scope);
EXPORT(enum, frontend_kind);
EXPORT(enum, frontend_flags);
EXPORT(enum, backend_state);
EXPORT(enum, peer_kind);
EXPORT(enum, port_form);
EXPORT(enum, policy_flags);
EXPORT(enum, deny_response);
EXPORT(struct, event_sample);
EXPORT(enum, dsr_dispatch);
EXPORT(struct, config);
EXPORT(struct, endpoint);
EXPORT(struct, address);
EXPORT(struct, prefix_key);
EXPORT(struct, device);
EXPORT(struct, flow_key);
EXPORT(struct, flow);
EXPORT(struct, flow_shard);
EXPORT(struct, fragment_key);
EXPORT(struct, fragment);
EXPORT(struct, flow_timer);
EXPORT(struct, event);
EXPORT(struct, event_count);
EXPORT(struct, counter);
EXPORT(struct, test_record);
EXPORT(struct, frontend_key);
EXPORT(struct, frontend);
EXPORT(struct, backend);
EXPORT(struct, maglev_chunk);
EXPORT(struct, affinity_key);
EXPORT(struct, affinity);
EXPORT(struct, source_range_key);
EXPORT(struct, socket_peers);
EXPORT(struct, stale_socket);
EXPORT(struct, policy_peer_key);
EXPORT(struct, policy_peer);
EXPORT(struct, policy_set_key);
EXPORT(struct, l2_key);
EXPORT(struct, l2_entry);
EXPORT(struct, policy_key);
EXPORT(struct, policy_block_key);
EXPORT(struct, policy_entry);
EXPORT(struct, policy_rule);
EXPORT(struct, rule_set);

#endif
