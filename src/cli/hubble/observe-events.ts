/** `hubble observe agent-events` and `debug-events`: two kinds of events, asked for and written in the same way. */
import {
  type AgentEvent,
  AgentEvent as AgentEventType,
  AgentEventTypeEnum,
  type DebugEvent,
  DebugEventTypeEnum,
} from '../../api/gen/flow.ts'
import {
  type GetAgentEventsRequest,
  GetAgentEventsResponse,
  GetDebugEventsResponse,
  ObserverService,
} from '../../api/gen/observer.ts'
import {enumName, messageToJson} from '../../api/wire/json.ts'
import type {MessageType} from '../../api/wire/message.ts'
import {clean} from '../render/text.ts'
import {HubbleClient, type Method} from './client.ts'
import {jsonLine} from './flow-printer.ts'
import {selection} from './observe-flags.ts'
import type {ServerOptions} from './server-options.ts'
import {formatTime, type TimeFormat} from './time.ts'

/** One kind of events: how to ask for them, and how one reads as text. */
interface Events<R> {
  readonly method: Method<GetAgentEventsRequest, R>
  readonly response: MessageType<R>
  readonly text: (response: R) => string
}

const agentEvents: Events<GetAgentEventsResponse> = {
  method: ObserverService.GetAgentEvents,
  response: GetAgentEventsResponse,
  text: ({agent_event: event = {}}) => agentText(event),
}

/** For servers whose programs write such messages; ours do not. */
const debugEvents: Events<GetDebugEventsResponse> = {
  method: ObserverService.GetDebugEvents,
  response: GetDebugEventsResponse,
  text: ({debug_event: event = {}}) => debugText(event),
}

interface Output {
  readonly signal: AbortSignal
  readonly write: (text: string) => Promise<void>
}
type Flags = Readonly<Record<string, unknown>>

/** @throws HUBBLE_* */
export function observeAgentEvents(server: ServerOptions, flags: Flags, output: Output): Promise<void> {
  return observe(agentEvents, server, flags, output)
}

/** @throws HUBBLE_* */
export function observeDebugEvents(server: ServerOptions, flags: Flags, output: Output): Promise<void> {
  return observe(debugEvents, server, flags, output)
}

async function observe<R extends {node_name?: string | undefined; time?: bigint | undefined}>(
  {method, response: type, text}: Events<R>,
  server: ServerOptions,
  flags: Flags,
  {signal, write}: Output,
): Promise<void> {
  const json = String(flags['output']).startsWith('json')
  const {number, first, follow, since, until} = selection(flags)
  const client = await HubbleClient.connect(server, signal)
  try {
    for await (const response of client.stream(method, {number, first, follow, since, until}, signal)) {
      if (json) {
        await write(`${jsonLine(messageToJson(type, response))}\n`)
        continue
      }
      const where = flags['print-node-name'] === true ? ` [${clean(response.node_name ?? '')}]` : ''
      const when = formatTime(response.time, flags['time-format'] as TimeFormat)
      await write(`${when}${where}: ${text(response)}\n`)
    }
  } finally {
    client.close()
  }
}

function agentText(event: AgentEvent): string {
  const {type: _, ...arms} = messageToJson(AgentEventType, event)
  const details = Object.entries(Object.values(arms)[0] ?? {}).map(([key, value]) => `${key}: ${clean(String(value))}`)
  return `${enumName(AgentEventTypeEnum, event.type ?? 0) ?? event.type} (${details.join(', ')})`
}

/** `default/web (ID: 7) DBG_CT_LOOKUP MARK: 0xabc CPU: 03 (what was looked up)` */
export function debugText({type = 0, source, hash, cpu, message = ''}: DebugEvent): string {
  const {namespace = '', pod_name: pod = '', ID: id = 0} = source ?? {}
  const who = pod === '' ? '' : `${clean(namespace)}/${clean(pod)} `
  const mark = hash === undefined ? '<nil>' : `0x${hash.toString(16)}`
  const where = cpu === undefined ? '<nil>' : String(cpu).padStart(2, '0')
  return `${who}(ID: ${id}) ${enumName(DebugEventTypeEnum, type) ?? type} MARK: ${mark} CPU: ${where} (${clean(message)})`
}
