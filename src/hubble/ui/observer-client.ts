/** Asks an Observer: the relay, or one agent. The connection mends itself; questions asked without one wait for it. */
import {readFileSync} from 'node:fs'
import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  credentials,
  experimental,
  Metadata,
} from '@grpc/grpc-js'

export interface ObserverAddress {
  /** host:port or unix:///path */
  readonly target: string
  readonly tls: TlsOptions | undefined
}

export interface TlsOptions {
  readonly authorityFile: string | undefined
  readonly certificateFile: string | undefined
  readonly keyFile: string | undefined
  /** in the server's certificate, where it is not the target's */
  readonly serverName: string | undefined
}

interface Method<Q, R> {
  readonly path: string
  readonly requestSerialize: (value: Q) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => R
}

const tlsRefreshMs = 10_000

export class ObserverClient {
  readonly #client: Client

  constructor({target, tls}: ObserverAddress) {
    this.#client = new Client(target, tls === undefined ? credentials.createInsecure() : tlsCredentials(tls), {
      ...(tls?.serverName === undefined ? {} : {'grpc.ssl_target_name_override': tls.serverName}),
      'grpc.max_receive_message_length': 16 << 20,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.max_reconnect_backoff_ms': 10_000,
    })
  }

  /** @throws the ServiceError of gRPC */
  ask<Q, R>({path, requestSerialize, responseDeserialize}: Method<Q, R>, request: Q, timeoutMs: number): Promise<R> {
    return new Promise((resolve, reject) => {
      const options = {deadline: Date.now() + timeoutMs}
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        options,
        (error, value) => (error === null ? resolve(value!) : reject(error)),
      )
    })
  }

  /** Ends quietly when the signal is aborted. @throws the ServiceError of gRPC */
  async *stream<Q, R>(
    {path, requestSerialize, responseDeserialize}: Method<Q, R>,
    request: Q,
    signal: AbortSignal,
    onOpen: () => void,
  ): AsyncGenerator<R> {
    if (signal.aborted) return
    const call: ClientReadableStream<R> = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
    )
    call.once('metadata', onOpen)
    const stop = () => call.cancel()
    signal.addEventListener('abort', stop, {once: true})
    try {
      for await (const one of call) yield one as R
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    } finally {
      signal.removeEventListener('abort', stop)
      call.cancel()
    }
  }

  close(): void {
    this.#client.close()
  }
}

/** Files that change are read again. Without an authority of its own the system's are trusted. */
function tlsCredentials({authorityFile, certificateFile, keyFile}: TlsOptions): ChannelCredentials {
  const own = certificateFile !== undefined && keyFile !== undefined
  if (authorityFile === undefined) {
    return credentials.createSsl(null, own ? readFileSync(keyFile) : null, own ? readFileSync(certificateFile) : null)
  }
  const watch = experimental.FileWatcherCertificateProvider
  const refreshIntervalMs = tlsRefreshMs
  return experimental.createCertificateProviderChannelCredentials(
    new watch({caCertificateFile: authorityFile, refreshIntervalMs}),
    own ? new watch({certificateFile, privateKeyFile: keyFile, refreshIntervalMs}) : null,
  )
}
