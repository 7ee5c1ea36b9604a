/**
 * The HTTP server that connectivity tests talk to. It answers with what it saw: who asked, from which address, with
 * which headers. The paths /public, /private, /auth-header-required, /client-ip and /hostname answer in the form
 * that existing test suites for Kubernetes networks look for.
 */
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {hostname} from 'node:os'
import type {Dial} from './dial.ts'
import {plainAddress} from './listen.ts'
import type {Stream} from './stream.ts'

const maxBodyBytes = 64 * 1024
const maxAnswerBytes = 64 * 1024 * 1024
const maxDelayMs = 60_000
const bearer = 'Bearer 123456'

/** What `GET /` (and every path without a meaning of its own) answers. */
export interface Echo {
  readonly hostname: string
  readonly client: {readonly address: string; readonly port: number}
  readonly server: {readonly address: string; readonly port: number}
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly bodyBytes: number
}

/** An HTTP server, not yet listening. */
export function httpEcho(streams: readonly Stream[] = [], dials: readonly Dial[] = []): Server {
  const server = createServer((request, response) => {
    void answer(request, response, streams, dials).catch((error: unknown) => {
      if (!response.headersSent) send(response, 500, {error: String(error)})
      else response.destroy()
    })
  })
  server.requestTimeout = 30_000
  server.headersTimeout = 10_000
  server.maxConnections = 4096
  return server
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  streams: readonly Stream[],
  dials: readonly Dial[],
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://workload')
  const [, word, argument] = url.pathname.split('/')
  const address = plainAddress(request.socket.remoteAddress)

  switch (word) {
    case 'public':
    case 'private':
      return send(response, 200, [{id: 1, body: `${word} information`}])
    case 'auth-header-required':
      return request.headers.authorization === bearer
        ? send(response, 200, [{id: 1, body: 'authorized'}])
        : send(response, 401, {error: 'authorization header required'})
    case 'client-ip':
      return send(response, 200, {'client-ip': address})
    case 'hostname':
      return send(response, 200, {hostname: hostname()})
    case 'status':
      return send(response, bounded(argument, 200, 599), {})
    case 'delay':
      await new Promise((resolve) => setTimeout(resolve, bounded(argument, 0, maxDelayMs)))
      return send(response, 200, {})
    case 'streams':
      return send(response, 200, argument === 'drain' ? await drainAll(streams) : streams.map((one) => one.count()))
    case 'dials':
      return send(response, 200, argument === 'drain' ? await drainAll(dials) : dials.map((one) => one.count()))
    case 'bytes':
      return sendBytes(response, bounded(argument, 0, maxAnswerBytes))
  }

  const bodyBytes = await countBody(request)
  if (bodyBytes === undefined) return send(response, 413, {error: `more than ${maxBodyBytes} bytes`})
  const echo: Echo = {
    hostname: hostname(),
    client: {address, port: request.socket.remotePort ?? 0},
    server: {address: plainAddress(request.socket.localAddress), port: request.socket.localPort ?? 0},
    method: request.method ?? '',
    path: request.url ?? '',
    headers: request.headers,
    bodyBytes,
  }
  send(response, 200, echo)
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {'content-type': 'application/json', 'content-length': Buffer.byteLength(text)})
  response.end(text)
}

/** A body of exactly this many bytes: large ones fill segments and show what a path's MTU does. */
function sendBytes(response: ServerResponse, count: number): void {
  response.writeHead(200, {'content-type': 'application/octet-stream', 'content-length': count})
  const chunk = Buffer.alloc(64 * 1024, 0x61)
  let left = count
  const more = () => {
    while (left > 0) {
      const part = chunk.subarray(0, Math.min(left, chunk.length))
      left -= part.length
      if (!response.write(part)) return void response.once('drain', more)
    }
    response.end()
  }
  more()
}

/** The length of the body; undefined when it is longer than what a test has reason to send. */
async function countBody(request: IncomingMessage): Promise<number | undefined> {
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > maxBodyBytes) return undefined
  }
  return bytes
}

function bounded(text: string | undefined, low: number, high: number): number {
  const value = Number(text)
  return Number.isInteger(value) ? Math.min(Math.max(value, low), high) : low
}

/** Ends all numbered traffic and says what was lost. */
function drainAll(streams: readonly (Stream | Dial)[]): Promise<unknown> {
  return Promise.all(streams.map((one) => one.drain()))
}
