/** Kinds of maps, include/uapi/linux/bpf.h, with the names that bpftool prints. */
export const mapTypes = {
  hash: 1,
  array: 2,
  prog_array: 3,
  perf_event_array: 4,
  percpu_hash: 5,
  percpu_array: 6,
  cgroup_array: 8,
  lru_hash: 9,
  lru_percpu_hash: 10,
  lpm_trie: 11,
  array_of_maps: 12,
  hash_of_maps: 13,
  devmap: 14,
  sockmap: 15,
  cpumap: 16,
  sockhash: 18,
  queue: 22,
  stack: 23,
  sk_storage: 24,
  devmap_hash: 25,
  ringbuf: 27,
  user_ringbuf: 31,
  arena: 33,
} as const

/** bpftool's name of a map type, "type 99" for one without a name. */
export function mapTypeName(type: number): string {
  for (const [name, number] of Object.entries(mapTypes)) if (number === type) return name
  return `type ${type}`
}

/** Every CPU has a value of its own under each key. */
export function isPerCpu(type: number): boolean {
  return type === mapTypes.percpu_hash || type === mapTypes.percpu_array || type === mapTypes.lru_percpu_hash
}

/** Flags at creation. */
export const mapFlags = {noPrealloc: 1, noCommonLru: 2, readOnlyForPrograms: 1 << 7, mmapable: 1 << 10} as const
