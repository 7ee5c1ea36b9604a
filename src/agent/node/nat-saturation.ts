/**
 * How much of the source ports the fullest pair of masquerade address and destination has taken: what runs out first when
 * many pods ask the same server. Counted shard by shard, so that nothing waits for it.
 */
import {flowFlags} from '../../datapath/gen/enums.ts'
import type {Flow, FlowKey} from '../../datapath/gen/types.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {every} from '../../runtime/clock.ts'
import type {Gauge, MetricRegistry} from '../../runtime/metrics.ts'

/** The flows of one shard after the other. */
export type FlowShards = () => Iterable<Iterable<readonly [FlowKey, Flow]>>

const families = ['ipv4', 'ipv6'] as const
type Family = (typeof families)[number]

const protocols = new Set([6, 17])
const translatedAnswer = flowFlags.FLOW_REVERSE | flowFlags.FLOW_SNAT

export class NatSaturation {
  private readonly options: {
    readonly clock: Clock
    readonly intervalMs: number
    /** how many source ports there are */
    readonly ports: number
    /** undefined: there are no flows yet */
    readonly shards: () => ReturnType<FlowShards> | undefined
  }
  private readonly gauge: Gauge
  private timer: Timer | undefined

  constructor(registry: MetricRegistry, options: NatSaturation['options']) {
    this.options = options
    this.gauge = registry.gauge({
      name: 'cilium_nat_endpoint_max_connection',
      help: 'per cent of the source ports that the fullest pair of masquerade address and destination has taken',
      labels: ['family'],
    })
  }

  start(): void {
    const {clock, intervalMs} = this.options
    if (intervalMs > 0) this.timer = every(clock, intervalMs, () => this.look())
  }

  stop(): void {
    this.timer?.cancel()
  }

  /** Counts once. Packets and policy go on between two shards. */
  async look(): Promise<void> {
    const shards = this.options.shards()
    if (shards === undefined) return
    const counts = new Map<string, number>()
    const most: Record<Family, number> = {ipv4: 0, ipv6: 0}
    for (const shard of shards) {
      for (const [key, flow] of shard) {
        // an answer's key names the address that its flow leaves with, and whom it speaks to
        if ((flow.flags & translatedAnswer) !== translatedAnswer || !protocols.has(key.proto)) continue
        const pair = `${Buffer.from(key.src).toString('latin1')}${Buffer.from(key.dst).toString('latin1')}${key.sport} ${key.proto}`
        const count = (counts.get(pair) ?? 0) + 1
        counts.set(pair, count)
        const family = familyOf(key.dst)
        if (count > most[family]) most[family] = count
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const family of families) this.gauge.labels(family).set((100 * most[family]) / this.options.ports)
  }
}

/** Of an address in the form of the maps. */
function familyOf(address: Uint8Array): Family {
  const mapped = address[10] === 0xff && address[11] === 0xff && address.subarray(0, 10).every((byte) => byte === 0)
  return mapped ? 'ipv4' : 'ipv6'
}
