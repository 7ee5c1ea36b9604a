/** The maps of services: opened through a generation or by their pins. */
import {BpfMap} from '../../kernel/bpf/map.ts'
import {ciliumBackends, ciliumLb, ciliumLbLists, ciliumLbRanges} from '../gen/maps.ts'
import type {Backend, Frontend, FrontendKey, SourceRangeKey} from '../gen/types.ts'
import {MaglevPages} from './maglev.ts'
import type {MapOpener} from './open.ts'

export class ServiceTables {
  readonly frontends: BpfMap<FrontendKey, Frontend>
  /** references of backends, list after list */
  readonly lists: BpfMap<number, number>
  readonly backends: BpfMap<number, Backend>
  /** clients from outside that may, or may not, use a service */
  readonly ranges: BpfMap<SourceRangeKey, number>
  readonly maglev: MaglevPages

  /** @throws BPF_MAP_LAYOUT, and what the opener throws */
  constructor(open: MapOpener) {
    this.frontends = new BpfMap(open('cilium_lb'), ciliumLb)
    this.lists = new BpfMap(open('cilium_lb_lists'), ciliumLbLists)
    this.backends = new BpfMap(open('cilium_backends'), ciliumBackends)
    this.ranges = new BpfMap(open('cilium_lb_ranges'), ciliumLbRanges)
    this.maglev = new MaglevPages(open)
  }

  readList(offset: number, length: number): number[] {
    return Array.from({length}, (_, i) => this.lists.get(offset + i) ?? 0)
  }

  /** All places of all lists at once. */
  readLists(): Uint32Array {
    const places = new Uint32Array(this.lists.maxEntries)
    this.lists.visit((keys, key, values, value) => {
      places[keys.getUint32(key, true)] = values.getUint32(value, true)
    })
    return places
  }

  /**
   * Fills these tables with what other ones hold: a new generation begins where the one before is. Backends and lists
   * first, so that no frontend ever names what is not there.
   */
  copyFrom(other: ServiceTables): void {
    this.backends.putAll(nonZero(other.backends.entries(), ({generation}) => generation !== 0))
    this.lists.putAll(nonZero(other.lists.entries(), (ref) => ref !== 0))
    this.maglev.shareFrom(other.maglev)
    for (const [key, value] of other.ranges.entries()) this.ranges.put(key, value)
    this.frontends.putAll(other.frontends.entries())
  }

  close(): void {
    for (const map of [this.frontends, this.lists, this.backends, this.ranges, this.maglev]) map.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function* nonZero<V>(entries: Iterable<[number, V]>, is: (value: V) => boolean): Generator<[number, V]> {
  for (const entry of entries) if (is(entry[1])) yield entry
}
