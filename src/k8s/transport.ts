/** How requests get to a server: over HTTP/2 where it speaks that (one connection for everything), else HTTP/1.1. */
import {readFile} from 'node:fs/promises'
import type {Agent} from 'node:http'
import {CiliumError} from '../runtime/errors.ts'
import {k8sErrors} from './errors.ts'

export type RequestHeaders = Readonly<Record<string, string | string[]>>

export interface HttpRequest {
  readonly method: string
  /** path with query */
  readonly path: string
  readonly headers: RequestHeaders
  readonly body?: string | Uint8Array
  /** ends the request, also while its answer is read */
  readonly signal?: AbortSignal
}

export interface HttpResponse {
  readonly status: number
  /** names in lower case */
  readonly headers: Readonly<Record<string, string>>
  /** must be read to its end or destroyed */
  readonly body: HttpBody
}

export interface HttpBody extends AsyncIterable<Buffer> {
  destroy(error?: Error): unknown
  once(event: 'close', listener: () => void): unknown
}

/** What a connection needs to be trusted and to be known by. */
export interface TlsIdentity {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly insecure?: boolean
  /** goes through a proxy */
  readonly agent?: Agent
}

export interface Transport {
  /** Resolves when the head of the answer is there. Rejects with a node error when there is no answer. */
  request(request: HttpRequest): Promise<HttpResponse>
  /** Takes no new requests; what runs goes on, what is idle is closed. */
  retire(): void
  /** Ends all connections. Requests that run fail. */
  close(): void
}

const tlsCodes = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_TLS|SSL_|ERR_SSL|EPROTO|DEPTH_ZERO|HOSTNAME_MISMATCH/

/** Turns what a socket throws into K8S_TLS or K8S_UNREACHABLE. */
export function connectionError(server: string, thrown: unknown): CiliumError {
  if (thrown instanceof CiliumError) return thrown
  const {code = '', message = String(thrown)} = (thrown ?? {}) as NodeJS.ErrnoException
  const nested = thrown instanceof AggregateError ? thrown.errors.map((error: Error) => error.message).join('; ') : ''
  const detail = message || nested || code || 'the connection ended'
  const kind = tlsCodes.test(code) ? k8sErrors.K8S_TLS : k8sErrors.K8S_UNREACHABLE
  return new CiliumError(kind, {server, detail}, {cause: thrown})
}

/** Reads a body to its end. @throws when it is longer than `limit` bytes */
export async function readBody(body: HttpBody, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > limit) {
      body.destroy()
      throw new RangeError(`it has more than ${limit} bytes`)
    }
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

/** Reads a file of credentials. @throws K8S_CONFIG_INVALID */
export async function readCredentialFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (thrown) {
    const detail = `it cannot be read (${(thrown as NodeJS.ErrnoException).code})`
    throw new CiliumError(k8sErrors.K8S_CONFIG_INVALID, {path, detail}, {cause: thrown})
  }
}
