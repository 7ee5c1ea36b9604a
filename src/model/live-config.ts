/** Keys of cilium-config that agents take over while they run; all others are read when an agent starts. */
export const liveConfigKeys = ['debug', 'enable-policy', 'log-opt', 'monitor-aggregation', 'policy-audit-mode'] as const
