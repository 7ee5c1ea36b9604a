/** Servers of the agent: routes by method and path, JSON in and out, errors as the API's readers expect them. */
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'

export interface ApiRequest {
  readonly method: string
  /** values of the pattern's `{names}` */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  /** the body as JSON; undefined when empty. @throws API_BODY_INVALID */
  body(): Promise<unknown>
}

export interface ApiReply {
  readonly status: number
  /** sent as JSON; undefined: no body */
  readonly body?: unknown
  readonly text?: string
  readonly type?: string
}

export type ApiHandler = (request: ApiRequest) => ApiReply | Promise<ApiReply>

/** `GET /v1/endpoint/{id}` → handler */
export type ApiRoutes = Readonly<Record<string, ApiHandler>>

export const ok = (body: unknown): ApiReply => ({status: 200, body})

export interface ApiServerOptions {
  readonly routes: ApiRoutes
  /** told of every answer: the pattern, not the path, so that the number of labels is bounded */
  readonly observe?: (pattern: string, method: string, status: number, seconds: number) => void
}

const maxBodyBytes = 1 << 20

interface Route {
  readonly method: string
  readonly pattern: string
  readonly expression: RegExp
  readonly handler: ApiHandler
}

export function apiServer({routes, observe}: ApiServerOptions): Server {
  const compiled = Object.entries(routes).map(([key, handler]) => compile(key, handler))
  const server = createServer((request, response) => {
    const began = performance.now()
    const url = new URL(request.url ?? '/', 'http://localhost')
    const method = request.method ?? 'GET'
    const known = compiled.filter((route) => route.expression.test(url.pathname))
    const route = known.find((one) => one.method === method)
    const done = (reply: ApiReply) => {
      send(response, reply)
      observe?.(route?.pattern ?? 'other', method, reply.status, (performance.now() - began) / 1000)
    }
    if (route === undefined) {
      request.resume()
      return done(known.length > 0 ? {status: 405} : {status: 404, body: 'no such path'})
    }
    run(route, request, url).then(done, (thrown: unknown) => done(failure(thrown)))
  })
  server.requestTimeout = 30_000
  server.maxConnections = 256
  return server
}

async function run(route: Route, request: IncomingMessage, url: URL): Promise<ApiReply> {
  const groups = route.expression.exec(url.pathname)?.groups ?? {}
  const params = Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decode(value)]))
  return route.handler({
    method: route.method,
    params,
    query: url.searchParams,
    headers: request.headers,
    body: () => readBody(request),
  })
}

function compile(key: string, handler: ApiHandler): Route {
  const [method = 'GET', pattern = '/'] = key.split(' ')
  const source = pattern.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)').replace(/\{(\w+)\*\}/g, '(?<$1>.+)')
  return {method, pattern, expression: new RegExp(`^${source}/?$`), handler}
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch (thrown) {
    return fail(codes.API_BODY_INVALID, {detail: 'the path is not well encoded'}, {cause: thrown})
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBodyBytes) fail(codes.API_BODY_INVALID, {detail: `it is longer than ${maxBodyBytes} bytes`})
    chunks.push(chunk)
  }
  if (length === 0) return undefined
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (thrown) {
    return fail(codes.API_BODY_INVALID, {detail: (thrown as Error).message}, {cause: thrown})
  }
}

const statuses: Readonly<Record<string, number>> = {
  [codes.ENDPOINT_NOT_FOUND]: 404,
  [codes.ENDPOINT_ID_INVALID]: 400,
  [codes.API_BODY_INVALID]: 400,
  [codes.CONFIG_KEY_IMMUTABLE]: 400,
  [codes.CONFIG_VALUE_INVALID]: 400,
  [codes.IPAM_ADDRESS_TAKEN]: 409,
  [codes.IPAM_ADDRESS_FOREIGN]: 400,
  [codes.IPAM_EXHAUSTED]: 502,
  [codes.IPAM_NOT_READY]: 502,
}

/** An error body is a bare JSON string. */
function failure(thrown: unknown): ApiReply {
  const error = CiliumError.from(thrown)
  return {status: statuses[error.code] ?? 500, body: `${error.code} ${error.message}`}
}

function send(response: ServerResponse, {status, body, text, type}: ApiReply): void {
  const content = text ?? (body === undefined ? '' : `${JSON.stringify(body)}\n`)
  const contentType = type ?? (text === undefined ? 'application/json' : 'text/plain; charset=utf-8')
  response.writeHead(status, {
    'x-content-type-options': 'nosniff',
    ...(content === '' ? {} : {'content-type': contentType}),
    'content-length': Buffer.byteLength(content),
  })
  response.end(content)
}
