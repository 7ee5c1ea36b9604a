/**
 * Sends flows to an OpenTelemetry collector by OTLP over gRPC, as log records, as spans or as both. Flows wait in a
 * bounded queue while the collector is away: what finds no room is counted, and nobody waits.
 */
import {readFileSync} from 'node:fs'
import {Client, credentials, Metadata, type ServiceError} from '@grpc/grpc-js'
import type {Flow} from '../../api/gen/flow.ts'
import type {GetFlowsResponse} from '../../api/gen/observer.ts'
import {type ExportServiceResponse, LogsService, type Resource, TraceService} from '../../api/gen/otlp.ts'
import type {OtlpTarget} from './export-config.ts'
import type {FlowSink} from './flow-sink.ts'
import {logRecord, resourceOf, spanOf} from './otlp-records.ts'

export interface OtlpSinkOptions extends OtlpTarget {
  readonly nodeName: string
  readonly clusterName: string
  readonly version: string
  /** told of what the collector does not take */
  readonly failed: (message: string) => void
}

const paths = {
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
} as const

const queueMax = 16_384
const batchMax = 512
const timeoutMs = 10_000
const pauseFirstMs = 500
const pauseMaxMs = 30_000
/** what a collector that is not asked too much may say of a moment's trouble (the OTLP specification) */
const worthTryingAgain = new Set([1, 4, 8, 10, 11, 14, 15])

export class OtlpSink implements FlowSink {
  readonly #options: OtlpSinkOptions
  readonly #client: Client
  readonly #metadata = new Metadata()
  readonly #resource: Resource
  readonly #queue: Flow[] = []
  #sending: Promise<void> | undefined
  #closed = false
  #wake: () => void = () => {}
  /** flows that the collector has taken */
  sent = 0
  /** flows that found no room in the queue, or that the collector refused */
  lost = 0

  constructor(options: OtlpSinkOptions) {
    const {endpoint, tls, headers, nodeName, clusterName, version} = options
    this.#options = options
    this.#client = new Client(
      endpoint,
      tls === undefined
        ? credentials.createInsecure()
        : credentials.createSsl(
            tls.authority === '' ? null : readFileSync(tls.authority),
            tls.key === '' ? null : readFileSync(tls.key),
            tls.certificate === '' ? null : readFileSync(tls.certificate),
          ),
    )
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value)
    this.#resource = resourceOf(nodeName, clusterName, version)
  }

  write(responses: readonly GetFlowsResponse[]): void {
    for (const {flow} of responses) {
      if (flow === undefined) continue
      if (this.#queue.length < queueMax) this.#queue.push(flow)
      else this.lost++
    }
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined))
  }

  /** Sends what waits, if the collector takes it at once. */
  async close(): Promise<void> {
    this.#closed = true
    this.#wake()
    await this.#sending
    this.#client.close()
  }

  async #send(): Promise<void> {
    let pauseMs = pauseFirstMs
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, batchMax)
      try {
        const refused = await this.#export(batch)
        this.#queue.splice(0, batch.length)
        this.sent += batch.length - refused
        this.lost += refused
        pauseMs = pauseFirstMs
      } catch (thrown) {
        const {code, details} = thrown as ServiceError
        this.#options.failed(`${this.#options.endpoint} does not take flows: ${details}`)
        if (!worthTryingAgain.has(code)) {
          this.#queue.splice(0, batch.length)
          this.lost += batch.length
        } else if (this.#closed) {
          this.lost += this.#queue.length
          this.#queue.length = 0
        } else {
          await this.#pause(pauseMs)
          pauseMs = Math.min(2 * pauseMs, pauseMaxMs)
        }
      }
    }
  }

  /** @returns how many the collector refused */
  async #export(flows: readonly Flow[]): Promise<number> {
    const {signals, version} = this.#options
    const scope = {name: 'hubble', version}
    const resource = this.#resource
    let refused = 0
    if (signals.includes('logs')) {
      const now = BigInt(Date.now()) * 1_000_000n
      const log_records = flows.map((flow) => logRecord(flow, now))
      const request = {resource_logs: [{resource, scope_logs: [{scope, log_records}]}]}
      refused = rejected(await this.#ask(paths.logs, LogsService.Export.requestSerialize(request)))
    }
    if (signals.includes('traces')) {
      const spans = flows.map(spanOf)
      const request = {resource_spans: [{resource, scope_spans: [{scope, spans}]}]}
      refused = Math.max(
        refused,
        rejected(await this.#ask(paths.traces, TraceService.Export.requestSerialize(request))),
      )
    }
    return refused
  }

  #ask(path: string, bytes: Buffer): Promise<ExportServiceResponse> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        (body: Buffer) => body,
        LogsService.Export.responseDeserialize,
        bytes,
        this.#metadata,
        {deadline: Date.now() + timeoutMs},
        (error, answer) => (error === null ? resolve(answer ?? {}) : reject(error)),
      )
    })
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

function rejected({partial_success: part}: ExportServiceResponse): number {
  return Number(part?.rejected ?? 0n)
}
