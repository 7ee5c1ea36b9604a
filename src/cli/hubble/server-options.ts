/** How a server of Hubble is reached. */
export interface ServerOptions {
  /** host:port, tls://host:port or unix:///path */
  readonly server: string
  readonly timeoutMs: number
  readonly requestTimeoutMs: number
  readonly tls: boolean
  readonly tlsAllowInsecure: boolean
  readonly tlsCaFiles: readonly string[]
  readonly tlsCertFile: string | undefined
  readonly tlsKeyFile: string | undefined
  readonly tlsServerName: string | undefined
  /** PEM, in place of files */
  readonly tlsAuthorities?: string
  readonly tlsCertificate?: {readonly certificate: string; readonly key: string}
  readonly basicAuth: {readonly username: string; readonly password: string} | undefined
}
