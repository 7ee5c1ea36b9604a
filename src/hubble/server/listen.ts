/** Servers of gRPC on a unix socket (plain, for this machine) and a port (TLS when there are certificates). */
import {chmodSync, mkdirSync, rmSync} from 'node:fs'
import {dirname} from 'node:path'
import {
  experimental,
  Server,
  ServerCredentials,
  type ServerInterceptor,
  type ServiceDefinition,
  type UntypedHandleCall,
} from '@grpc/grpc-js'
import {fail} from '../../runtime/errors.ts'
import {callLimit} from './call-limit.ts'
import {HUBBLE_LISTEN_FAILED} from './errors.ts'

export interface TlsFiles {
  readonly certificate: string
  readonly key: string
  /** authorities of clients; clients must have a certificate when this is given */
  readonly clientAuthority: string | undefined
}

export interface GrpcService {
  readonly definition: ServiceDefinition
  readonly handlers: Record<string, UntypedHandleCall>
}

const tlsRefreshMs = 10_000
/** of one server, whoever asks */
const streamsMax = 1024
const limits = {
  'grpc.max_receive_message_length': 4 << 20,
  'grpc.max_concurrent_streams': 1024,
  // half-open connections end
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
}

/** @throws HUBBLE_LISTEN_FAILED */
export async function listenOnUnixSocket(
  path: string,
  services: readonly GrpcService[],
  interceptors: readonly ServerInterceptor[] = [],
): Promise<Server> {
  mkdirSync(dirname(path), {recursive: true})
  rmSync(path, {force: true})
  const server = await listen(`unix://${path}`, ServerCredentials.createInsecure(), services, interceptors)
  chmodSync(path, 0o660)
  return server
}

/**
 * @param address `:4244`, `host:port`
 * @param tls undefined: without; files that change are read again
 * @throws HUBBLE_LISTEN_FAILED
 */
export function listenOnAddress(
  address: string,
  tls: TlsFiles | undefined,
  services: readonly GrpcService[],
  interceptors: readonly ServerInterceptor[] = [],
): Promise<Server> {
  const target = address.startsWith(':') ? `[::]${address}` : address
  const credentials = tls === undefined ? ServerCredentials.createInsecure() : tlsCredentials(tls)
  return listen(target, credentials, services, interceptors)
}

export function closeGrpcServer(server: Server): void {
  server.forceShutdown()
}

function tlsCredentials({certificate, key, clientAuthority}: TlsFiles): ServerCredentials {
  const provider = new experimental.FileWatcherCertificateProvider({
    certificateFile: certificate,
    privateKeyFile: key,
    ...(clientAuthority === undefined ? {} : {caCertificateFile: clientAuthority}),
    refreshIntervalMs: tlsRefreshMs,
  })
  return experimental.createCertificateProviderServerCredentials(
    provider,
    clientAuthority === undefined ? null : provider,
    clientAuthority !== undefined,
  )
}

async function listen(
  target: string,
  credentials: ServerCredentials,
  services: readonly GrpcService[],
  interceptors: readonly ServerInterceptor[],
): Promise<Server> {
  const server = new Server({...limits, interceptors: [...interceptors, callLimit(streamsMax)]})
  for (const {definition, handlers} of services) server.addService(definition, handlers)
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error) => {
      if (error === null) return resolve(server)
      try {
        fail(HUBBLE_LISTEN_FAILED, {address: target, detail: error.message}, {cause: error})
      } catch (thrown) {
        reject(thrown)
      }
    })
  })
}
