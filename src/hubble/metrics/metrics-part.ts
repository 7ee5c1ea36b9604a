/** Metrics of flows as a part of the thread: what counts, what is counted as a file says, and who answers. */
import type {NameTable} from '../flow/name-table.ts'
import type {EventPump} from '../observe/event-pump.ts'
import type {FlowBuilder} from '../observe/flow-builder.ts'
import {DynamicMetrics} from './dynamic-metrics.ts'
import {FlowMeter} from './flow-meter.ts'
import {type MetricsServer, type MetricsServerOptions, serveMetrics} from './metrics-server.ts'

export interface MetricsPartOptions extends MetricsServerOptions {
  /** as in `hubble.metrics.enabled` */
  readonly specs: readonly string[]
  /** file with more of them; empty: none */
  readonly path?: string
  readonly pump: EventPump
  readonly builder: FlowBuilder
  readonly names: NameTable
  /** told of what goes wrong and ends nothing */
  readonly trouble: (message: string) => void
}

/** many at once are cheaper than each; when the store is too small for it, it is done earlier */
const countEveryMs = 200

export class MetricsPart {
  readonly #options: MetricsPartOptions
  readonly #meter: FlowMeter
  readonly #dynamic: DynamicMetrics | undefined
  #server: MetricsServer | undefined
  #timer: NodeJS.Timeout | undefined

  /** @throws HUBBLE_METRIC_INVALID */
  constructor(options: MetricsPartOptions) {
    const {specs, path = '', pump, builder, names, trouble} = options
    this.#options = options
    const meter = new FlowMeter(pump, builder, specs)
    this.#meter = meter
    names.onPodGone = (namespace, pod) => meter.forgetPod(namespace, pod)
    if (path !== '') this.#dynamic = new DynamicMetrics({path, apply: (plans) => meter.set(plans), trouble})
  }

  get registry(): FlowMeter['registry'] {
    return this.#meter.registry
  }

  /** @throws HUBBLE_LISTEN_FAILED */
  async start(): Promise<void> {
    const {names} = this.#options
    this.#dynamic?.start()
    this.#server = await serveMetrics(this.#meter.registry, this.#options)
    this.#timer = setInterval(() => {
      this.#meter.count()
      this.#meter.forget((namespace, pod) => names.hasPod(namespace, pod))
    }, countEveryMs)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#dynamic?.stop()
    this.#server?.close()
  }
}
