/** Writes flows as lines of JSON, as they come: those that are wanted, with the fields that are wanted. */
import type {FlowFilter} from '../../api/gen/flow.ts'
import {GetFlowsResponse} from '../../api/gen/observer.ts'
import {messageToJson} from '../../api/wire/json.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {compileMask} from '../flow/field-mask.ts'
import {FlowQuery, type FlowQueryOptions} from '../observe/flow-query.ts'

export interface FlowExporterOptions extends FlowQueryOptions {
  readonly allow: readonly FlowFilter[]
  readonly deny: readonly FlowFilter[]
  readonly fieldMask: readonly string[]
  /** takes whole lines */
  readonly write: (lines: string) => void
  /** told of what cannot be written */
  readonly failed: (error: CiliumError) => void
}

export class FlowExporter {
  readonly #options: FlowExporterOptions
  readonly #query: FlowQuery
  readonly #mask: ReturnType<typeof compileMask>
  readonly #end = new AbortController()
  /** lines written */
  written = 0
  /** lines that could not be written */
  failed = 0

  /** @throws FLOW_FILTER_INVALID */
  constructor(options: FlowExporterOptions) {
    this.#options = options
    this.#query = new FlowQuery(options, {
      follow: true,
      whitelist: [...options.allow],
      blacklist: [...options.deny],
    })
    this.#mask = compileMask(options.fieldMask)
  }

  start(): void {
    void this.#run()
  }

  stop(): void {
    this.#end.abort()
  }

  async #run(): Promise<void> {
    for await (const batch of this.#query.batches(this.#end.signal)) {
      let lines = ''
      for (const response of batch) {
        const {flow} = response
        const shown = flow === undefined || this.#mask === undefined ? response : {...response, flow: this.#mask(flow)}
        lines += `${JSON.stringify(messageToJson(GetFlowsResponse, shown))}\n`
      }
      try {
        this.#options.write(lines)
        this.written += batch.length
      } catch (thrown) {
        this.failed += batch.length
        this.#options.failed(CiliumError.from(thrown))
      }
    }
  }
}
