/** HTTP over the agent's unix socket. */
import {type IncomingMessage, type RequestOptions, request} from 'node:http'
import {text} from 'node:stream/consumers'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {AGENT_NOT_FOUND, AGENT_REFUSED, AGENT_UNREACHABLE, AGENT_UNREADABLE, HOST_INVALID} from './errors.ts'

export const defaultSocket = 'unix:///var/run/cilium/cilium.sock'
/** how long the agent may take for an answer, unless the caller says otherwise */
const answerMs = 90_000

/** Which agent, as the flags say. */
export interface AgentOptions {
  /** unix:///path or tcp://host:port */
  readonly host: string
  readonly signal: AbortSignal
}

export interface AgentRequest {
  readonly method?: 'GET' | 'PATCH' | 'PUT' | 'DELETE' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: unknown
  readonly timeoutMs?: number
  /** prefix of the path; /v1 when absent */
  readonly base?: string
  /** what a 404 means, for its reader */
  readonly notFound?: {readonly what: string; readonly advice: string}
}

/**
 * Asks the agent.
 *
 * @param path below the base, with its slash
 * @returns the JSON of the answer; undefined for an empty one
 * @throws AGENT_UNREACHABLE, AGENT_REFUSED, AGENT_NOT_FOUND, AGENT_UNREADABLE
 */
export async function askAgent<T>(agent: AgentOptions, path: string, options: AgentRequest = {}): Promise<T> {
  const response = await send(agent, path, options)
  const body = await text(response).catch((cause: unknown) => unreachable(agent, cause))
  const status = response.statusCode ?? 0
  if (status === 404 && options.notFound !== undefined) fail(AGENT_NOT_FOUND, {...options.notFound})
  if (status < 200 || status > 299) fail(AGENT_REFUSED, {path, status, detail: plainError(body, response)})
  if (body.trim() === '') return undefined as T
  try {
    return JSON.parse(body) as T
  } catch (cause) {
    return fail(AGENT_UNREADABLE, {path, detail: 'it is no JSON'}, {cause})
  }
}

function send(agent: AgentOptions, path: string, options: AgentRequest): Promise<IncomingMessage> {
  const {method = 'GET', headers = {}, query = {}, body, timeoutMs = answerMs, base = '/v1'} = options
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const search = given.length === 0 ? '' : `?${new URLSearchParams(given)}`
  const content = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...addressOf(agent.host),
        method,
        path: `${base}${path}${search}`,
        headers: {
          host: 'localhost',
          accept: 'application/json',
          ...(content === undefined ? {} : {'content-type': 'application/json'}),
          ...headers,
        },
        signal: AbortSignal.any([agent.signal, AbortSignal.timeout(timeoutMs)]),
      },
      resolve,
    )
    sent.on('error', (cause) => {
      if (agent.signal.aborted) reject(agent.signal.reason)
      else {
        try {
          unreachable(agent, cause)
        } catch (error) {
          reject(error)
        }
      }
    })
    sent.end(content)
  })
}

function unreachable(agent: AgentOptions, cause: unknown): never {
  const {code, name, message} = cause as Error & {code?: string}
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such socket',
    ECONNREFUSED: 'nobody listens',
    EACCES: 'permission denied',
    TimeoutError: 'it did not answer in time',
  }
  const detail = reasons[code ?? ''] ?? reasons[name] ?? message
  throw new CiliumError(AGENT_UNREACHABLE, {host: agent.host, detail}, {cause})
}

function addressOf(host: string): RequestOptions {
  if (host.startsWith('unix://')) return {socketPath: host.slice('unix://'.length)}
  if (host.startsWith('/')) return {socketPath: host}
  const url = URL.parse(host)
  if (url?.protocol !== 'tcp:' || url.hostname === '') fail(HOST_INVALID, {host})
  return {host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 80 : Number(url.port)}
}

/** Error bodies are bare JSON strings; some answers have none. */
function plainError(body: string, {statusMessage}: IncomingMessage): string {
  if (body.trim() === '') return statusMessage ?? 'no reason given'
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'string' ? parsed : body.trim()
  } catch {
    return body.trim()
  }
}
