/** The operator's HTTP: health for kubelet, metrics for Prometheus. */
import {createServer, type Server, type ServerResponse} from 'node:http'
import {CiliumError} from '../runtime/errors.ts'
import {expositionContentType, type MetricRegistry} from '../runtime/metrics.ts'
import {OPERATOR_ADDRESS_IN_USE} from './errors.ts'

export interface Listener {
  readonly host: string | undefined
  readonly port: number
}

/** `127.0.0.1:9234`, `[::1]:9234`, `localhost:9234`, `:9963`; empty text: any port of the loopback address. */
export function parseListenAddress(text: string): Listener | undefined {
  if (text === '') return {host: '127.0.0.1', port: 0}
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65535) return undefined
  return {host: match[1] ?? (match[2] === '' ? undefined : match[2]), port: Number(match[3])}
}

/** Resolves when all is well. */
export type HealthCheck = (signal: AbortSignal) => Promise<void>

/**
 * `/healthz` (also `/v1/healthz`) asks the API server each time: 200 `ok` or 500 with the reason. `/livez` answers as
 * long as the process does, so that nobody restarts it for an outage elsewhere.
 */
export function healthServer(check: HealthCheck): Server {
  return createServer((request, response) => {
    switch (pathOf(request.url)) {
      case '/healthz':
      case '/v1/healthz':
        check(AbortSignal.timeout(2_500)).then(
          () => answer(response, 200, 'ok'),
          (thrown: unknown) => answer(response, 500, CiliumError.from(thrown).message),
        )
        return
      case '/livez':
        return answer(response, 200, 'ok')
      default:
        answer(response, 404, 'not found')
    }
  })
}

/** `/metrics` in the text format of Prometheus. */
export function metricsServer(registry: MetricRegistry): Server {
  return createServer((request, response) => {
    if (pathOf(request.url) !== '/metrics') return answer(response, 404, 'not found')
    registry.expose().then(
      (text) => answer(response, 200, text, expositionContentType),
      (thrown: unknown) => answer(response, 500, CiliumError.from(thrown).message),
    )
  })
}

/**
 * Listens.
 *
 * @param key the configuration key of the address, for the error's text
 * @throws OPERATOR_ADDRESS_IN_USE
 */
export function listen(server: Server, {host, port}: Listener, key: string): Promise<void> {
  server.requestTimeout = 10_000
  server.maxConnections = 64
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const address = `${host ?? ''}:${port}`
      reject(new CiliumError(OPERATOR_ADDRESS_IN_USE, {address, detail: error.code ?? '', key}, {cause: error}))
    })
    server.listen({port, ...(host === undefined ? {} : {host})}, () => resolve())
  })
}

/** Ends a server and the connections that it keeps. */
export function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function pathOf(url: string | undefined): string {
  return (url ?? '/').split('?')[0]!
}

function answer(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, {'content-type': type, 'x-content-type-options': 'nosniff'})
  response.end(text)
}
