/** `hubble observe`: from a server, a file or stdin. */
import {createReadStream} from 'node:fs'
import {createInterface} from 'node:readline'
import {Flow} from '../../api/gen/flow.ts'
import {type GetFlowsRequest, GetFlowsResponse, ObserverService} from '../../api/gen/observer.ts'
import {messageFromJson} from '../../api/wire/json.ts'
import {compileFilters} from '../../hubble/filter/flow-filter.ts'
import {fail} from '../../runtime/errors.ts'
import {HubbleClient} from './client.ts'
import {HUBBLE_INPUT_INVALID} from './errors.ts'
import {FlowPrinter, type PrintOptions} from './flow-printer.ts'
import type {ServerOptions} from './server-options.ts'

/** Asked for when nothing is printed but lines of text: what they consist of. */
export const defaultMask: readonly string[] = [
  'time',
  'verdict',
  'ethernet',
  'IP',
  'l4',
  'source.identity',
  'source.namespace',
  'source.pod_name',
  'destination.identity',
  'destination.namespace',
  'destination.pod_name',
  'Type',
  'node_name',
  'l7',
  'event_type',
  'source_service',
  'destination_service',
  'is_reply',
  'Summary',
  'ip_trace_id',
  'drop_reason_desc',
  'policy_match_type',
  'traffic_direction',
  'trace_observation_point',
  'sock_xlate_point',
  'auth_type',
  'source_names',
  'destination_names',
]

export interface ObserveOptions {
  readonly request: GetFlowsRequest
  readonly print: PrintOptions
  readonly signal: AbortSignal
  readonly write: (text: string) => Promise<void>
  readonly writeError: (text: string) => void
}

/** @throws HUBBLE_UNREACHABLE, HUBBLE_REFUSED, HUBBLE_TLS_MISMATCH */
export async function observeServer(server: ServerOptions, options: ObserveOptions): Promise<void> {
  const {request, signal} = options
  const client = await HubbleClient.connect(server, signal)
  try {
    await printAll(client.stream(ObserverService.GetFlows, request, signal), options)
  } finally {
    client.close()
  }
}

/** Applies the filters here. @param file `-`: stdin @throws HUBBLE_INPUT_INVALID */
export async function observeFile(file: string, options: ObserveOptions): Promise<void> {
  await printAll(chosen(fileResponses(file), options.request), options)
}

/** @param file `-`: stdin @throws HUBBLE_INPUT_INVALID */
export async function* fileResponses(file: string): AsyncGenerator<GetFlowsResponse> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  let line = 0
  for await (const text of createInterface({input, crlfDelay: Number.POSITIVE_INFINITY})) {
    line++
    if (text.trim() === '') continue
    try {
      const value = JSON.parse(text) as Record<string, unknown>
      // older programs print flows alone
      const bare = 'verdict' in value || 'IP' in value
      if (bare) {
        const flow = messageFromJson(Flow, value, {ignoreUnknown: true})
        yield {flow, time: flow.time, node_name: flow.node_name}
      } else yield messageFromJson(GetFlowsResponse, value, {ignoreUnknown: true})
    } catch (thrown) {
      fail(
        HUBBLE_INPUT_INVALID,
        {file: file === '-' ? 'stdin' : file, line, detail: (thrown as Error).message},
        {cause: thrown},
      )
    }
  }
}

async function* chosen(
  responses: AsyncIterable<GetFlowsResponse>,
  request: GetFlowsRequest,
): AsyncGenerator<GetFlowsResponse> {
  const matches = compileFilters(request.whitelist ?? [], request.blacklist ?? [])
  const {since, until, first = false} = request
  const number =
    request.number === undefined || request.number === 0n ? Number.POSITIVE_INFINITY : Number(request.number)
  const last: GetFlowsResponse[] = []
  let count = 0
  for await (const response of responses) {
    const {flow} = response
    if (flow === undefined) {
      yield response
      continue
    }
    if (!matches(flow)) continue
    if (since !== undefined && (flow.time ?? 0n) < since) continue
    if (until !== undefined && (flow.time ?? 0n) > until) continue
    if (number === Number.POSITIVE_INFINITY || first) {
      yield response
      if (++count >= number) return
    } else {
      last.push(response)
      if (last.length > number) last.shift()
    }
  }
  yield* last
}

async function printAll(
  responses: AsyncIterable<GetFlowsResponse>,
  {print, write, writeError, signal}: ObserveOptions,
): Promise<void> {
  const printer = new FlowPrinter(print)
  for await (const response of responses) {
    if (signal.aborted) break
    const {out, err} = printer.print(response)
    if (err !== '') writeError(err)
    if (out !== '') await write(out)
  }
  const rest = printer.end()
  if (rest !== '') await write(rest)
}
