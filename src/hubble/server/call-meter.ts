/** Counts the calls of a server of gRPC, with the names that servers of gRPC have for that. */
import {ServerInterceptingCall, type ServerInterceptor, status} from '@grpc/grpc-js'
import type {MetricRegistry} from '../../runtime/metrics.ts'

const codeNames = new Map(
  Object.entries(status)
    .filter((entry): entry is [string, status] => typeof entry[1] === 'number')
    .map(([name, code]) => [code, camel(name)]),
)

export function callMeter(registry: MetricRegistry): ServerInterceptor {
  const labels = ['grpc_type', 'grpc_service', 'grpc_method']
  const started = registry.counter({
    name: 'grpc_server_started_total',
    help: 'Total number of RPCs started on the server.',
    labels,
  })
  const handled = registry.counter({
    name: 'grpc_server_handled_total',
    help: 'Total number of RPCs completed on the server, regardless of success or failure.',
    labels: [...labels, 'grpc_code'],
  })
  return ({path, requestStream, responseStream}, call) => {
    const [, service = '', method = ''] = path.split('/')
    const type = responseStream ? (requestStream ? 'bidi_stream' : 'server_stream') : 'unary'
    let ended = false
    const end = (code: number) => {
      if (ended) return
      ended = true
      handled.labels(type, service, method, codeNames.get(code) ?? 'Unknown').inc()
    }
    started.labels(type, service, method).inc()
    return new ServerInterceptingCall(call, {
      start: (next) => next({onCancel: () => end(status.CANCELLED)}),
      sendStatus: (given, next) => {
        end(given.code)
        next(given)
      },
    })
  }
}

/** INVALID_ARGUMENT is InvalidArgument, OK stays. */
function camel(name: string): string {
  if (name === 'OK') return name
  return name.toLowerCase().replace(/(?:^|_)(.)/g, (_, letter: string) => letter.toUpperCase())
}
