/**
 * A small API server in memory: list in pages, watch with bookmarks and "too old", create, replace, the four patches,
 * status subresources, finalizers and owners, over HTTP/1.1 or HTTP/2 with TLS; with faults on demand. It stands for
 * the edge of our programs, so that tests and simulations of large clusters can do without a cluster. What it does
 * not know (admission, schemas, quotas) is tested against the real one.
 */
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type {AddressInfo, Socket} from 'node:net'
import {type ClientOptions, KubeClient} from '../../../src/k8s/client.ts'
import type {Credentials} from '../../../src/k8s/credentials.ts'
import {apiVersionOf, type KubeObject, type Resource, resources} from '../../../src/k8s/resources.ts'
import {createAuthority, issueCertificate} from '../../../src/runtime/x509.ts'
import {type Answer, isTrue, metadataOf, type SeenRequest, status, wantsMetadata} from './answers.ts'
import {type FaultAction, type FaultMatch, Faults} from './faults.ts'
import {ObjectRequests} from './object-requests.ts'
import {keyOf, ObjectStore, type ServedResource, type StoredEvent} from './object-store.ts'
import {type Json, PatchFailed} from './patches.ts'
import {selection} from './selectors.ts'
import {ServerSocket} from './web-socket.ts'

export interface ApiServerOptions {
  /** `http` (the default) is HTTP/1.1 without TLS, `https` with TLS, `h2` offers HTTP/2 over TLS */
  readonly protocol?: 'http' | 'https' | 'h2'
  /** when given, only these bearer tokens are let in */
  readonly tokens?: Set<string>
  /** milliseconds between bookmarks of a watch, none unless given */
  readonly bookmarkMs?: number
  readonly historyLimit?: number
  /** kinds to serve beside the built-in ones of src/k8s/resources.ts; those of cilium.io are served, too */
  readonly kinds?: readonly ServedResource[]
}

interface Watch {
  readonly response: http.ServerResponse
  readonly bookmarks: boolean
  bookmark(): void
  end(): void
}

const withoutStatus = new Set([
  'configmaps',
  'secrets',
  'serviceaccounts',
  'events',
  'endpointslices',
  'networkpolicies',
  'leases',
  'roles',
  'rolebindings',
  'clusterroles',
  'clusterrolebindings',
  'ciliumendpoints',
  'ciliumcidrgroups',
  'ciliumnodeconfigs',
])

export class ApiServer {
  readonly store: ObjectStore
  /** every request that came, the newest 10 000 */
  readonly requests: SeenRequest[] = []
  /** texts that `pods/log` answers, by namespace/pod */
  readonly logs = new Map<string, string>()
  /** what answers WebSocket streams, by path: /api/v1/namespaces/x/pods/y/exec */
  readonly streams = new Map<string, (socket: ServerSocket, query: URLSearchParams) => void>()
  private readonly options: ApiServerOptions
  private readonly objects: ObjectRequests
  private readonly faults = new Faults()
  private readonly watches = new Set<Watch>()
  private readonly sockets = new Set<Socket>()
  private readonly sessions = new Set<http2.Http2Session>()
  private readonly snapshots = new Map<string, {readonly items: Json[]; readonly version: string}>()
  private readonly authority = createAuthority('test authority')
  private readonly certificate
  private forbidden: (verb: string, resource: Resource, namespace: string | undefined) => boolean = () => false
  private server: http.Server | http2.Http2SecureServer | undefined
  private port = 0
  private streamRefusal = 404
  private snapshotCount = 0

  constructor(options: ApiServerOptions = {}) {
    this.options = options
    this.store = new ObjectStore(options.historyLimit === undefined ? {} : {historyLimit: options.historyLimit})
    this.objects = new ObjectRequests(this.store)
    for (const resource of Object.values(resources)) {
      this.store.serve({...resource, hasStatus: !withoutStatus.has(resource.plural)})
    }
    for (const kind of options.kinds ?? []) this.store.serve(kind)
    this.certificate = issueCertificate(this.authority, 'test authority', {
      commonName: 'kube-apiserver',
      hosts: ['127.0.0.1', 'localhost'],
      usages: ['server'],
    })
  }

  /** Listens on loopback; after a `stop` on the same port again. */
  async start(): Promise<this> {
    const handle = (request: http.IncomingMessage, response: http.ServerResponse) => void this.handle(request, response)
    const tls = {key: this.certificate.key, cert: this.certificate.certificate}
    const {protocol = 'http'} = this.options
    const server =
      protocol === 'http'
        ? http.createServer(handle)
        : protocol === 'https'
          ? https.createServer(tls, handle)
          : http2.createSecureServer({...tls, allowHTTP1: true}, handle as never)
    server.on(protocol === 'http' ? 'connection' : 'secureConnection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('error', () => {})
    })
    server.on('session', (session: http2.Http2Session) => {
      this.sessions.add(session)
      session.on('close', () => this.sessions.delete(session))
    })
    server.on('upgrade', (request: http.IncomingMessage, socket: Socket) => {
      const {pathname, searchParams} = new URL(request.url ?? '/', 'http://x')
      const serve = this.streams.get(pathname)
      if (serve === undefined) socket.end(`HTTP/1.1 ${this.streamRefusal} No\r\ncontent-length: 0\r\n\r\n`)
      else serve(new ServerSocket(request, socket), searchParams)
    })
    this.server = server
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject)
      server.listen(this.port, '127.0.0.1', () => resolve())
    })
    this.port = (server.address() as AddressInfo).port
    return this
  }

  /** Goes away as a killed process does: connections are cut. Objects stay. */
  async stop(): Promise<void> {
    const {server} = this
    this.server = undefined
    for (const watch of [...this.watches]) watch.end()
    this.cutConnections()
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())))
  }

  get url(): string {
    return `${this.options.protocol === 'http' || this.options.protocol === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`
  }

  /** PEM of the authority that signed the server's certificate. */
  get ca(): string {
    return this.authority.certificate
  }

  /** How a client of ours gets in. */
  credentials(token?: string): Credentials {
    return {
      servers: [new URL(this.url)],
      namespace: 'default',
      context: 'test',
      tls: async () => ({ca: this.ca}),
      headers: async () => (token === undefined ? {} : {authorization: `Bearer ${token}`}),
      refresh: async () => ({headers: false, connection: false}),
    }
  }

  connect(options: ClientOptions & {token?: string} = {}): KubeClient {
    return new KubeClient(this.credentials(options.token), options)
  }

  /** Puts an object in as if somebody had created it (or replaced one of its name). */
  put<T extends KubeObject>(resource: Resource, object: Omit<T, 'metadata'> & {metadata: Partial<T['metadata']>}): T {
    const typed = {apiVersion: apiVersionOf(resource), kind: resource.kind, ...object}
    const before = this.store.get(resource, keyOf(typed))
    return before === undefined ? this.store.create(resource, typed) : this.store.update(resource, typed, before)
  }

  get<T extends KubeObject>(resource: Resource, key: string): T | undefined {
    return this.store.get(resource, key)
  }

  remove(resource: Resource, key: string): void {
    this.store.delete(resource, key)
  }

  all<T extends KubeObject>(resource: Resource, namespace?: string): T[] {
    return this.store.all(resource, namespace)
  }

  /** Lets the next requests that match fail. @returns takes the fault away */
  inject(match: FaultMatch, action: FaultAction): () => void {
    return this.faults.inject(match, action)
  }

  /** The status that streams get which nobody serves, 404 unless changed. */
  refuseStreams(status: number): void {
    this.streamRefusal = status
  }

  /** What 403 answers. */
  forbid(rule: (verb: string, resource: Resource, namespace: string | undefined) => boolean): void {
    this.forbidden = rule
  }

  /** Forgets history and unfinished lists, as etcd's compaction does. */
  compact(): void {
    this.store.compact()
    this.snapshots.clear()
  }

  get watchCount(): number {
    return this.watches.size
  }

  get connectionCount(): number {
    return this.sockets.size
  }

  /** Ends all watches in good order, as the server does after their time. */
  endWatches(): void {
    for (const watch of [...this.watches]) watch.end()
  }

  /** Sends bookmarks to all watches that take them. */
  sendBookmarks(): void {
    for (const watch of this.watches) watch.bookmark()
  }

  /** Writes something into all watches. */
  writeIntoWatches(text: string): void {
    for (const {response} of this.watches) response.write(text)
  }

  /** HTTP/2: announces that the server goes away. */
  sendGoaway(): void {
    for (const session of this.sessions) session.goaway()
  }

  cutConnections(): void {
    for (const session of this.sessions) session.destroy()
    for (const socket of this.sockets) socket.destroy()
  }

  private async handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    response.on('error', () => {})
    const url = new URL(request.url ?? '/', 'http://x')
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return // the client went away
    }
    const seen: SeenRequest = {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    }
    this.requests.push(seen)
    if (this.requests.length > 10_000) this.requests.shift()
    if (await this.faults.apply(seen, request, response)) return
    let answer: Answer | undefined
    try {
      answer = this.answer(seen, response)
    } catch (thrown) {
      if (!(thrown instanceof PatchFailed)) throw thrown
      answer = status(thrown.status, thrown.status === 409 ? 'Conflict' : 'Invalid', thrown.message)
    }
    if (answer === undefined) return
    response.writeHead(answer.status, {'content-type': 'application/json', ...answer.headers})
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  }

  private answer(seen: SeenRequest, response: http.ServerResponse): Answer | undefined {
    const token = /^Bearer (.*)$/.exec(seen.headers.authorization ?? '')?.[1]
    if (this.options.tokens !== undefined && !this.options.tokens.has(token ?? '')) {
      return status(401, 'Unauthorized', 'Unauthorized')
    }
    if (seen.path === '/version') return {status: 200, body: {major: '1', minor: '34', gitVersion: 'v1.34.0-test'}}
    if (seen.path === '/readyz' || seen.path === '/livez') return {status: 200, body: 'ok'}
    const parts = seen.path.split('/').slice(1).map(decodeURIComponent)
    const [group, version] = parts[0] === 'api' ? ['', parts[1]] : [parts[1], parts[2]]
    const rest = parts.slice(parts[0] === 'api' ? 2 : 3)
    if (group === undefined || version === undefined) return status(404, 'NotFound', 'no such path')
    if (rest.length === 0) return this.discovery(group, version)
    const namespaced = rest[0] === 'namespaces' && rest.length > 2
    const namespace = namespaced ? rest[1] : undefined
    const [plural, name, ...subresource] = namespaced ? rest.slice(2) : rest
    const resource = this.store.resources.find(
      (one) => one.group === group && one.version === version && one.plural === plural,
    )
    if (resource === undefined) return status(404, 'NotFound', 'the server could not find the requested resource')
    const watching = isTrue(seen.query.get('watch'))
    const verb = verbOf(seen.method, name !== undefined, watching)
    if (this.forbidden(verb, resource, namespace)) {
      const message = `${plural} is forbidden: User "test" cannot ${verb} resource "${plural}" in API group "${group}"`
      return status(403, 'Forbidden', message)
    }
    if (name === undefined) {
      if (watching) return this.watch(resource, namespace, seen, response)
      return seen.method === 'POST'
        ? this.objects.create(resource, namespace, seen)
        : this.list(resource, namespace, seen)
    }
    const key = namespace === undefined ? name : `${namespace}/${name}`
    if (subresource[0] === 'log') {
      return {status: 200, body: this.logs.get(key) ?? '', headers: {'content-type': 'text/plain'}}
    }
    return this.objects.single(resource, key, subresource[0], seen)
  }

  private discovery(group: string, version: string): Answer {
    const served = this.store.resources.filter((one) => one.group === group && one.version === version)
    if (served.length === 0) return status(404, 'NotFound', 'the server could not find the requested resource')
    const list = served.map(({plural, kind, namespaced}) => ({name: plural, kind, namespaced, verbs: ['get']}))
    const groupVersion = group === '' ? version : `${group}/${version}`
    return {status: 200, body: {kind: 'APIResourceList', groupVersion, resources: list}}
  }

  private list(resource: ServedResource, namespace: string | undefined, seen: SeenRequest): Answer {
    const accepts = selection(resource, seen.query)
    if (typeof accepts === 'string') return status(400, 'BadRequest', accepts)
    const limit = Number(seen.query.get('limit') ?? 0)
    const [id = '', from = '0'] = (seen.query.get('continue') ?? '').split(':')
    let snapshot = id === '' ? undefined : this.snapshots.get(id)
    if (id !== '' && snapshot === undefined) {
      return status(410, 'Expired', 'The provided continue parameter is too old to display a consistent list result.')
    }
    snapshot ??= {items: this.store.all(resource, namespace).filter(accepts), version: String(this.store.version)}
    const start = Number(from)
    const end = limit === 0 ? snapshot.items.length : start + limit
    let token: string | undefined
    if (end < snapshot.items.length) {
      const key = id === '' ? `s${++this.snapshotCount}` : id
      this.snapshots.set(key, snapshot)
      token = `${key}:${end}`
    } else this.snapshots.delete(id)
    const partial = wantsMetadata(seen)
    const items = snapshot.items.slice(start, end)
    return {
      status: 200,
      body: {
        kind: partial ? 'PartialObjectMetadataList' : `${resource.kind}List`,
        apiVersion: partial ? 'meta.k8s.io/v1' : apiVersionOf(resource),
        metadata: {resourceVersion: snapshot.version, ...(token === undefined ? {} : {continue: token})},
        // as the real one: items of built-in lists carry no kind
        items: items.map((object) => (partial ? metadataOf(object) : withoutType(object))),
      },
    }
  }

  private watch(
    resource: ServedResource,
    namespace: string | undefined,
    seen: SeenRequest,
    response: http.ServerResponse,
  ): Answer | undefined {
    const accepts = selection(resource, seen.query)
    if (typeof accepts === 'string') return status(400, 'BadRequest', accepts)
    const version = Number(seen.query.get('resourceVersion') || this.store.version)
    const partial = wantsMetadata(seen)
    const shown = (object: Json) => (partial ? metadataOf(object) : object)
    const write = (type: string, object: Json) => response.write(`${JSON.stringify({type, object})}\n`)
    const here = (object: Json) => namespace === undefined || object.metadata.namespace === namespace
    let began = false
    const early: StoredEvent[] = []
    const tell = (event: StoredEvent) => {
      if (!began) {
        early.push(event)
        return
      }
      if (!here(event.object)) return
      const is = event.type !== 'DELETED' && accepts(event.object)
      const was = event.previous !== undefined && accepts(event.previous)
      if (is) write(was ? 'MODIFIED' : 'ADDED', shown(event.object))
      else if (was)
        write(
          'DELETED',
          shown(event.type === 'DELETED' ? event.object : {...event.previous, metadata: event.object.metadata}),
        )
    }
    const stop = this.store.watch(resource, version, tell)
    if (stop === undefined) {
      const gone = status(410, 'Expired', `too old resource version: ${version} (${this.store.version})`)
      response.writeHead(200, {'content-type': 'application/json'})
      write('ERROR', gone.body)
      response.end()
      return undefined
    }
    response.writeHead(200, {'content-type': 'application/json'})
    response.flushHeaders()
    began = true
    for (const event of early) tell(event)
    const bookmarks = isTrue(seen.query.get('allowWatchBookmarks'))
    const watch: Watch = {
      response,
      bookmarks,
      bookmark: () => {
        if (!bookmarks) return
        const {kind} = resource
        write('BOOKMARK', {
          kind,
          apiVersion: apiVersionOf(resource),
          metadata: {resourceVersion: String(this.store.version), creationTimestamp: null},
        })
      },
      end: () => response.end(),
    }
    const seconds = Number(seen.query.get('timeoutSeconds') ?? 0)
    const timer = seconds > 0 ? setTimeout(() => watch.end(), seconds * 1000) : undefined
    const ticker =
      this.options.bookmarkMs === undefined ? undefined : setInterval(() => watch.bookmark(), this.options.bookmarkMs)
    timer?.unref()
    ticker?.unref()
    this.watches.add(watch)
    response.on('close', () => {
      stop()
      clearTimeout(timer)
      clearInterval(ticker)
      this.watches.delete(watch)
    })
    return undefined
  }
}

/** Starts a server that ends with `await using`. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer & AsyncDisposable> {
  const server = await new ApiServer(options).start()
  return Object.assign(server, {[Symbol.asyncDispose]: () => server.stop()})
}

function verbOf(method: string, named: boolean, watching: boolean): string {
  if (method === 'GET') return watching ? 'watch' : named ? 'get' : 'list'
  return {POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete'}[method] ?? method.toLowerCase()
}

function withoutType(object: Json): Json {
  const {apiVersion: _version, kind: _kind, ...rest} = object
  return rest
}
