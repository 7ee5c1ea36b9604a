/**
 * The web server of the user interface. It has nothing to write and nothing to log in to: it shows flows to whoever
 * reaches it, so it answers only its own page (no CORS, no frames, scripts of its own alone), and only under names
 * that are its own: a page elsewhere whose name is made to lead here must not read flows.
 */
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {isIP} from 'node:net'
import type {Clock} from '../../runtime/clock.ts'
import {CiliumError, hasCode} from '../../runtime/errors.ts'
import type {Asset} from './assets.ts'
import type {ClusterState} from './cluster-state.ts'
import {UI_FILTER_INVALID, UI_LISTEN_FAILED} from './errors.ts'
import {FlowSession} from './flow-session.ts'
import type {ObserverClient} from './observer-client.ts'
import {readRowFilter} from './row-filter.ts'
import type {MapLimits} from './service-map.ts'

export interface WebServerOptions {
  readonly observer: ObserverClient
  readonly cluster: ClusterState
  readonly assets: ReadonlyMap<string, Asset>
  readonly clock: Clock
  /** with a slash at both ends */
  readonly baseUrl: string
  /** names beside localhost and addresses under which it is asked */
  readonly hosts: readonly string[]
  /** pages that may look at the same time */
  readonly pagesMax: number
  readonly mapLimits?: MapLimits
}

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
}
/** bytes that wait for a slow page before it is told nothing more */
const waitingMax = 1 << 20
const aliveEveryMs = 15_000
const pastDefaultMs = 5 * 60_000
const pastMaxMs = 24 * 3_600_000
const namespaceForm = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

export class WebServer {
  readonly #options: WebServerOptions
  readonly #server: Server
  readonly #pages = new Set<AbortController>()

  constructor(options: WebServerOptions) {
    this.#options = options
    this.#server = createServer((request, response) => this.#answer(request, response))
    this.#server.requestTimeout = 10_000
    this.#server.headersTimeout = 10_000
    this.#server.maxConnections = options.pagesMax * 8
  }

  /** @param host undefined: all addresses. @returns the port. @throws UI_LISTEN_FAILED */
  listen(host: string | undefined, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const fields = {address: `${host ?? ''}:${port}`, detail: error.code ?? error.message}
        reject(new CiliumError(UI_LISTEN_FAILED, fields, {cause: error}))
      })
      this.#server.listen({port, ...(host === undefined ? {} : {host})}, () => {
        resolve((this.#server.address() as {port: number}).port)
      })
    })
  }

  close(): Promise<void> {
    for (const page of this.#pages) page.abort()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  get pages(): number {
    return this.#pages.size
  }

  #answer(request: IncomingMessage, response: ServerResponse) {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    response.on('error', () => {}) // the page went away
    const url = URL.parse(request.url ?? '/', 'http://x')
    if (url === null) return refuse(response, 400, 'no such address')
    // kubelet asks by address, and nothing is told
    if (url.pathname === '/healthz') return void response.writeHead(200, {'content-type': 'text/plain'}).end('ok\n')
    if (!this.#isOwn(request.headers.host)) {
      return refuse(response, 421, 'this name does not belong to hubble-ui: set hubble.ui.ingress.hosts')
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'only GET is answered')
    const {baseUrl} = this.#options
    if (!url.pathname.startsWith(baseUrl)) {
      if (`${url.pathname}/` !== baseUrl && url.pathname !== '/') return refuse(response, 404, 'there is nothing here')
      return void response.writeHead(302, {location: `${baseUrl}${url.search}`}).end()
    }
    const path = url.pathname.slice(baseUrl.length)
    const asset = this.#options.assets.get(path)
    if (asset !== undefined) return sendAsset(request, response, asset)
    if (!path.startsWith('api/')) return refuse(response, 404, 'there is nothing here')
    // a page elsewhere has no business here, even where it could not read the answer
    const site = request.headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none') {
      return refuse(response, 403, 'asked by another page')
    }
    if (path === 'api/cluster') return this.#cluster(response)
    if (path === 'api/flows') return this.#flows(request, response, url.searchParams)
    refuse(response, 404, 'there is nothing here')
  }

  #isOwn(host: string | undefined): boolean {
    const name = (host ?? '')
      .replace(/:\d+$/, '')
      .replace(/^\[|\]$/g, '')
      .toLowerCase()
    return name === 'localhost' || isIP(name) !== 0 || this.#options.hosts.includes(name)
  }

  #cluster(response: ServerResponse): void {
    this.#options.cluster.read().then((answer) => sendJson(response, 200, answer))
  }

  #flows(request: IncomingMessage, response: ServerResponse, query: URLSearchParams) {
    const namespace = query.get('namespace') || undefined
    if (namespace !== undefined && !namespaceForm.test(namespace))
      return refuse(response, 400, 'no namespace has that name')
    let filter: ReturnType<typeof readRowFilter>
    try {
      filter = readRowFilter(query)
    } catch (thrown) {
      if (hasCode(thrown, UI_FILTER_INVALID)) return refuse(response, 400, thrown.message)
      throw thrown
    }
    if (this.#pages.size >= this.#options.pagesMax) {
      return refuse(response, 503, `${this.#options.pagesMax} pages look already: close one`)
    }
    const past = Number(query.get('past') ?? pastDefaultMs)
    const page = new AbortController()
    this.#pages.add(page)
    const alive = setInterval(() => {
      if (response.writableLength === 0) response.write(': here\n\n')
    }, aliveEveryMs)
    const end = () => {
      clearInterval(alive)
      this.#pages.delete(page)
      page.abort()
    }
    response.on('close', end)
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // proxies that collect an answer would show nothing
      'x-accel-buffering': 'no',
    })
    request.socket.setNoDelay(true)
    response.write('retry: 2000\n\n')
    const {observer, clock, mapLimits: limits} = this.#options
    const session = new FlowSession({
      observer,
      clock,
      namespace,
      filter,
      pastMs: Number.isFinite(past) ? Math.min(Math.max(0, past), pastMaxMs) : pastDefaultMs,
      ...(limits === undefined ? {} : {limits}),
      ready: () => response.writableLength < waitingMax,
      tell: ({event, data}) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    })
    session.run(page.signal).finally(() => response.end())
  }
}

function sendAsset(request: IncomingMessage, response: ServerResponse, {type, plain, packed, tag}: Asset) {
  const own = {etag: tag, 'cache-control': 'no-cache', vary: 'accept-encoding'}
  if (request.headers['if-none-match'] === tag) return void response.writeHead(304, own).end()
  const zipped = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const body = zipped ? packed : plain
  response.writeHead(200, {
    ...own,
    'content-type': type,
    'content-length': body.length,
    ...(zipped ? {'content-encoding': 'gzip'} : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

function sendJson(response: ServerResponse, code: number, value: unknown): void {
  response.writeHead(code, {'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store'})
  response.end(JSON.stringify(value))
}

function refuse(response: ServerResponse, code: number, detail: string): void {
  sendJson(response, code, {detail})
}
