/**
 * Counts what is in the store, once each second. Events that are alike in all that metrics look at are counted together:
 * one flow is made for all of them.
 */
import {eventOffsets as at} from '../../datapath/gen/types.ts'
import {fail} from '../../runtime/errors.ts'
import {MetricRegistry} from '../../runtime/metrics.ts'
import {accessEventType} from '../observe/access-record.ts'
import type {EventPump} from '../observe/event-pump.ts'
import type {FlowBuilder} from '../observe/flow-builder.ts'
import {HUBBLE_METRIC_INVALID} from './errors.ts'
import {type CountingKind, countingKind, metricNames} from './kinds.ts'
import {parseMetricSpec} from './spec.ts'

/** series of one metric; more are counted in its last one */
const maxSeries = 10_000
/** events looked at in one go: followers want their turn too */
const scanned = 16_384

export class FlowMeter {
  readonly registry = new MetricRegistry()
  readonly #pump: EventPump
  readonly #builder: FlowBuilder
  readonly #kinds: readonly CountingKind[]
  readonly #key: readonly Uint32Array[]
  readonly #type: (slot: number) => number
  readonly #groups = new Map<string, {sequence: number; count: number}>()
  #next: number
  #overtaken = 0

  /** @param specs as in `hubble.metrics.enabled` @throws HUBBLE_METRIC_INVALID */
  constructor(pump: EventPump, builder: FlowBuilder, specs: readonly string[]) {
    this.#pump = pump
    this.#builder = builder
    this.#type = builder.columns.type
    this.#kinds = specs.map((text) => {
      const spec = parseMetricSpec(text)
      return (
        countingKind(spec, this.registry, maxSeries) ??
        fail(HUBBLE_METRIC_INVALID, {spec: spec.name, detail: `there are ${metricNames.join(', ')}`})
      )
    })
    const {store} = pump
    const ends = this.#kinds.some(({needsEnds}) => needsEnds)
    const words = [
      at.sport,
      at.srcIdentity,
      at.dstIdentity,
      at.flags,
      at.version,
      at.verdict,
      at.direction,
      at.srcEndpoint,
      ...(ends ? [0, 4, 8, 12].flatMap((more) => [at.src + more, at.dst + more]) : []),
    ]
    this.#key = words.map((offset) => store.column(offset))
    this.#next = store.next
    const lost = this.registry.counter({
      name: 'hubble_lost_events_total',
      help: 'Number of lost events',
      labels: ['source'],
    })
    this.registry.onCollect(() => {
      this.count()
      lost.labels('perf_event_ring_buffer').set(pump.lost)
      lost.labels('observer_events_queue').set(0)
      lost.labels('hubble_ring_buffer').set(this.#overtaken)
    })
  }

  /** Counts what has come since the last time. */
  count(): void {
    const {store} = this.#pump
    if (this.#next < store.oldest) {
      this.#overtaken += store.oldest - this.#next
      this.#next = store.oldest
    }
    while (this.#next < store.next) {
      const stop = Math.min(store.next, this.#next + scanned)
      for (; this.#next < stop; this.#next++) this.#group(this.#next)
      this.#flush()
    }
  }

  #group(sequence: number): void {
    const slot = this.#pump.store.slot(sequence)
    // records of layer 7 are alike in nothing that the columns hold
    if (this.#type(slot) === accessEventType) {
      const flow = this.#builder.build(sequence)
      for (const kind of this.#kinds) kind.count(flow, 1)
      return
    }
    const key = this.#key
    const {length} = key
    let text = ''
    // the first word is both ports: that of the sender says nothing but who it was
    text += String.fromCharCode(key[0]![slot]! >>> 16)
    for (let i = 1; i < length; i++) {
      const word = key[i]![slot]!
      text += String.fromCharCode(word & 0xffff, word >>> 16)
    }
    const group = this.#groups.get(text)
    if (group === undefined) this.#groups.set(text, {sequence, count: 1})
    else group.count++
  }

  #flush(): void {
    for (const {sequence, count} of this.#groups.values()) {
      const flow = this.#builder.build(sequence)
      for (const kind of this.#kinds) kind.count(flow, count)
    }
    this.#groups.clear()
  }
}
