/** gRPC's health protocol: this server can be asked as long as it answers. */
import type {ServerUnaryCall, ServerWritableStream, sendUnaryData, UntypedHandleCall} from '@grpc/grpc-js'
import {status} from '@grpc/grpc-js'
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as serving,
} from '../../api/gen/health.ts'
import {sleep, systemClock} from '../../runtime/clock.ts'
import {refuse, send, stream} from './grpc-call.ts'

const lookEveryMs = 1_000

/** What `hubble status` asks for; it is no name of a gRPC service. */
export const observerHealthName = 'hubble.server.Observer'

/** @param isServing whether it can answer now */
export function healthHandlers(isServing: () => boolean = () => true): Record<string, UntypedHandleCall> {
  const state = () => (isServing() ? serving.SERVING : serving.NOT_SERVING)
  const known = ({service = ''}: HealthCheckRequest) => service === '' || service === observerHealthName
  const check = (
    call: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
    done: sendUnaryData<HealthCheckResponse>,
  ) => {
    if (known(call.request)) done(null, {status: state()})
    else done(refuse(status.NOT_FOUND, `unknown service ${JSON.stringify(call.request.service)}`))
  }
  const watch = (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) =>
    stream(call, async (signal) => {
      let told: number | undefined
      while (!signal.aborted) {
        const is = known(call.request) ? state() : serving.SERVICE_UNKNOWN
        if (is !== told) await send(call, {status: is}, signal)
        told = is
        await sleep(systemClock, lookEveryMs, signal).catch(() => {})
      }
    })
  return {Check: check as UntypedHandleCall, Watch: watch as UntypedHandleCall}
}
