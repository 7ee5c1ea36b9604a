/** Where the API server is and how we prove who we are. */
import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {isIPv6} from 'node:net'
import {delimiter} from 'node:path'
import {Cidr} from '../model/cidr.ts'
import {Ip} from '../model/ip.ts'
import type {Clock} from '../runtime/clock.ts'
import {systemClock} from '../runtime/clock.ts'
import {CiliumError, fail} from '../runtime/errors.ts'
import {k8sErrors} from './errors.ts'
import {ExecCredentials} from './exec-credential.ts'
import {
  type Impersonation,
  type KubeconfigPlace,
  kubeconfigPaths,
  loadKubeconfig,
  type ResolvedContext,
  resolveContext,
} from './kubeconfig.ts'
import {type RequestHeaders, readCredentialFile, type TlsIdentity} from './transport.ts'

export interface Credentials {
  /** servers to try, the first that works is used */
  readonly servers: readonly URL[]
  /** the context's namespace */
  readonly namespace: string
  /** name of the context, `in-cluster` inside a pod */
  readonly context: string
  /** For each new connection; certificates may have been renewed since the last. */
  tls(): Promise<TlsIdentity>
  /** For each request. */
  headers(): Promise<RequestHeaders>
  /** The server said 401: forgets what is cached. @returns whether the next attempt can go better */
  refresh(): Promise<{readonly headers: boolean; readonly connection: boolean}>
}

export interface CredentialOptions extends KubeconfigPlace {
  readonly context?: string
  readonly impersonate?: Impersonation
  /** API server URLs that replace what is configured (k8sServiceHost and the like) */
  readonly servers?: readonly string[]
  /** where a pod finds its service account */
  readonly serviceAccountFolder?: string
  readonly clock?: Clock
}

const defaultServiceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Finds a way in: the kubeconfig given, those of KUBECONFIG, ~/.kube/config, the service account of this pod.
 *
 * @throws K8S_NO_CONFIG, K8S_CONFIG_INVALID, K8S_CONTEXT_UNKNOWN
 */
export async function findCredentials(options: CredentialOptions = {}): Promise<Credentials> {
  const config = await loadKubeconfig(options)
  if (config !== undefined) return contextCredentials(resolveContext(config, options.context), options)
  const folder = options.serviceAccountFolder ?? defaultServiceAccountFolder
  if (existsSync(`${folder}/token`)) return inClusterCredentials(options)
  return fail(k8sErrors.K8S_NO_CONFIG, {path: kubeconfigPaths(options).join(delimiter)})
}

/**
 * The service account of the pod we run in: token and CA files are read again, because kubelet renews them.
 *
 * @throws K8S_NO_CONFIG when this is no pod
 */
export async function inClusterCredentials(options: CredentialOptions = {}): Promise<Credentials> {
  const {env = process.env, clock = systemClock} = options
  const folder = options.serviceAccountFolder ?? defaultServiceAccountFolder
  const host = env['KUBERNETES_SERVICE_HOST']
  const port = env['KUBERNETES_SERVICE_PORT'] || '443'
  const own = host ? [`https://${isIPv6(host) ? `[${host}]` : host}:${port}`] : []
  const servers = options.servers?.length ? options.servers : own
  if (servers.length === 0) fail(k8sErrors.K8S_NO_CONFIG, {path: `${folder} (KUBERNETES_SERVICE_HOST is not set)`})
  const token = new CachedFile(`${folder}/token`, clock)
  const namespace = await readFile(`${folder}/namespace`, 'utf8').catch(() => 'default')
  const impersonation = impersonationHeaders(options.impersonate)
  return {
    servers: servers.map(serverUrl),
    namespace: namespace.trim(),
    context: 'in-cluster',
    tls: async () => ({ca: await readCredentialFile(`${folder}/ca.crt`)}),
    headers: async () => ({...impersonation, authorization: `Bearer ${await token.text()}`}),
    async refresh() {
      return {headers: await token.changed(), connection: false}
    },
  }
}

/** Credentials of a kubeconfig's context. */
export function contextCredentials(target: ResolvedContext, options: CredentialOptions = {}): Credentials {
  const {cluster, user} = target
  const {clock = systemClock} = options
  const impersonation = impersonationHeaders(options.impersonate ?? user.impersonate)
  const tokenFile = user.tokenFile === undefined ? undefined : new CachedFile(user.tokenFile, clock)
  const plugin = user.exec === undefined ? undefined : new ExecCredentials(user.exec, cluster, clock)
  const proxyUrl = cluster.proxyUrl ?? proxyFromEnvironment(new URL(cluster.server), options.env ?? process.env)
  // what kubeconfigs rarely have is left to the stock client, whose import costs 80 MB and half a second
  const rare = user.authProvider !== undefined || proxyUrl !== undefined
  const library = rare
    ? import('./library-credentials.ts').then((module) => module.libraryCredentials(target, proxyUrl))
    : undefined
  library?.catch(() => {}) // seen by whoever asks first

  const base: Credentials = {
    servers: (options.servers?.length ? options.servers : [cluster.server]).map(serverUrl),
    namespace: target.namespace,
    context: target.name,
    async tls() {
      const issued = await plugin?.current()
      const ca = await fileOrData(cluster.caFile, cluster.caData)
      const cert = issued?.certificate ?? (await fileOrData(user.certFile, user.certData))
      const key = issued?.key ?? (await fileOrData(user.keyFile, user.keyData))
      const agent = (await library)?.agent
      return {
        ...(ca === undefined ? {} : {ca}),
        ...(cert === undefined ? {} : {cert}),
        ...(key === undefined ? {} : {key}),
        ...(cluster.tlsServerName === undefined ? {} : {servername: cluster.tlsServerName}),
        ...(cluster.insecure === undefined ? {} : {insecure: cluster.insecure}),
        ...(agent === undefined ? {} : {agent}),
      }
    },
    async headers() {
      const token = (await tokenFile?.text()) ?? user.token ?? (await plugin?.current())?.token
      if (token !== undefined) return {...impersonation, authorization: `Bearer ${token}`}
      if (user.username !== undefined) {
        const basic = Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')
        return {...impersonation, authorization: `Basic ${basic}`}
      }
      if (user.authProvider !== undefined) return {...impersonation, ...(await (await library!).headers())}
      return impersonation
    },
    async refresh() {
      if (tokenFile !== undefined) return {headers: await tokenFile.changed(), connection: false}
      if (plugin === undefined) return {headers: false, connection: false}
      plugin.forget()
      return {headers: true, connection: (await plugin.current()).certificate !== undefined}
    },
  }
  return base
}

/** A file that somebody renews; its content is believed for a minute. */
class CachedFile {
  private readonly path: string
  private readonly clock: Clock
  private content: string | undefined
  private readAt = 0

  constructor(path: string, clock: Clock) {
    this.path = path
    this.clock = clock
  }

  async text(): Promise<string> {
    if (this.content !== undefined && this.clock.monotonic() - this.readAt < 60_000) return this.content
    try {
      this.content = (await readCredentialFile(this.path)).toString('utf8').trim()
      this.readAt = this.clock.monotonic()
    } catch (thrown) {
      // being replaced right now: what was good a minute ago most likely still is
      if (this.content === undefined) throw thrown
    }
    return this.content
  }

  /** Reads again. @returns whether the content is another */
  async changed(): Promise<boolean> {
    const before = this.content
    this.readAt = Number.NEGATIVE_INFINITY
    return (await this.text()) !== before
  }
}

function impersonationHeaders(who: Impersonation | undefined): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  if (who?.user !== undefined) headers['impersonate-user'] = who.user
  if (who?.uid !== undefined) headers['impersonate-uid'] = who.uid
  if (who?.groups !== undefined && who.groups.length > 0) headers['impersonate-group'] = [...who.groups]
  for (const [key, values] of Object.entries(who?.extra ?? {})) {
    headers[`impersonate-extra-${encodeURIComponent(key)}`] = [...values]
  }
  return headers
}

function serverUrl(text: string): URL {
  const full = /^https?:\/\//.test(text) ? text : `https://${text}`
  if (!URL.canParse(full)) {
    throw new CiliumError(k8sErrors.K8S_CONFIG_INVALID, {path: text, detail: 'it is not the address of a server'})
  }
  return new URL(full)
}

async function fileOrData(file: string | undefined, data: string | undefined): Promise<Buffer | undefined> {
  if (data !== undefined) return Buffer.from(data, 'base64')
  return file === undefined ? undefined : readCredentialFile(file)
}

/** As Go's clients: HTTPS_PROXY for https servers, HTTP_PROXY for http ones, NO_PROXY exempts; never for loopback. */
function proxyFromEnvironment(server: URL, env: NodeJS.ProcessEnv): string | undefined {
  const kind = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = env[kind] || env[kind.toLowerCase()]
  const host = server.hostname.replace(/^\[|\]$/g, '')
  if (!proxy || host === 'localhost' || host === '::1' || host.startsWith('127.')) return undefined
  const exempt = (env['NO_PROXY'] || env['no_proxy'] || '').split(',').map((name) => name.trim())
  for (const name of exempt) {
    if (name === '') continue
    if (name === '*' || host === name || host.endsWith(name.startsWith('.') ? name : `.${name}`)) return undefined
    if (name.includes('/') && inNetwork(host, name)) return undefined
  }
  return /:\/\//.test(proxy) ? proxy : `http://${proxy}`
}

function inNetwork(host: string, network: string): boolean {
  const ip = Ip.parse(host)
  return ip !== undefined && (Cidr.parse(network)?.contains(ip) ?? false)
}
