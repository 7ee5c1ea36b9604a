/** `hubble observe agent-events`. */
import {type AgentEvent, AgentEvent as AgentEventType, AgentEventTypeEnum} from '../../api/gen/flow.ts'
import {GetAgentEventsResponse, ObserverService} from '../../api/gen/observer.ts'
import {enumName, messageToJson} from '../../api/wire/json.ts'
import {clean} from '../render/text.ts'
import {HubbleClient} from './client.ts'
import {jsonLine} from './flow-printer.ts'
import {selection} from './observe-flags.ts'
import type {ServerOptions} from './server-options.ts'
import {formatTime, type TimeFormat} from './time.ts'

export async function observeAgentEvents(
  server: ServerOptions,
  flags: Readonly<Record<string, unknown>>,
  {signal, write}: {readonly signal: AbortSignal; readonly write: (text: string) => Promise<void>},
): Promise<void> {
  const json = String(flags['output']).startsWith('json')
  const {number, first, follow, since, until} = selection(flags)
  const client = await HubbleClient.connect(server, signal)
  try {
    for await (const response of client.stream(
      ObserverService.GetAgentEvents,
      {number, first, follow, since, until},
      signal,
    )) {
      const {agent_event: event = {}, node_name: node = '', time} = response
      if (json) await write(`${jsonLine(messageToJson(GetAgentEventsResponse, response))}\n`)
      else {
        const where = flags['print-node-name'] === true ? ` [${clean(node)}]` : ''
        await write(`${formatTime(time, flags['time-format'] as TimeFormat)}${where}: ${eventText(event)}\n`)
      }
    }
  } finally {
    client.close()
  }
}

function eventText(event: AgentEvent): string {
  const {type: _, ...arms} = messageToJson(AgentEventType, event)
  const details = Object.entries(Object.values(arms)[0] ?? {}).map(([key, value]) => `${key}: ${clean(String(value))}`)
  return `${enumName(AgentEventTypeEnum, event.type ?? 0) ?? event.type} (${details.join(', ')})`
}
