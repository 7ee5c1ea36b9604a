/** The connection to one node: made anew when certificates change, tried again when it breaks. */
import {readFileSync, statSync} from 'node:fs'
import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  connectivityState,
  credentials,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js'

export interface ClientFiles {
  readonly certificate: string
  readonly key: string
  readonly authorities: readonly string[]
}

export interface Method<Q, R> {
  readonly path: string
  readonly requestSerialize: (value: Q) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => R
}

export interface NodeChannelOptions {
  /** host:port, IPv6 in brackets, or unix:///path */
  readonly target: string
  /** undefined: without TLS */
  readonly files: ClientFiles | undefined
  /** name in the certificate of the other end */
  readonly tlsName: string | undefined
  readonly retryMs: number
  readonly timeoutMs: number
}

export class NodeChannel {
  readonly #options: NodeChannelOptions
  #client: Client | undefined
  #made = ''
  /** streams that run, by the connection that they began on */
  readonly #streams = new Map<Client, number>()

  constructor(options: NodeChannelOptions) {
    this.#options = options
  }

  get secured(): boolean {
    return this.#options.files !== undefined && this.#options.tlsName !== undefined
  }

  /** Is it connected? Begins to connect when it is not. */
  get isConnected(): boolean {
    return this.#current.getChannel().getConnectivityState(true) === connectivityState.READY
  }

  unary<Q, R>({path, requestSerialize, responseDeserialize}: Method<Q, R>, request: Q): Promise<R> {
    const deadline = Date.now() + this.#options.timeoutMs
    return new Promise((resolve, reject) => {
      this.#current.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        {deadline},
        (error, value) => (error === null ? resolve(value!) : reject(error)),
      )
    })
  }

  async *stream<Q, R>(
    {path, requestSerialize, responseDeserialize}: Method<Q, R>,
    request: Q,
    signal: AbortSignal,
    metadata?: Metadata,
  ): AsyncGenerator<R> {
    const client = this.#current
    const call: ClientReadableStream<R> =
      metadata === undefined
        ? client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
        : client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata)
    this.#streams.set(client, (this.#streams.get(client) ?? 0) + 1)
    const stop = () => call.cancel()
    signal.addEventListener('abort', stop, {once: true})
    try {
      for await (const one of call) yield one as R
    } finally {
      signal.removeEventListener('abort', stop)
      // a call that is left has no reader for its last error
      call.on('error', (_: ServiceError) => {})
      call.cancel()
      this.#left(client)
    }
  }

  close(): void {
    this.#client?.close()
    this.#client = undefined
    for (const client of this.#streams.keys()) client.close()
  }

  /** A connection with earlier certificates ends with its last stream: whoever follows is not cut off. */
  #left(client: Client): void {
    const left = this.#streams.get(client)! - 1
    if (left > 0) {
      this.#streams.set(client, left)
      return
    }
    this.#streams.delete(client)
    if (client !== this.#client) client.close()
  }

  get #current(): Client {
    const made = this.#fingerprint()
    if (this.#client !== undefined && made === this.#made) return this.#client
    if (this.#client !== undefined && !this.#streams.has(this.#client)) this.#client.close()
    const {target, tlsName, retryMs} = this.#options
    this.#made = made
    this.#client = new Client(target, this.#credentials(), {
      ...(tlsName === undefined ? {} : {'grpc.ssl_target_name_override': tlsName}),
      'grpc.max_receive_message_length': 64 << 20,
      'grpc.max_reconnect_backoff_ms': retryMs,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      // each has a connection of its own: nobody else's certificates
      'grpc.use_local_subchannel_pool': 1,
    })
    return this.#client
  }

  #credentials(): ChannelCredentials {
    const {files} = this.#options
    if (files === undefined || !this.secured) return credentials.createInsecure()
    const authorities = Buffer.concat(files.authorities.map((file) => readFileSync(file)))
    return credentials.createSsl(authorities, readFileSync(files.key), readFileSync(files.certificate))
  }

  /** Which versions of the files the connection was made with. */
  #fingerprint(): string {
    const {files} = this.#options
    if (files === undefined || !this.secured) return 'plain'
    return [files.certificate, files.key, ...files.authorities]
      .map((file) => {
        const {mtimeMs, ino} = statSync(file)
        return `${mtimeMs} ${ino}`
      })
      .join()
  }
}
