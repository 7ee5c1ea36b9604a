import type {ServerOptions} from '../../../src/cli/hubble/server-options.ts'

/** How a server without TLS is reached, or one with more said. */
export function serverOptions(server: string, more: Partial<ServerOptions> = {}): ServerOptions {
  return {
    server,
    timeoutMs: 5000,
    requestTimeoutMs: 5000,
    tls: false,
    tlsAllowInsecure: false,
    tlsCaFiles: [],
    tlsCertFile: undefined,
    tlsKeyFile: undefined,
    tlsServerName: undefined,
    basicAuth: undefined,
    ...more,
  }
}
