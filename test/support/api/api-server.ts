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
import {createAuthority, issueCertificate} from '../../../src/lab/x509.ts'
import {keyOf, ObjectStore, type ServedResource, type StoredEvent} from './object-store.ts'
import {applyPatch, type Json, jsonPatch, mergePatch, noteOwner, PatchFailed, strategicPatch} from './patches.ts'
import {fieldSelector, labelSelector} from './selectors.ts'
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

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** What happens instead of an answer. */
export type FaultAction =
  | {
      readonly status: number
      readonly reason?: string
      readonly message?: string
      readonly retryAfter?: number
      readonly details?: object
    }
  | {readonly delayMs: number}
  /** a body that is no Kubernetes answer */
  | {readonly text: string}
  /** the connection is cut */
  | 'reset'
  /** nothing ever comes */
  | 'hang'

export interface FaultMatch {
  readonly method?: string
  readonly path?: RegExp
  /** true: only watches, false: only what is no watch */
  readonly watch?: boolean
  /** how often, for ever unless given */
  readonly times?: number
}

interface Fault extends FaultMatch {
  readonly action: FaultAction
  left: number
}

interface Watch {
  readonly response: http.ServerResponse
  readonly bookmarks: boolean
  bookmark(): void
  end(): void
}

type Answer = {readonly status: number; readonly body: Json; readonly headers?: Record<string, string>}

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
  private readonly faults: Fault[] = []
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

  /** Signs a client's certificate; the server does not ask for one, it only has to fit its key. */
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
    const fault: Fault = {...match, action, left: match.times ?? Number.POSITIVE_INFINITY}
    this.faults.push(fault)
    return () => {
      fault.left = 0
    }
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
    if (await this.fault(seen, request, response)) return
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

  private async fault(
    seen: SeenRequest,
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<boolean> {
    const watching = isTrue(seen.query.get('watch'))
    const fault = this.faults.find(
      ({left, method, path, watch}) =>
        left > 0 &&
        (method === undefined || method === seen.method) &&
        (path === undefined || path.test(seen.path)) &&
        (watch === undefined || watch === watching),
    )
    if (fault === undefined) return false
    fault.left--
    const {action} = fault
    if (action === 'hang') return true
    if (action === 'reset') {
      if (request.httpVersionMajor === 2) (response as unknown as http2.Http2ServerResponse).stream.session?.destroy()
      else request.socket.destroy()
      return true
    }
    if ('delayMs' in action) {
      await new Promise((resolve) => setTimeout(resolve, action.delayMs))
      return false
    }
    if ('text' in action) {
      response.writeHead(200)
      response.end(action.text)
      return true
    }
    const {status: code, reason = '', message = 'injected', retryAfter, details} = action
    response.writeHead(code, retryAfter === undefined ? {} : {'retry-after': String(retryAfter)})
    response.end(JSON.stringify({...status(code, reason, message).body, ...(details === undefined ? {} : {details})}))
    return true
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
      return seen.method === 'POST' ? this.create(resource, namespace, seen) : this.list(resource, namespace, seen)
    }
    const key = namespace === undefined ? name : `${namespace}/${name}`
    if (subresource[0] === 'log') {
      return {status: 200, body: this.logs.get(key) ?? '', headers: {'content-type': 'text/plain'}}
    }
    return this.single(resource, key, subresource[0], seen)
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

  private create(resource: ServedResource, namespace: string | undefined, seen: SeenRequest): Answer {
    const object = parse(seen.body)
    if (object?.metadata === undefined) return status(400, 'BadRequest', 'the body is no object')
    if (resource.namespaced && namespace === undefined) return status(400, 'BadRequest', 'a namespace is needed')
    if (object.metadata.name === undefined && object.metadata.generateName === undefined) {
      return invalid(resource, '', 'metadata.name', 'Required value: name or generateName is required')
    }
    if (object.metadata.resourceVersion)
      return status(400, 'BadRequest', 'resourceVersion should not be set on objects to be created')
    const placed = {...object, metadata: {...object.metadata, ...(namespace === undefined ? {} : {namespace})}}
    if (!resource.namespaced) delete placed.metadata.namespace
    const key = keyOf(placed)
    if (placed.metadata.name !== undefined && this.store.get(resource, key) !== undefined) {
      return status(409, 'AlreadyExists', `${resource.plural} "${placed.metadata.name}" already exists`)
    }
    if (resource.hasStatus) delete placed.status
    if (seen.query.get('dryRun') === 'All') return {status: 201, body: placed}
    const stored = this.store.create(resource, placed)
    noteOwner(undefined, stored, managerOf(seen), this.store.fieldOwners(resource, keyOf(stored)))
    if (resource.plural === resources.customResourceDefinitions.plural)
      return {status: 201, body: this.establish(stored)}
    return {status: 201, body: stored}
  }

  private single(resource: ServedResource, key: string, subresource: string | undefined, seen: SeenRequest): Answer {
    const before = this.store.get(resource, key)
    const name = key.split('/').pop()
    const missing = status(
      404,
      'NotFound',
      `${resource.plural}${resource.group === '' ? '' : `.${resource.group}`} "${name}" not found`,
    )
    if (subresource === 'status' && !resource.hasStatus)
      return status(404, 'NotFound', 'the server could not find the requested resource')
    if (seen.method === 'GET')
      return before === undefined ? missing : {status: 200, body: wantsMetadata(seen) ? metadataOf(before) : before}
    if (seen.method === 'DELETE') return before === undefined ? missing : this.delete(resource, key, before, seen)
    if (seen.method === 'PUT')
      return before === undefined ? missing : this.replace(resource, key, before, parse(seen.body), subresource, seen)
    if (seen.method !== 'PATCH') return status(405, 'MethodNotAllowed', 'not here')
    return this.patch(resource, key, before, subresource, seen, missing)
  }

  private replace(
    resource: ServedResource,
    key: string,
    before: Json,
    object: Json,
    subresource: string | undefined,
    seen: SeenRequest,
  ): Answer {
    if (object?.metadata?.name !== undefined && object.metadata.name !== before.metadata.name) {
      return status(400, 'BadRequest', 'the name of the object does not match the URL')
    }
    const version = object?.metadata?.resourceVersion
    if (version && version !== before.metadata.resourceVersion) {
      const message = `Operation cannot be fulfilled on ${resource.plural} "${before.metadata.name}": the object has been modified; please apply your changes to the latest version and try again`
      return status(409, 'Conflict', message)
    }
    if (object?.metadata?.uid && object.metadata.uid !== before.metadata.uid) {
      return status(409, 'Conflict', 'Precondition failed: UID in object meta does not match')
    }
    return this.write(resource, key, before, object, subresource, seen)
  }

  private patch(
    resource: ServedResource,
    key: string,
    before: Json | undefined,
    subresource: string | undefined,
    seen: SeenRequest,
    missing: Answer,
  ): Answer {
    const type = seen.headers['content-type'] ?? ''
    const patch = parse(seen.body)
    if (type.startsWith('application/apply-patch')) {
      const manager = seen.query.get('fieldManager')
      if (manager === null)
        return status(400, 'BadRequest', 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value')
      const owners = this.store.fieldOwners(resource, key)
      const merged = applyPatch(before, patch, manager, owners, isTrue(seen.query.get('force')))
      if (before !== undefined) return this.write(resource, key, before, merged, subresource, seen, true)
      const namespace = key.includes('/') ? key.split('/')[0] : undefined
      return this.create(resource, namespace, {...seen, query: new URLSearchParams({fieldManager: manager})})
    }
    if (before === undefined) return missing
    const wanted = patch?.metadata?.resourceVersion
    if (wanted && wanted !== before.metadata.resourceVersion)
      return status(409, 'Conflict', 'the object has been modified')
    if (type.startsWith('application/merge-patch'))
      return this.write(resource, key, before, mergePatch(before, patch), subresource, seen)
    if (type.startsWith('application/json-patch'))
      return this.write(resource, key, before, jsonPatch(before, patch), subresource, seen)
    if (!type.startsWith('application/strategic-merge-patch'))
      return status(415, 'UnsupportedMediaType', `the body of the request was in an unknown format: ${type}`)
    if (resource.group.includes('cilium'))
      return status(415, 'UnsupportedMediaType', 'strategic merge patch is not supported for custom resources')
    return this.write(resource, key, before, strategicPatch(before, patch), subresource, seen)
  }

  private write(
    resource: ServedResource,
    key: string,
    before: Json,
    after: Json,
    subresource: string | undefined,
    seen: SeenRequest,
    applied = false,
  ): Answer {
    const identity = {apiVersion: before.apiVersion, kind: before.kind}
    let next = {
      ...after,
      ...identity,
      metadata: {
        ...after.metadata,
        name: before.metadata.name,
        ...(before.metadata.namespace === undefined ? {} : {namespace: before.metadata.namespace}),
      },
    }
    if (before.metadata.deletionTimestamp !== undefined)
      next.metadata.deletionTimestamp = before.metadata.deletionTimestamp
    if (subresource === 'status') next = {...before, status: next.status}
    else if (resource.hasStatus)
      next = before.status === undefined ? without(next, 'status') : {...next, status: before.status}
    if (seen.query.get('dryRun') === 'All') return {status: 200, body: next}
    if (!applied) noteOwner(before, next, managerOf(seen), this.store.fieldOwners(resource, key))
    return {status: 200, body: this.store.update(resource, next, before)}
  }

  private delete(resource: ServedResource, key: string, before: Json, seen: SeenRequest): Answer {
    const options = seen.body === '' ? {} : parse(seen.body)
    const {uid, resourceVersion} = options?.preconditions ?? {}
    if (
      (uid && uid !== before.metadata.uid) ||
      (resourceVersion && resourceVersion !== before.metadata.resourceVersion)
    ) {
      return status(409, 'Conflict', 'Precondition failed')
    }
    if (options?.dryRun !== undefined) return {status: 200, body: before}
    const last = this.store.delete(resource, key)
    if (resource.plural === resources.customResourceDefinitions.plural) {
      for (const served of crdResources(before)) this.store.unserve(served)
    }
    return {status: 200, body: last}
  }

  /** A registered CRD is served at once. */
  private establish(crd: Json): Json {
    for (const served of crdResources(crd)) this.store.serve(served)
    const conditions = ['NamesAccepted', 'Established'].map((type) => ({type, status: 'True'}))
    return this.store.update(resources.customResourceDefinitions, {...crd, status: {conditions}}, crd)
  }
}

/** Starts a server that ends with `await using`. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer & AsyncDisposable> {
  const server = await new ApiServer(options).start()
  return Object.assign(server, {[Symbol.asyncDispose]: () => server.stop()})
}

function crdResources(crd: Json): ServedResource[] {
  const {group, scope, names, versions} = crd.spec
  return versions
    .filter((one: Json) => one.served)
    .map((one: Json) => ({
      group,
      version: one.name,
      plural: names.plural,
      kind: names.kind,
      namespaced: scope === 'Namespaced',
      hasStatus: one.subresources?.status !== undefined,
    }))
}

function selection(resource: Resource, query: URLSearchParams): ((object: Json) => boolean) | string {
  const labels = labelSelector(query.get('labelSelector') ?? '')
  const fields = fieldSelector(query.get('fieldSelector') ?? '')
  if (labels === undefined) return `unable to parse requirement: ${query.get('labelSelector')}`
  if (fields === undefined) return `invalid selector: ${query.get('fieldSelector')}`
  const custom = resource.group.endsWith('cilium.io')
  const unknown = fields.paths.find((path) => custom && path !== 'metadata.name' && path !== 'metadata.namespace')
  if (unknown !== undefined) return `field label not supported: ${unknown}`
  return (object) => labels(object.metadata.labels ?? {}) && fields.test(object)
}

function verbOf(method: string, named: boolean, watching: boolean): string {
  if (method === 'GET') return watching ? 'watch' : named ? 'get' : 'list'
  return {POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete'}[method] ?? method.toLowerCase()
}

function managerOf(seen: SeenRequest): string {
  return seen.query.get('fieldManager') ?? String(seen.headers['user-agent'] ?? 'unknown').split('/')[0]!
}

function wantsMetadata(seen: SeenRequest): boolean {
  return /as=PartialObjectMetadata/.test(seen.headers.accept ?? '')
}

function metadataOf({metadata}: Json): Json {
  return {kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata}
}

function withoutType(object: Json): Json {
  const {apiVersion: _version, kind: _kind, ...rest} = object
  return rest
}

function without(object: Json, field: string): Json {
  const {[field]: _left, ...rest} = object
  return rest
}

function invalid(resource: Resource, name: string, field: string, message: string): Answer {
  const answer = status(422, 'Invalid', `${resource.kind} "${name}" is invalid: ${field}: ${message}`)
  return {
    ...answer,
    body: {
      ...answer.body,
      details: {name, kind: resource.kind, causes: [{field, message, reason: 'FieldValueRequired'}]},
    },
  }
}

function status(code: number, reason: string, message: string): Answer {
  return {
    status: code,
    body: {kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code},
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isTrue(text: string | null): boolean {
  return text === 'true' || text === '1'
}
