/** Hands flows on as they come: those that are wanted, with the fields that are wanted, alike ones together on wish. */
import type {FlowFilter} from '../../api/gen/flow.ts'
import type {GetFlowsResponse} from '../../api/gen/observer.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {compileMask} from '../flow/field-mask.ts'
import {FlowQuery, type FlowQueryOptions} from '../observe/flow-query.ts'
import {FlowAggregator} from './flow-aggregator.ts'
import type {FlowSink} from './flow-sink.ts'

/** What is exported, and how. Plain values. */
export interface ExportWishes {
  readonly allow: readonly FlowFilter[]
  readonly deny: readonly FlowFilter[]
  /** empty: all */
  readonly fieldMask: readonly string[]
  /** flows that are alike in these are told as one; empty: each is told */
  readonly aggregate: readonly string[]
  readonly aggregationMs: number
}

export interface FlowExporterOptions extends FlowQueryOptions, ExportWishes {
  readonly sink: FlowSink
  /** told of what cannot be written */
  readonly failed: (error: CiliumError) => void
}

/** where nothing else is said */
const usualAggregationMs = 10_000

export class FlowExporter {
  readonly #options: FlowExporterOptions
  readonly #query: FlowQuery
  readonly #mask: ReturnType<typeof compileMask>
  readonly #aggregator: FlowAggregator | undefined
  readonly #end = new AbortController()
  #timer: NodeJS.Timeout | undefined
  /** flows written */
  written = 0
  /** flows that could not be written */
  failed = 0

  /** @throws FLOW_FILTER_INVALID */
  constructor(options: FlowExporterOptions) {
    this.#options = options
    this.#query = new FlowQuery(options, {
      follow: true,
      whitelist: [...options.allow],
      blacklist: [...options.deny],
    })
    this.#mask = compileMask(options.fieldMask.length === 0 ? [] : [...options.fieldMask, 'aggregate'])
    this.#aggregator = options.aggregate.length === 0 ? undefined : new FlowAggregator(options.aggregate)
  }

  start(): void {
    const aggregator = this.#aggregator
    if (aggregator !== undefined)
      this.#timer = setInterval(() => this.#write(aggregator.take()), this.#options.aggregationMs || usualAggregationMs)
    void this.#run()
  }

  /** Writes what waits, then ends. */
  async stop(): Promise<void> {
    this.#end.abort()
    clearInterval(this.#timer)
    if (this.#aggregator !== undefined) this.#write(this.#aggregator.take())
    await this.#options.sink.close()
  }

  async #run(): Promise<void> {
    for await (const batch of this.#query.batches(this.#end.signal))
      this.#write(this.#aggregator === undefined ? batch : this.#aggregator.add(batch))
  }

  #write(batch: readonly GetFlowsResponse[]): void {
    if (batch.length === 0) return
    const mask = this.#mask
    const shown =
      mask === undefined
        ? batch
        : batch.map((response) => (response.flow === undefined ? response : {...response, flow: mask(response.flow)}))
    try {
      this.#options.sink.write(shown)
      this.written += batch.length
    } catch (thrown) {
      this.failed += batch.length
      this.#options.failed(CiliumError.from(thrown))
    }
  }
}
