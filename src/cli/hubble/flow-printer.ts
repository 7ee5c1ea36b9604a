/** Answers of a server as lines: compact, dict, table or JSON. */

import {type Flow, Flow as FlowType, type LostEvent, LostEventSourceEnum, Verdict} from '../../api/gen/flow.ts'
import type {GetFlowsResponse} from '../../api/gen/observer.ts'
import {GetFlowsResponse as GetFlowsResponseType} from '../../api/gen/observer.ts'
import {NodeState} from '../../api/gen/relay.ts'
import {bytesOfAny} from '../../api/wire/any.ts'
import {enumName, messageToJson} from '../../api/wire/json.ts'
import {endText, explain, summaryText, typeText, verdictText} from '../../hubble/flow/flow-text.ts'
import {hexDump} from '../render/hex-dump.ts'
import type {Style} from '../render/style.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {formatTime, type TimeFormat} from './time.ts'

export type FlowFormat = 'compact' | 'dict' | 'json' | 'table'

export interface PrintOptions {
  readonly format: FlowFormat
  readonly style: Style
  readonly timeFormat: TimeFormat
  readonly nodeName: boolean
  readonly policyNames: boolean
  readonly translate: boolean
  readonly numeric: boolean
  readonly debug: boolean
  /** a flow alone on its line of JSON, as older programs print it */
  readonly legacyJson: boolean
  /** adds to drops why, and where to look further */
  readonly explain: boolean
  /** adds the first bytes of packets, where nodes take them */
  readonly payload?: boolean
}

export interface Printed {
  readonly out: string
  readonly err: string
}

const headers = ['TIMESTAMP', 'SOURCE', 'DESTINATION', 'TYPE', 'VERDICT', 'SUMMARY']

export class FlowPrinter {
  readonly #options: PrintOptions
  readonly #rows: string[][] = []
  #count = 0

  constructor(options: PrintOptions) {
    this.#options = options
  }

  /** What to print now. */
  print(response: GetFlowsResponse): Printed {
    const {format, legacyJson} = this.#options
    if (format === 'json') {
      const value =
        legacyJson && response.flow !== undefined
          ? messageToJson(FlowType, response.flow)
          : messageToJson(GetFlowsResponseType, response)
      return {out: `${jsonLine(value)}\n`, err: ''}
    }
    if (response.flow !== undefined) return {out: this.#flow(response.flow, response), err: ''}
    if (response.lost_events !== undefined) return {out: '', err: this.#lost(response.lost_events, response)}
    return {out: '', err: this.#nodeStatus(response)}
  }

  /** What is printed at the end: the table. */
  end(): string {
    if (this.#rows.length === 0) return ''
    return table([this.#headers(), ...this.#rows], {gap: 3})
  }

  #headers(): string[] {
    return this.#options.nodeName ? [headers[0]!, 'NODE', ...headers.slice(1)] : headers
  }

  #flow(flow: Flow, {node_name: node = ''}: GetFlowsResponse): string {
    const {format, style, timeFormat, nodeName, policyNames} = this.#options
    const time = formatTime(flow.time, timeFormat)
    const source = this.#end(flow, 'source')
    const destination = this.#end(flow, 'destination')
    const type = clean(typeText(flow))
    const verdict = this.#paint(flow, clean(verdictText(flow, {policies: policyNames})))
    const summary = clean(summaryText(flow))
    if (format === 'compact') {
      // the client stays on the left, whoever speaks
      const reply = flow.is_reply
      const arrow = reply === undefined ? '<>' : reply ? '<-' : '->'
      const [left, right] = reply === true ? [destination, source] : [source, destination]
      const where = nodeName ? ` [${clean(node)}]` : ''
      const why = this.#options.explain ? explain(flow) : undefined
      const line = `${time}${where}: ${left} ${arrow} ${right} ${type} ${verdict} (${summary})\n`
      return `${line}${why === undefined ? '' : `  ${style.faint(clean(why))}\n`}${this.#payload(flow)}`
    }
    const cells = [time, ...(nodeName ? [clean(node)] : []), source, destination, type, verdict, summary]
    if (format === 'table') {
      this.#rows.push(cells)
      return ''
    }
    const names = this.#headers()
    const width = Math.max(...names.map((name) => name.length))
    const rule = this.#count++ === 0 ? '' : '------------\n'
    const lines = names.map((name, index) => `${name.padStart(width)}: ${cells[index]}\n`).join('')
    return `${rule}${lines}${this.#payload(flow)}`
  }

  #payload({extensions}: Flow): string {
    const bytes = this.#options.payload !== true || extensions === undefined ? undefined : bytesOfAny(extensions)
    return bytes === undefined || bytes.length === 0 ? '' : `${hexDump(bytes, '  ')}\n`
  }

  #end(flow: Flow, end: 'source' | 'destination'): string {
    const {style, translate, numeric} = this.#options
    const {host, port, identity} = endText(flow, end, {translate, numeric})
    const address = port === '' ? style.note(clean(host)) : `${style.note(clean(host))}:${style.warn(port)}`
    return identity === '' ? address : `${address} ${style.strong(identity)}`
  }

  #paint({verdict}: Flow, text: string): string {
    const {style} = this.#options
    switch (verdict) {
      case Verdict.FORWARDED:
      case Verdict.REDIRECTED:
        return style.good(text)
      case Verdict.DROPPED:
      case Verdict.ERROR:
        return style.bad(text)
      case Verdict.AUDIT:
      case Verdict.TRACED:
      case Verdict.TRANSLATED:
        return style.warn(text)
      default:
        return text
    }
  }

  #lost(
    {source = 0, num_events_lost: count = 0n, cpu, first, last}: LostEvent,
    {time, node_name: node = ''}: GetFlowsResponse,
  ): string {
    const {timeFormat, nodeName} = this.#options
    const where = nodeName && node !== '' ? ` [${clean(node)}]` : ''
    const span =
      first === undefined || last === undefined
        ? ''
        : ` (first: ${formatTime(first, timeFormat)}, last: ${formatTime(last, timeFormat)})`
    const name = enumName(LostEventSourceEnum, source) ?? source
    return `${formatTime(time, timeFormat)}${where}: EVENTS LOST: ${name} CPU(${cpu ?? 0}) ${count}${span}\n`
  }

  #nodeStatus({node_status: status, time, node_name: node = ''}: GetFlowsResponse): string {
    if (status === undefined) return ''
    const {debug, timeFormat} = this.#options
    const names = (status.node_names ?? []).map(clean)
    const nodes = names.join(', ')
    const many = `${names.length} node${names.length === 1 ? '' : 's'}`
    const head = `${formatTime(time, timeFormat)}${node === '' ? '' : ` [${clean(node)}]`}: `
    switch (status.state_change) {
      case NodeState.NODE_CONNECTED:
        return debug ? `${head}Receiving flows from ${many}: ${nodes}\n` : ''
      case NodeState.NODE_UNAVAILABLE:
        return `${head}${many} ${names.length === 1 ? 'is' : 'are'} unavailable: ${nodes}\n`
      case NodeState.NODE_GONE:
        return debug ? `${head}${many} removed from cluster: ${nodes}\n` : ''
      case NodeState.NODE_ERROR:
        return `${head}Error "${clean(status.message ?? '')}" on ${many}: ${nodes}\n`
      default:
        return `${head}unknown node status: ${nodes}\n`
    }
  }
}

/** One line of JSON that no terminal stumbles over. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
