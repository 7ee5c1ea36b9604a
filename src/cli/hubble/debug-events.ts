/** `hubble observe debug-events`: for servers whose programs write such messages; ours do not. */
import {type DebugEvent, DebugEventTypeEnum} from '../../api/gen/flow.ts'
import {GetDebugEventsResponse, ObserverService} from '../../api/gen/observer.ts'
import {enumName, messageToJson} from '../../api/wire/json.ts'
import {clean} from '../render/text.ts'
import {HubbleClient} from './client.ts'
import {jsonLine} from './flow-printer.ts'
import {selection} from './observe-flags.ts'
import type {ServerOptions} from './server-options.ts'
import {formatTime, type TimeFormat} from './time.ts'

export async function observeDebugEvents(
  server: ServerOptions,
  flags: Readonly<Record<string, unknown>>,
  {signal, write}: {readonly signal: AbortSignal; readonly write: (text: string) => Promise<void>},
): Promise<void> {
  const json = String(flags['output']).startsWith('json')
  const {number, first, follow, since, until} = selection(flags)
  const request = {number, first, follow, since, until}
  const client = await HubbleClient.connect(server, signal)
  try {
    for await (const response of client.stream(ObserverService.GetDebugEvents, request, signal)) {
      const {debug_event: event = {}, node_name: node = '', time} = response
      if (json) await write(`${jsonLine(messageToJson(GetDebugEventsResponse, response))}\n`)
      else {
        const where = flags['print-node-name'] === true ? ` [${clean(node)}]` : ''
        await write(`${formatTime(time, flags['time-format'] as TimeFormat)}${where}: ${debugText(event)}\n`)
      }
    }
  } finally {
    client.close()
  }
}

/** `default/web (ID: 7) DBG_CT_LOOKUP MARK: 0xabc CPU: 03 (what was looked up)` */
export function debugText({type = 0, source, hash, cpu, message = ''}: DebugEvent): string {
  const {namespace = '', pod_name: pod = '', ID: id = 0} = source ?? {}
  const who = pod === '' ? '' : `${clean(namespace)}/${clean(pod)} `
  const mark = hash === undefined ? '<nil>' : `0x${hash.toString(16)}`
  const where = cpu === undefined ? '<nil>' : String(cpu).padStart(2, '0')
  return `${who}(ID: ${id}) ${enumName(DebugEventTypeEnum, type) ?? type} MARK: ${mark} CPU: ${where} (${clean(message)})`
}
