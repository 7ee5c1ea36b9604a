/** What goes wrong on demand. */
import type http from 'node:http'
import type http2 from 'node:http2'
import {isTrue, type SeenRequest, status} from './answers.ts'

/** What happens instead of an answer. */
export type FaultAction =
  | {
      readonly status: number
      readonly reason?: string
      readonly message?: string
      readonly retryAfter?: number
      readonly details?: object
    }
  | {readonly delayMs: number}
  /** a body that is no Kubernetes answer */
  | {readonly text: string}
  /** the connection is cut */
  | 'reset'
  /** nothing ever comes */
  | 'hang'

export interface FaultMatch {
  readonly method?: string
  readonly path?: RegExp
  /** true: only watches, false: only what is no watch */
  readonly watch?: boolean
  /** how often, for ever unless given */
  readonly times?: number
}

interface Fault extends FaultMatch {
  readonly action: FaultAction
  left: number
}

export class Faults {
  private readonly faults: Fault[] = []

  /** Lets the next requests that match fail. @returns takes the fault away */
  inject(match: FaultMatch, action: FaultAction): () => void {
    const fault: Fault = {...match, action, left: match.times ?? Number.POSITIVE_INFINITY}
    this.faults.push(fault)
    return () => {
      fault.left = 0
    }
  }

  /** @returns true when the request has had its answer (or never will) */
  async apply(seen: SeenRequest, request: http.IncomingMessage, response: http.ServerResponse): Promise<boolean> {
    const watching = isTrue(seen.query.get('watch'))
    const fault = this.faults.find(
      ({left, method, path, watch}) =>
        left > 0 &&
        (method === undefined || method === seen.method) &&
        (path === undefined || path.test(seen.path)) &&
        (watch === undefined || watch === watching),
    )
    if (fault === undefined) return false
    fault.left--
    const {action} = fault
    if (action === 'hang') return true
    if (action === 'reset') {
      if (request.httpVersionMajor === 2) (response as unknown as http2.Http2ServerResponse).stream.session?.destroy()
      else request.socket.destroy()
      return true
    }
    if ('delayMs' in action) {
      await new Promise((resolve) => setTimeout(resolve, action.delayMs))
      return false
    }
    if ('text' in action) {
      response.writeHead(200)
      response.end(action.text)
      return true
    }
    const {status: code, reason = '', message = 'injected', retryAfter, details} = action
    response.writeHead(code, retryAfter === undefined ? {} : {'retry-after': String(retryAfter)})
    response.end(JSON.stringify({...status(code, reason, message).body, ...(details === undefined ? {} : {details})}))
    return true
  }
}
