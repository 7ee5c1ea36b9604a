/** Events from the agent's monitor socket. */
import {connect} from 'node:net'
import {MonitorDecoder, type MonitorFrame, type MonitorHello, monitorSocket} from '../../../api/monitor-stream.ts'
import {type Event, eventCodec, eventSampleCodec} from '../../../datapath/gen/types.ts'
import {declareErrors, fail} from '../../../runtime/errors.ts'

const {MONITOR_UNREACHABLE, MONITOR_LAYOUT} = declareErrors({
  MONITOR_UNREACHABLE: {
    what: 'nobody tells events at {path}: {detail}',
    advice: 'run this in the agent pod of a node; cilium-dbg status says whether the agent runs',
  },
  MONITOR_LAYOUT: {
    what: 'the agent tells events of another layout (version {version}, {bytes} bytes)',
    advice: 'use the cilium-dbg of the same version as the agent: the one in its pod',
  },
})

/** the only layout of events that this program reads */
const eventVersion = 1

export type MonitorItem =
  | {readonly kind: 'hello'; readonly hello: MonitorHello}
  | {readonly kind: 'event'; readonly event: Event /** of the packet */; readonly payload?: Uint8Array}
  | Extract<MonitorFrame, {readonly kind: 'lost' | 'notice'}>

/**
 * Connects and hands over what comes, until the signal or the agent ends it.
 *
 * @throws MONITOR_UNREACHABLE, MONITOR_LAYOUT
 */
export async function* listenToMonitor(path: string = monitorSocket, signal: AbortSignal): AsyncGenerator<MonitorItem> {
  const socket = connect({path, signal})
  const decoder = new MonitorDecoder()
  try {
    for await (const chunk of socket) {
      for (const frame of decoder.push(chunk as Buffer)) yield readItem(frame)
    }
  } catch (thrown) {
    if (signal.aborted) return
    const {code} = thrown as NodeJS.ErrnoException
    if (code === undefined) throw thrown
    const words: Readonly<Record<string, string>> = {
      ENOENT: 'there is no such socket',
      ECONNREFUSED: 'nobody listens',
      EACCES: 'permission denied',
    }
    fail(MONITOR_UNREACHABLE, {path, detail: words[code] ?? code}, {cause: thrown})
  } finally {
    socket.destroy()
  }
}

function readItem(frame: MonitorFrame): MonitorItem {
  if (frame.kind === 'hello') {
    const {eventVersion: version, eventBytes: bytes} = frame.hello
    if (version !== eventVersion || bytes !== eventCodec.size) fail(MONITOR_LAYOUT, {version, bytes})
    return frame
  }
  if (frame.kind !== 'event') return frame
  const {buffer, byteOffset, byteLength} = frame.bytes
  const view = new DataView(buffer, byteOffset, byteLength)
  const event = eventCodec.decode(view, 0)
  if (byteLength < eventSampleCodec.size) return {kind: 'event', event}
  const {captured, bytes} = eventSampleCodec.decode(view, 0)
  return {kind: 'event', event, payload: bytes.subarray(0, captured)}
}
