/**
 * HTTP/2: all requests and watches of a process share one connection. A ping every 30 s while anything is open finds a
 * dead connection within 45 s, as the Go client does; otherwise a watch could wait for hours on a server that is gone.
 */
import http2 from 'node:http2'
import {isIP} from 'node:net'
import tls from 'node:tls'
import {http1Transport} from './http1.ts'
import type {HttpRequest, HttpResponse, TlsIdentity, Transport} from './transport.ts'

export interface Http2Options {
  readonly pingEveryMs?: number
  readonly pingTimeoutMs?: number
  readonly connectTimeoutMs?: number
}

const windowBytes = 1 << 20

/** A transport for an https server; falls back to HTTP/1.1 when the server does not offer HTTP/2. */
export function secureTransport(server: URL, identity: TlsIdentity, options: Http2Options = {}): Transport {
  return new SecureTransport(server, identity, options)
}

/** A session with the number of its open streams. */
interface Connection {
  readonly session: http2.ClientHttp2Session
  streams: number
}

class SecureTransport implements Transport {
  private readonly server: URL
  private readonly identity: TlsIdentity
  private readonly options: Http2Options
  private connecting: Promise<Connection | undefined> | undefined
  private current: Connection | undefined
  private readonly connections = new Set<Connection>()
  private fallback: Transport | undefined
  private closed = false

  constructor(server: URL, identity: TlsIdentity, options: Http2Options) {
    this.server = server
    this.identity = identity
    this.options = options
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt++) {
      const connection = this.current ?? (await this.connected(request.signal))
      if (connection === undefined) return this.fallback!.request(request)
      try {
        return await this.send(connection, request)
      } catch (thrown) {
        // refused before it was handled (the server is going away, or the session ended under us): ask on a new one
        if (attempt > 1 || !isUnprocessed(thrown) || request.signal?.aborted || this.closed) throw thrown
        this.leave(connection)
      }
    }
  }

  retire(): void {
    this.closed = true
    this.fallback?.retire()
    for (const {session} of this.connections) session.close()
  }

  close(): void {
    this.closed = true
    this.fallback?.close()
    for (const {session} of this.connections) session.destroy()
  }

  private async connected(signal: AbortSignal | undefined): Promise<Connection | undefined> {
    if (this.closed) throw new Error('the client is closed')
    if (this.fallback !== undefined) return undefined
    this.connecting ??= this.connect().finally(() => {
      this.connecting = undefined
    })
    return signal === undefined ? this.connecting : orAbort(this.connecting, signal)
  }

  private async connect(): Promise<Connection | undefined> {
    const socket = await this.dial()
    if (this.closed || socket.alpnProtocol !== 'h2') {
      socket.destroy()
      if (this.closed) throw new Error('the client is closed')
      this.fallback = http1Transport(this.server, this.identity)
      return undefined
    }
    const session = http2.connect(this.server.origin, {
      createConnection: () => socket,
      settings: {enablePush: false, initialWindowSize: windowBytes},
    })
    const connection: Connection = {session, streams: 0}
    this.connections.add(connection)
    this.current = connection
    const ping = setInterval(() => this.ping(connection), this.options.pingEveryMs ?? 30_000)
    ping.unref()
    session.on('connect', () => session.setLocalWindowSize(windowBytes * 16))
    session.on('goaway', () => this.leave(connection))
    session.on('error', () => this.leave(connection)) // every request of it gets the error, too
    session.on('close', () => {
      clearInterval(ping)
      this.leave(connection)
      this.connections.delete(connection)
    })
    session.unref() // an idle connection does not keep the process alive
    return connection
  }

  private dial(): Promise<tls.TLSSocket> {
    const {ca, cert, key, servername, insecure} = this.identity
    const host = this.server.hostname.replace(/^\[|\]$/g, '')
    const timeoutMs = this.options.connectTimeoutMs ?? 10_000
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host,
        port: Number(this.server.port || 443),
        ALPNProtocols: ['h2', 'http/1.1'],
        // a server name must not be an address (RFC 6066); the certificate is checked against the host all the same
        ...(servername !== undefined ? {servername} : isIP(host) === 0 ? {servername: host} : {}),
        ...(ca === undefined ? {} : {ca}),
        ...(cert === undefined ? {} : {cert}),
        ...(key === undefined ? {} : {key}),
        rejectUnauthorized: insecure !== true,
      })
      const timer = setTimeout(() => {
        socket.destroy(Object.assign(new Error(`no connection within ${timeoutMs} ms`), {code: 'ETIMEDOUT'}))
      }, timeoutMs)
      socket.setKeepAlive(true, 30_000)
      socket.setNoDelay(true)
      socket.once('secureConnect', () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        resolve(socket)
      })
      socket.once('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      socket.once('close', () => {
        clearTimeout(timer)
        reject(Object.assign(new Error('the server ended the connection'), {code: 'ECONNRESET'}))
      })
    })
  }

  private send(connection: Connection, request: HttpRequest): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      const {session} = connection
      const prefix = this.server.pathname.replace(/\/$/, '')
      const stream = session.request(
        {...request.headers, ':method': request.method, ':path': prefix + request.path},
        {endStream: request.body === undefined, ...(request.signal === undefined ? {} : {signal: request.signal})},
      )
      if (connection.streams++ === 0) session.ref()
      stream.on('close', () => {
        if (--connection.streams === 0 && !session.destroyed) session.unref()
        reject(Object.assign(new Error('the connection ended before the answer'), {code: 'ECONNRESET'}))
      })
      stream.on('response', (headers) => {
        const {':status': status = 0, ...rest} = headers
        resolve({status: Number(status), headers: flatten(rest), body: stream})
      })
      stream.on('error', reject)
      if (request.body !== undefined) stream.end(request.body)
    })
  }

  private ping({session, streams}: Connection): void {
    if (session.destroyed || streams === 0) return
    const timer = setTimeout(() => {
      session.destroy(Object.assign(new Error('the server does not answer pings'), {code: 'ETIMEDOUT'}))
    }, this.options.pingTimeoutMs ?? 15_000)
    timer.unref()
    // an error means that the session is ending already, and says so itself
    const sent = session.ping(() => clearTimeout(timer))
    if (!sent) clearTimeout(timer)
  }

  /** Takes no new requests to this connection; those that run go on. */
  private leave(connection: Connection): void {
    if (this.current === connection) this.current = undefined
    const {session} = connection
    if (!session.destroyed && !session.closed) session.close()
  }
}

/** The promise, or the signal's reason when that comes first. */
function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, {once: true})
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function isUnprocessed(thrown: unknown): boolean {
  const {code, message = ''} = thrown as NodeJS.ErrnoException
  return (
    code === 'ERR_HTTP2_GOAWAY_SESSION' ||
    code === 'ERR_HTTP2_INVALID_SESSION' ||
    message.includes('NGHTTP2_REFUSED_STREAM')
  )
}

function flatten(headers: http2.IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return flat
}
