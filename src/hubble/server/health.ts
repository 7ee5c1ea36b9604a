/** gRPC's health protocol: this server can be asked as long as it answers. */
import type {ServerUnaryCall, ServerWritableStream, sendUnaryData, UntypedHandleCall} from '@grpc/grpc-js'
import {status} from '@grpc/grpc-js'
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as serving,
} from '../../api/gen/health.ts'
import {refuse, send, stream} from './grpc-call.ts'

/** What `hubble status` asks for; it is no name of a gRPC service. */
export const observerHealthName = 'hubble.server.Observer'

export function healthHandlers(): Record<string, UntypedHandleCall> {
  const known = ({service = ''}: HealthCheckRequest) => service === '' || service === observerHealthName
  const check = (
    call: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
    done: sendUnaryData<HealthCheckResponse>,
  ) => {
    if (known(call.request)) done(null, {status: serving.SERVING})
    else done(refuse(status.NOT_FOUND, `unknown service ${JSON.stringify(call.request.service)}`))
  }
  const watch = (call: ServerWritableStream<HealthCheckRequest, HealthCheckResponse>) =>
    stream(call, async (signal) => {
      await send(call, {status: known(call.request) ? serving.SERVING : serving.SERVICE_UNKNOWN}, signal)
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), {once: true}))
    })
  return {Check: check as UntypedHandleCall, Watch: watch as UntypedHandleCall}
}
