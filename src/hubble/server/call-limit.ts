/** Bounds the streams that a server answers at a time: whoever comes then is told so, and nobody else suffers. */
import {ServerInterceptingCall, type ServerInterceptor, status} from '@grpc/grpc-js'

/** @param most streams at a time, of all clients together */
export function callLimit(most: number): ServerInterceptor {
  let running = 0
  return ({responseStream}, call) => {
    if (!responseStream) return new ServerInterceptingCall(call)
    let counted = true
    running++
    const end = () => {
      if (counted) running--
      counted = false
    }
    const refused = running > most
    return new ServerInterceptingCall(call, {
      start(next) {
        next({onCancel: end})
        if (refused)
          call.sendStatus({
            code: status.RESOURCE_EXHAUSTED,
            details: `${most} streams are answered already: come again later`,
          })
        if (refused) end()
      },
      sendStatus(given, next) {
        end()
        next(given)
      },
    })
  }
}
