/** `/metrics` of Hubble on its own port. */
import {createServer, type Server} from 'node:http'
import {fail} from '../../runtime/errors.ts'
import {expositionContentType, type MetricRegistry} from '../../runtime/metrics.ts'
import {HUBBLE_LISTEN_FAILED} from '../server/errors.ts'

/** @param address `:9965` or `host:port` @throws HUBBLE_LISTEN_FAILED */
export async function serveMetrics(registry: MetricRegistry, address: string): Promise<Server> {
  const [, bracketed, plain, port = ''] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(address) ?? []
  if (port === '') fail(HUBBLE_LISTEN_FAILED, {address, detail: 'it is no address and port such as :9965'})
  const host = bracketed ?? (plain === '' ? undefined : plain)
  const server = createServer((request, response) => {
    if ((request.url ?? '').split('?')[0] !== '/metrics') return void response.writeHead(404).end('not found')
    registry.expose().then(
      (text) => response.writeHead(200, {'content-type': expositionContentType}).end(text),
      (thrown: unknown) => response.writeHead(500).end(String(thrown)),
    )
  })
  server.requestTimeout = 10_000
  server.maxConnections = 64
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({port: Number(port), ...(host === undefined ? {} : {host})}, resolve)
  }).catch((thrown: Error) => fail(HUBBLE_LISTEN_FAILED, {address, detail: thrown.message}, {cause: thrown}))
  return server
}
