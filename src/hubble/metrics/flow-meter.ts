/**
 * Counts every event, some times a second or before the store forgets it. Events that are alike in all that metrics
 * look at are counted together: one flow is made for all of them.
 */
import type {Flow} from '../../api/gen/flow.ts'
import {eventOffsets as at, eventCodec} from '../../datapath/gen/types.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {MetricRegistry} from '../../runtime/metrics.ts'
import {compileFilters} from '../filter/flow-filter.ts'
import {accessEventType} from '../observe/access-record.ts'
import type {EventPump} from '../observe/event-pump.ts'
import type {FlowBuilder} from '../observe/flow-builder.ts'
import type {MetricPlan} from './dynamic-metrics.ts'
import {HUBBLE_METRIC_INVALID} from './errors.ts'
import {EventGroups} from './event-groups.ts'
import {type CountingKind, countingKind, metricNames} from './kinds.ts'
import {type MetricSpec, parseMetricSpec} from './spec.ts'

/** series of one metric; more are counted in its last one */
const maxSeries = 10_000
/** events looked at in one go: followers want their turn too */
const scanned = 16_384
/** what was counted of a pod is told so long after it is gone */
const forgetAfterMs = 60_000

interface Dynamic extends CountingKind {
  readonly content: string
  readonly matches: (flow: Flow) => boolean
}

/** Words of an event that may differ between flows which no filter tells apart. */
const ownWords: readonly number[] = [0, 4, at.length, at.ttl & ~3, at.socket, at.socket + 4]

export class FlowMeter {
  readonly registry = new MetricRegistry()
  readonly #pump: EventPump
  readonly #builder: FlowBuilder
  readonly #fixed: readonly CountingKind[]
  readonly #dynamic = new Map<string, Dynamic>()
  readonly #type: (slot: number) => number
  readonly #groups = new EventGroups(scanned)
  #gone: {readonly at: number; readonly namespace: string; readonly pod: string}[] = []
  #next: number

  /** @param specs as in `hubble.metrics.enabled` @throws HUBBLE_METRIC_INVALID */
  constructor(pump: EventPump, builder: FlowBuilder, specs: readonly string[]) {
    this.#pump = pump
    this.#builder = builder
    this.#type = builder.columns.type
    this.#fixed = specs.map((text) => this.#kind(parseMetricSpec(text)))
    this.#next = pump.store.next
    pump.keepUp(() => {
      if (pump.store.next - this.#next >= pump.halfStore) this.count()
    })
    this.#chooseKey()
    const lost = this.registry.counter({
      name: 'hubble_lost_events_total',
      help: 'Number of lost events',
      labels: ['source'],
    })
    this.registry.onCollect(() => {
      this.count()
      lost.labels('perf_event_ring_buffer').set(pump.lost)
      lost.labels('observer_events_queue').set(0)
      lost.labels('hubble_ring_buffer').set(pump.overtaken)
    })
  }

  /**
   * Counts these besides, in place of those that were set before; one that did not change goes on with its counts.
   *
   * @throws the first of HUBBLE_METRIC_INVALID and FLOW_FILTER_INVALID, after all others are set
   */
  set(plans: readonly MetricPlan[]): void {
    this.count()
    const wanted = new Map(plans.map((plan) => [plan.spec.name, plan]))
    for (const [name, {content, end}] of this.#dynamic) {
      const plan = wanted.get(name)
      if (plan !== undefined && contentOf(plan) === content) continue
      end()
      this.#dynamic.delete(name)
    }
    const failures: CiliumError[] = []
    for (const [name, plan] of wanted) {
      if (this.#dynamic.has(name)) continue
      try {
        const matches = compileFilters(plan.allow, plan.deny)
        this.#dynamic.set(name, {...this.#kind(plan.spec), matches, content: contentOf(plan)})
      } catch (thrown) {
        failures.push(CiliumError.from(thrown))
      }
    }
    this.#chooseKey()
    if (failures[0] !== undefined) throw failures[0]
  }

  /** Series about it go in a minute, see `forget`. */
  forgetPod(namespace: string, pod: string, now: number = Date.now()): void {
    this.#gone.push({at: now + forgetAfterMs, namespace, pod})
  }

  /** Forgets pods that have been gone for long enough. @param isBack a pod of this name is there again */
  forget(isBack: (namespace: string, pod: string) => boolean, now: number = Date.now()): void {
    while (this.#gone[0] !== undefined && this.#gone[0].at <= now) {
      const {namespace, pod} = this.#gone.shift()!
      if (isBack(namespace, pod)) continue
      for (const kind of [...this.#fixed, ...this.#dynamic.values()]) kind.forgetPod(namespace, pod)
    }
  }

  /** Counts what has come since the last time. */
  count(): void {
    const {store} = this.#pump
    while (this.#next < store.next) {
      const stop = Math.min(store.next, this.#next + scanned)
      for (; this.#next < stop; this.#next++) this.#group(this.#next)
      this.#flush()
    }
  }

  #kind(spec: MetricSpec): CountingKind {
    return (
      countingKind(spec, this.registry, maxSeries) ??
      fail(HUBBLE_METRIC_INVALID, {spec: spec.name, detail: `there are ${metricNames.join(', ')}`})
    )
  }

  #chooseKey(): void {
    const kinds = [...this.#fixed, ...this.#dynamic.values()]
    const ends = kinds.some(({needsEnds}) => needsEnds)
    // a filter may ask for anything that an event says
    const filtered = this.#dynamic.size > 0
    const all = Array.from({length: eventCodec.size >> 2}, (_, word) => word << 2)
    const words = filtered
      ? [at.sport, ...all.filter((offset) => offset !== at.sport && !ownWords.includes(offset))]
      : [
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
    // the first word is both ports: that of the sender says nothing but who it was
    const columns = words.map((offset) => this.#pump.store.column(offset))
    this.#groups.compare(columns, filtered ? 0xffff_ffff : 0xffff_0000)
  }

  #group(sequence: number): void {
    const slot = this.#pump.store.slot(sequence)
    // records of layer 7 are alike in nothing that the columns hold
    if (this.#type(slot) === accessEventType) {
      this.#add(this.#builder.build(sequence), 1)
      return
    }
    this.#groups.add(slot, sequence)
  }

  #flush(): void {
    this.#groups.each((sequence, count) => this.#add(this.#builder.build(sequence), count))
    this.#groups.clear()
  }

  #add(flow: Flow, count: number): void {
    for (const kind of this.#fixed) kind.count(flow, count)
    for (const kind of this.#dynamic.values()) if (kind.matches(flow)) kind.count(flow, count)
  }
}

function contentOf({spec, allow, deny}: MetricPlan): string {
  const plain = [[...spec.options], allow, deny]
  return JSON.stringify(plain, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}
