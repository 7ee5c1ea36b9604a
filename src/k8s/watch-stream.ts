/** The body of a watch: one JSON object a line, read without ever holding more than one line. */
import {CiliumError} from '../runtime/errors.ts'
import {k8sErrors} from './errors.ts'
import type {HttpBody} from './transport.ts'

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: unknown
}

/** Far above what etcd stores (1.5 MB); a line that is longer is no event. */
const maxLineBytes = 16 << 20

/**
 * Gives the events of a watch in groups, one group per piece that came from the network.
 *
 * @throws K8S_BAD_ANSWER when a line is no event; whatever the connection throws
 */
export async function* watchEvents(body: HttpBody): AsyncGenerator<WatchEvent[]> {
  let parts: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    const events: WatchEvent[] = []
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end))
      const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
      parts = []
      size = 0
      from = end + 1
      if (line.length > 0) events.push(readEvent(line))
    }
    if (from < chunk.length) {
      parts.push(from === 0 ? chunk : chunk.subarray(from))
      size += chunk.length - from
      if (size > maxLineBytes) throw unreadable(`a line has more than ${maxLineBytes} bytes`)
    }
    if (events.length > 0) yield events
  }
  // a last line without its end was cut off: the watch is resumed from before it
}

function readEvent(line: Buffer): WatchEvent {
  try {
    const event = JSON.parse(line.toString('utf8')) as WatchEvent
    if (typeof event?.type === 'string' && typeof event.object === 'object' && event.object !== null) return event
  } catch (thrown) {
    throw unreadable('a line is not JSON', thrown)
  }
  throw unreadable('a line is no watch event')
}

function unreadable(detail: string, cause?: unknown): CiliumError {
  return new CiliumError(k8sErrors.K8S_BAD_ANSWER, {request: 'watch', detail}, {cause})
}
