/** `/metrics` of Hubble on its own port. */
import {readFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {createServer as createTlsServer, type Server as TlsServer} from 'node:https'
import {fail} from '../../runtime/errors.ts'
import {expositionContentType, type MetricRegistry, openMetricsContentType} from '../../runtime/metrics.ts'
import {HUBBLE_LISTEN_FAILED} from '../server/errors.ts'
import type {TlsFiles} from '../server/listen.ts'

export interface MetricsServerOptions {
  /** `:9965` or `host:port` */
  readonly address: string
  /** answers in OpenMetrics who asks for it */
  readonly openMetrics?: boolean
  /** files that change are read again; until they are there nobody is answered */
  readonly tls?: TlsFiles | undefined
}

export interface MetricsServer {
  /** that it listens on */
  readonly port: number
  close(): void
}

const refreshMs = 10_000

/** @throws HUBBLE_LISTEN_FAILED */
export async function serveMetrics(registry: MetricRegistry, options: MetricsServerOptions): Promise<MetricsServer> {
  const {address, openMetrics = false, tls} = options
  const [, bracketed, plain, port = ''] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(address) ?? []
  if (port === '') fail(HUBBLE_LISTEN_FAILED, {address, detail: 'it is no address and port such as :9965'})
  const host = bracketed ?? (plain === '' ? undefined : plain)
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if ((request.url ?? '').split('?')[0] !== '/metrics') return void response.writeHead(404).end('not found')
    const open = openMetrics && (request.headers.accept ?? '').includes('application/openmetrics-text')
    const type = open ? openMetricsContentType : expositionContentType
    registry.expose(open ? 'openmetrics' : 'text').then(
      (text) => response.writeHead(200, {'content-type': type}).end(text),
      (thrown: unknown) => response.writeHead(500).end(String(thrown)),
    )
  }
  const server =
    tls === undefined
      ? createServer(answer)
      : createTlsServer({requestCert: tls.clientAuthority !== undefined, rejectUnauthorized: true}, answer)
  const refresh = tls === undefined ? undefined : keepCertificate(server as TlsServer, tls)
  server.requestTimeout = 10_000
  server.maxConnections = 64
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({port: Number(port), ...(host === undefined ? {} : {host})}, resolve)
  }).catch((thrown: Error) => {
    clearInterval(refresh)
    return fail(HUBBLE_LISTEN_FAILED, {address, detail: thrown.message}, {cause: thrown})
  })
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : Number(port),
    close() {
      clearInterval(refresh)
      server.close()
    },
  }
}

/** Takes the files now, and again whenever they have changed. */
function keepCertificate(server: TlsServer, {certificate, key, clientAuthority}: TlsFiles): NodeJS.Timeout {
  let taken = ''
  const take = () => {
    try {
      const cert = readFileSync(certificate)
      const context = {
        cert,
        key: readFileSync(key),
        ...(clientAuthority === undefined ? {} : {ca: readFileSync(clientAuthority)}),
      }
      const text = Object.values(context).join('\n')
      if (text === taken) return
      server.setSecureContext(context)
      taken = text
    } catch (thrown) {
      // not made yet; or in the middle of being replaced: key and certificate do not fit, the next look is better
      const {code = ''} = thrown as NodeJS.ErrnoException
      if (code !== 'ENOENT' && !code.startsWith('ERR_OSSL')) throw thrown
    }
  }
  take()
  return setInterval(take, refreshMs)
}
