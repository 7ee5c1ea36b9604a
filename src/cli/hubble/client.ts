/** The connection to a server of Hubble, and its answers. */
import type {Client, ClientReadableStream, Metadata, ServiceError} from '@grpc/grpc-js'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {
  HUBBLE_REFUSED,
  HUBBLE_TLS_MISMATCH,
  HUBBLE_TLS_REQUIRED,
  HUBBLE_UNIMPLEMENTED,
  HUBBLE_UNREACHABLE,
} from './errors.ts'
import type {ServerOptions} from './server-options.ts'

export interface Method<Q, R> {
  readonly path: string
  readonly requestSerialize: (value: Q) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => R
}

export class HubbleClient {
  readonly server: string
  readonly #client: Client
  readonly #metadata: Metadata
  readonly #requestTimeoutMs: number

  private constructor(server: string, client: Client, metadata: Metadata, requestTimeoutMs: number) {
    this.server = server
    this.#client = client
    this.#metadata = metadata
    this.#requestTimeoutMs = requestTimeoutMs
  }

  /** @throws HUBBLE_UNREACHABLE, HUBBLE_TLS_REQUIRED */
  static async connect(options: ServerOptions, signal: AbortSignal): Promise<HubbleClient> {
    // not the library itself: of a bundled CommonJS module, import() gives `default` alone
    const {openChannel} = await import('./channel.ts')
    const secured = options.tls || options.server.startsWith('tls://')
    const files = [options.tlsCertFile, options.tlsKeyFile, ...options.tlsCaFiles].filter((file) => file !== undefined)
    if (!secured && (files.length > 0 || options.basicAuth !== undefined)) {
      fail(HUBBLE_TLS_REQUIRED, {detail: 'certificates and passwords are used with TLS only'})
    }
    if ((options.tlsCertFile === undefined) !== (options.tlsKeyFile === undefined)) {
      fail(HUBBLE_TLS_REQUIRED, {detail: 'a client certificate and its key come together'})
    }
    const {client, metadata} = openChannel(options, secured)
    await new Promise<void>((resolve, reject) => {
      const stop = () => reject(signal.reason)
      signal.addEventListener('abort', stop, {once: true})
      client.waitForReady(Date.now() + options.timeoutMs, (error) => {
        signal.removeEventListener('abort', stop)
        if (error === undefined || error === null) return resolve()
        const detail = `no connection after ${options.timeoutMs} ms${secured ? ' (with TLS)' : ''}`
        reject(new CiliumError(HUBBLE_UNREACHABLE, {server: options.server, detail}, {cause: error}))
      })
    }).catch(async (thrown: unknown) => {
      client.close()
      throw signal.aborted ? thrown : await explainSilence(options.server, secured, thrown)
    })
    return new HubbleClient(options.server, client, metadata, options.requestTimeoutMs)
  }

  unary<Q, R>({path, requestSerialize, responseDeserialize}: Method<Q, R>, request: Q): Promise<R> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + this.#requestTimeoutMs
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.#metadata,
        {deadline},
        (error, value) => (error === null ? resolve(value!) : reject(this.#explain(error))),
      )
    })
  }

  /** Ends quietly when the signal is aborted. */
  async *stream<Q, R>(
    {path, requestSerialize, responseDeserialize}: Method<Q, R>,
    request: Q,
    signal: AbortSignal,
  ): AsyncGenerator<R> {
    const call: ClientReadableStream<R> = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      this.#metadata,
    )
    const stop = () => call.cancel()
    signal.addEventListener('abort', stop, {once: true})
    try {
      for await (const one of call) yield one as R
    } catch (thrown) {
      if (!signal.aborted) throw this.#explain(thrown as ServiceError)
    } finally {
      signal.removeEventListener('abort', stop)
      call.cancel()
    }
  }

  /** Sends all requests and takes the answers to them, of a stream that ends with them. */
  async exchange<Q, R>(
    {path, requestSerialize, responseDeserialize}: Method<Q, R>,
    requests: readonly Q[],
  ): Promise<R[]> {
    const deadline = Date.now() + this.#requestTimeoutMs
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, this.#metadata, {
      deadline,
    })
    for (const request of requests) call.write(request)
    call.end()
    const answers: R[] = []
    try {
      for await (const one of call) answers.push(one as R)
    } catch (thrown) {
      throw this.#explain(thrown as ServiceError)
    }
    return answers
  }

  close(): void {
    this.#client.close()
  }

  #explain(error: ServiceError): CiliumError {
    const fields = {server: this.server, detail: error.details || error.message}
    if (error.code === 12) return new CiliumError(HUBBLE_UNIMPLEMENTED, fields, {cause: error})
    if (error.code === 3) return new CiliumError(HUBBLE_REFUSED, fields, {cause: error})
    if (/ssl|tls|certificate|EPROTO|wrong version/i.test(fields.detail))
      return new CiliumError(HUBBLE_TLS_MISMATCH, fields, {cause: error})
    return new CiliumError(HUBBLE_UNREACHABLE, fields, {cause: error})
  }
}

/** A server that speaks TLS says nothing to one that does not, and the other way round. */
async function explainSilence(server: string, secured: boolean, thrown: unknown): Promise<unknown> {
  const {probeTls} = await import('./tls-probe.ts')
  const speaks = await probeTls(server)
  if (speaks === undefined || (speaks === 'tls') === secured) return thrown
  const detail = secured ? 'it speaks without TLS' : 'it speaks TLS'
  return new CiliumError(HUBBLE_TLS_MISMATCH, {server, detail}, {cause: thrown})
}
