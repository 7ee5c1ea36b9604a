/** From the flags of `hubble observe` to its lines. */

import {FlowFilter} from '../../api/gen/flow.ts'
import type {GetFlowsRequest} from '../../api/gen/observer.ts'
import {messageToJson} from '../../api/wire/json.ts'
import {fail} from '../../runtime/errors.ts'
import {plain, type Style, styleFor} from '../render/style.ts'
import {cleanLines} from '../render/text.ts'
import {HUBBLE_FLAGS_CONFLICT} from './errors.ts'
import type {FlowFormat} from './flow-printer.ts'
import {defaultMask, observeFile, observeServer} from './observe.ts'
import {maskOf, selection, typedFilters} from './observe-flags.ts'
import type {ServerOptions} from './server-options.ts'
import type {TimeFormat} from './time.ts'

export interface ObserveRun {
  readonly flags: Readonly<Record<string, unknown>>
  readonly raw: readonly {type: string; flag?: string; input: unknown}[]
  readonly signal: AbortSignal
  readonly write: (text: string) => Promise<void>
  readonly writeRaw: (text: string) => void
  readonly withServer: (use: (server: ServerOptions) => Promise<void>) => Promise<void>
}

const formats: Readonly<Record<string, FlowFormat>> = {jsonpb: 'json', tab: 'table'}

export async function observeFlows({flags, raw, signal, write, withServer}: ObserveRun): Promise<void> {
  const output = flags['output'] as string
  const format = formats[output] ?? (output as FlowFormat)
  const {whitelist, blacklist} = typedFilters(raw)
  if (flags['print-raw-filters'] === true) {
    const {stringify} = await import('yaml')
    const lines = (filters: readonly FlowFilter[]) =>
      filters.map((filter) => JSON.stringify(messageToJson(FlowFilter, filter)))
    return write(
      stringify({
        ...(whitelist.length === 0 ? {} : {allowlist: lines(whitelist)}),
        ...(blacklist.length === 0 ? {} : {denylist: lines(blacklist)}),
      }),
    )
  }
  const request: GetFlowsRequest = {...selection(flags), whitelist: [...whitelist], blacklist: [...blacklist]}
  if (format === 'table' && request.follow === true) fail(HUBBLE_FLAGS_CONFLICT, {flags: '--output table and --follow'})
  const mask = maskOf(flags['field-mask'] as string | undefined, format === 'json')
  const policies = flags['print-policy-names'] === true
  const payload = flags['print-payload'] === true
  if (payload && format === 'table') fail(HUBBLE_FLAGS_CONFLICT, {flags: '--print-payload and --output table'})
  if (mask !== undefined) request.field_mask = mask
  else if (format !== 'json' && flags['use-default-field-masks'] !== 'false') {
    request.field_mask = [
      ...defaultMask,
      ...(payload ? ['extensions'] : []),
      ...(policies ? ['egress_allowed_by', 'ingress_allowed_by', 'egress_denied_by', 'ingress_denied_by'] : []),
    ]
  }
  const silent = flags['silent-errors'] === true
  const options = {
    request,
    signal,
    write,
    writeError: (text: string) => void (silent || process.stderr.write(cleanLines(text))),
    print: {
      format,
      style: styleOf(flags['color'] as string, format),
      timeFormat: flags['time-format'] as TimeFormat,
      nodeName: flags['print-node-name'] === true,
      policyNames: policies,
      translate: flags['ip-translation'] !== false,
      numeric: flags['numeric'] === true,
      debug: flags['debug'] === true,
      legacyJson: (process.env['HUBBLE_COMPAT'] ?? '').split(',').includes('legacy-json-output'),
      explain: flags['explain'] === true,
      payload,
    },
  }
  const file = flags['input-file'] as string | undefined
  if (file !== undefined) {
    const number =
      flags['last'] === undefined && flags['first'] === undefined && flags['all'] !== true ? 0n : (request.number ?? 0n)
    await observeFile(file, {...options, request: {...request, number}})
  } else await withServer((server) => observeServer(server, options))
}

function styleOf(colour: string, format: FlowFormat): Style {
  if (colour === 'never' || format === 'json' || format === 'table') return plain
  return colour === 'always' ? styleFor({isTTY: true}, {}) : styleFor(process.stdout)
}
