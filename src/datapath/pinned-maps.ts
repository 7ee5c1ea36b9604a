/** Which maps generations share, and which are a generation's own. */

/** Maps that outlive generations, in no order. All others of the objects are the generation's own. */
export const stateMaps = [
  'cilium_flows',
  'cilium_shards',
  'cilium_frags',
  'cilium_metrics',
  'cilium_events',
  'cilium_evcount',
  'cilium_epoch',
  'cilium_timer',
  'cilium_affinity',
  'cilium_sockets',
  'cilium_policy_no',
  'cilium_l2',
] as const

/** Of the state, what a change of layout converts: the others are shared by layouts too, as long as they fit. */
export const flowMaps: readonly string[] = ['cilium_flows', 'cilium_shards', 'cilium_timer']

/** What one generation has alone. */
export const configurationMaps = [
  'cilium_lxc',
  'cilium_ipcache',
  'cilium_ipcache_p',
  'cilium_devices',
  'cilium_lb',
  'cilium_lb_lists',
  'cilium_lb_maglev',
  'cilium_backends',
  'cilium_lb_ranges',
  'cilium_policy',
  'cilium_policy_p',
  'cilium_policy_peers',
  'cilium_policy_sets',
] as const

/** The others are an object's own. */
export function isShared(map: string): boolean {
  return ([...stateMaps, ...configurationMaps] as string[]).includes(map)
}
