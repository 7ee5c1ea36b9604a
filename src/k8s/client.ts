/** The connection to a cluster: requests with time limits, JSON in and out, refusals as coded errors. */
import type {Clock} from '../runtime/clock.ts'
import {systemClock} from '../runtime/clock.ts'
import {CiliumError} from '../runtime/errors.ts'
import type {CounterValue, HistogramValue, MetricRegistry} from '../runtime/metrics.ts'
import {productVersion} from '../runtime/version.ts'
import {apiError} from './api-error.ts'
import {type CredentialOptions, type Credentials, findCredentials, inClusterCredentials} from './credentials.ts'
import {k8sErrors} from './errors.ts'
import {http1Transport} from './http1.ts'
import {type Http2Options, secureTransport} from './http2.ts'
import {connectionError, type HttpResponse, readBody, type TlsIdentity, type Transport} from './transport.ts'

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

export interface KubeRequest {
  /** GET unless given */
  readonly method?: string
  /** absolute path, without query */
  readonly path: string
  readonly query?: Query
  /** sent as JSON */
  readonly body?: unknown
  /** of the body, application/json unless given */
  readonly contentType?: string
  readonly accept?: string
  readonly signal?: AbortSignal
  /** until the head of the answer (and for `json` the whole answer) is there; 30 s unless given, 0: no limit */
  readonly timeoutMs?: number
  /** what is asked, for errors and people: `list pods` */
  readonly what?: string
}

export interface ClientOptions extends CredentialOptions, Http2Options {
  /** `in-cluster`: never looks for a kubeconfig, as agents and operators do unless given one */
  readonly source?: 'any' | 'in-cluster'
  readonly userAgent?: string
  readonly metrics?: ClientMetrics
}

/** Largest answer that is read as a whole. */
const maxAnswerBytes = 256 << 20

/** Opens a client. Nothing is connected yet. @throws as `findCredentials` */
export async function connectKube(options: ClientOptions = {}): Promise<KubeClient> {
  const find = options.source === 'in-cluster' && options.path === undefined ? inClusterCredentials : findCredentials
  return new KubeClient(await find(options), options)
}

export class KubeClient {
  /** default namespace of the context */
  readonly namespace: string
  readonly context: string
  private readonly credentials: Credentials
  private readonly options: ClientOptions
  private readonly clock: Clock
  private readonly agentName: string
  private transport: Promise<Transport> | undefined
  private readonly retired: Transport[] = []
  private serverIndex = 0
  private closed = false

  constructor(credentials: Credentials, options: ClientOptions = {}) {
    this.credentials = credentials
    this.options = options
    this.clock = options.clock ?? systemClock
    this.namespace = credentials.namespace
    this.context = credentials.context
    this.agentName = options.userAgent ?? `cilium/${productVersion().version}`
  }

  /** The server that is asked at present. */
  get server(): URL {
    return this.credentials.servers[this.serverIndex % this.credentials.servers.length]!
  }

  /** For streams that are not requests (exec, port-forward): how a socket of their own gets in. */
  async access(): Promise<{
    readonly server: URL
    readonly tls: TlsIdentity
    readonly headers: Record<string, string | string[]>
  }> {
    return {server: this.server, tls: await this.credentials.tls(), headers: {...(await this.credentials.headers())}}
  }

  /**
   * Sends a request and gives its answer as a stream once the server has accepted it.
   *
   * @throws ApiError for every status that is not 2xx; K8S_UNREACHABLE, K8S_TLS, K8S_TIMEOUT; the signal's reason
   */
  async stream(request: KubeRequest): Promise<HttpResponse> {
    const limit = timeLimit(this.clock, request.timeoutMs ?? 30_000, request.signal)
    try {
      const response = await this.send(request, limit.signal)
      // from here on the caller's own signal ends it, not the time
      limit.release()
      response.body.once('close', () => limit.end())
      return response
    } catch (thrown) {
      limit.end()
      throw limit.expired ? this.timeout(request) : thrown
    }
  }

  /**
   * Sends a request and reads its answer as JSON.
   *
   * @throws as `stream`; K8S_BAD_ANSWER when the answer is not JSON
   */
  async json<T>(request: KubeRequest): Promise<T> {
    const text = await this.text(request)
    try {
      return JSON.parse(text) as T
    } catch (thrown) {
      const detail = text === '' ? 'it is empty' : 'it is not JSON'
      throw new CiliumError(k8sErrors.K8S_BAD_ANSWER, {request: describe(request), detail}, {cause: thrown})
    }
  }

  /** Sends a request and reads its answer as text. */
  async text(request: KubeRequest): Promise<string> {
    const limit = timeLimit(this.clock, request.timeoutMs ?? 30_000, request.signal)
    try {
      const {body} = await this.send(request, limit.signal)
      return (await readBody(body, maxAnswerBytes)).toString('utf8')
    } catch (thrown) {
      if (limit.expired) throw this.timeout(request)
      if (request.signal?.aborted) throw request.signal.reason
      if (thrown instanceof RangeError) {
        throw new CiliumError(k8sErrors.K8S_BAD_ANSWER, {request: describe(request), detail: thrown.message})
      }
      throw connectionError(this.server.origin, thrown)
    } finally {
      limit.end()
    }
  }

  /** Ends all connections. */
  close(): void {
    this.closed = true
    this.replaceTransport()
    for (const transport of this.retired.splice(0)) transport.close()
  }

  private async send(request: KubeRequest, signal: AbortSignal): Promise<HttpResponse> {
    const began = this.clock.monotonic()
    for (let attempt = 1; ; attempt++) {
      const response = await this.attempt(request, signal)
      this.options.metrics?.count(request, response.status, this.server.host, this.clock.monotonic() - began)
      if (response.status >= 200 && response.status < 300) return response
      const body = (await readBody(response.body, 1 << 20).catch(() => Buffer.alloc(0))).toString('utf8')
      if (response.status === 401 && attempt === 1) {
        const renewed = await this.credentials.refresh()
        if (renewed.connection) this.replaceTransport()
        if (renewed.headers || renewed.connection) continue
      }
      throw apiError(describe(request), response.status, response.headers, body)
    }
  }

  private async attempt(request: KubeRequest, signal: AbortSignal): Promise<HttpResponse> {
    const headers: Record<string, string | string[]> = {
      ...(await this.credentials.headers()),
      accept: request.accept ?? 'application/json',
      'user-agent': this.agentName,
    }
    let body: string | undefined
    if (request.body !== undefined) {
      body = JSON.stringify(request.body)
      headers['content-type'] = request.contentType ?? 'application/json'
    }
    const server = this.server
    const opening = this.connected()
    try {
      const transport = await opening
      const path = request.path + queryText(request.query)
      return await transport.request({
        method: request.method ?? 'GET',
        path,
        headers,
        signal,
        ...(body === undefined ? {} : {body}),
      })
    } catch (thrown) {
      if (signal.aborted) throw signal.reason
      this.options.metrics?.count(request, 0, server.host, 0)
      // the next server, if there are several; and with one, its CA or our certificate may have been renewed
      this.replaceTransport(opening)
      throw connectionError(server.origin, thrown)
    }
  }

  private connected(): Promise<Transport> {
    if (this.closed) throw new Error('the client is closed')
    this.transport ??= this.open()
    return this.transport
  }

  private async open(): Promise<Transport> {
    try {
      const identity = await this.credentials.tls()
      const plain = this.server.protocol === 'http:' || identity.agent !== undefined
      return plain ? http1Transport(this.server, identity) : secureTransport(this.server, identity, this.options)
    } catch (thrown) {
      this.transport = undefined
      throw thrown
    }
  }

  /** New requests get a new connection, with the credentials there are by then; what runs goes on. */
  private replaceTransport(old = this.transport): void {
    if (old !== this.transport) return // somebody who failed with it has done so already
    this.transport = undefined
    this.serverIndex++
    void old?.then(
      (transport) => {
        if (this.closed) transport.close()
        else {
          transport.retire()
          this.retired.push(transport)
          if (this.retired.length > 8) this.retired.shift()?.close()
        }
      },
      () => {},
    )
  }

  private timeout(request: KubeRequest): CiliumError {
    const fields = {server: this.server.origin, request: describe(request), timeoutMs: request.timeoutMs ?? 30_000}
    return new CiliumError(k8sErrors.K8S_TIMEOUT, fields)
  }
}

/** What a request asks, in words: its own `what`, or method and path. Never its query, which may be long. */
export function describe(request: KubeRequest): string {
  return request.what ?? `${request.method ?? 'GET'} ${request.path}`
}

function queryText(query: Query | undefined): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue
    if (typeof value === 'object') for (const one of value) params.append(name, one)
    else params.append(name, String(value))
  }
  return params.size === 0 ? '' : `?${params}`
}

/** The caller's signal joined with a time limit, without leaving listeners on signals that live long. */
function timeLimit(clock: Clock, ms: number, outer: AbortSignal | undefined) {
  const controller = new AbortController()
  const state = {expired: false}
  const onAbort = () => controller.abort(outer?.reason)
  if (outer?.aborted) onAbort()
  outer?.addEventListener('abort', onAbort, {once: true})
  const timer =
    ms === 0
      ? undefined
      : clock.after(ms, () => {
          state.expired = true
          controller.abort(new Error('time is up'))
        })
  return {
    signal: controller.signal,
    get expired() {
      return state.expired
    },
    release: () => timer?.cancel(),
    end() {
      timer?.cancel()
      outer?.removeEventListener('abort', onAbort)
    },
  }
}

/** Counts requests: cilium_k8s_client_api_calls_total and cilium_k8s_client_api_latency_time_seconds. */
export class ClientMetrics {
  private readonly calls
  private readonly latency
  private readonly cached = new Map<string, {calls: CounterValue; latency: HistogramValue | undefined}>()

  constructor(registry: MetricRegistry, prefix: string) {
    this.calls = registry.counter({
      name: `${prefix}_k8s_client_api_calls_total`,
      help: 'requests to the API server; return code 0: no answer',
      labels: ['host', 'method', 'return_code'],
    })
    this.latency = registry.histogram({
      name: `${prefix}_k8s_client_api_latency_time_seconds`,
      help: 'time until the API server answers',
      labels: ['path', 'method'],
    })
  }

  count(request: KubeRequest, status: number, host: string, ms: number): void {
    const method = request.method ?? 'GET'
    const path = pathPattern(request.path)
    const key = `${host} ${method} ${status} ${path}`
    let values = this.cached.get(key)
    if (values === undefined) {
      const calls = this.calls.labels(host, method, String(status))
      // a request without an answer has no latency
      values = {calls, latency: status === 0 ? undefined : this.latency.labels(path, method)}
      if (this.cached.size < 1000) this.cached.set(key, values)
    }
    values.calls.inc()
    values.latency?.observe(ms / 1000)
  }
}

/** A path without names, so that it can be a label: /api/v1/namespaces/{namespace}/pods/{name}. */
function pathPattern(path: string): string {
  const [, root = '', ...rest] = path.split('/')
  const head = root === 'api' ? rest.splice(0, 1) : root === 'apis' ? rest.splice(0, 2) : []
  if (rest[0] === 'namespaces' && rest.length > 2) rest[1] = '{namespace}'
  const at = rest[0] === 'namespaces' && rest.length > 2 ? 3 : 1
  if (rest.length > at) rest[at] = '{name}'
  return `/${[root, ...head, ...rest].join('/')}`
}
