/** Kubeconfig files: found, merged and read as kubectl does. */
import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {delimiter, dirname, isAbsolute, join} from 'node:path'
import {CiliumError, fail} from '../runtime/errors.ts'
import {k8sErrors} from './errors.ts'

export interface KubeCluster {
  readonly server: string
  readonly caFile?: string
  readonly caData?: string
  readonly insecure?: boolean
  readonly tlsServerName?: string
  readonly proxyUrl?: string
}

export interface KubeUser {
  readonly certFile?: string
  readonly certData?: string
  readonly keyFile?: string
  readonly keyData?: string
  readonly token?: string
  readonly tokenFile?: string
  readonly username?: string
  readonly password?: string
  readonly impersonate?: Impersonation
  readonly exec?: ExecPlugin
  /** legacy providers (oidc and the like); the stock client knows them */
  readonly authProvider?: {readonly name: string; readonly config?: Readonly<Record<string, unknown>>}
}

export interface Impersonation {
  readonly user?: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/** A credential plugin (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion?: string
  readonly command: string
  readonly args?: readonly string[] | null
  readonly env?: readonly {readonly name: string; readonly value: string}[] | null
  readonly installHint?: string
  readonly provideClusterInfo?: boolean
  readonly interactiveMode?: 'Never' | 'IfAvailable' | 'Always'
}

export interface KubeContext {
  readonly name: string
  readonly cluster: string
  readonly user: string
  readonly namespace?: string
}

/** A kubeconfig, possibly merged of several files. */
export interface Kubeconfig {
  /** the files it came from */
  readonly paths: readonly string[]
  readonly currentContext: string | undefined
  readonly contexts: ReadonlyMap<string, KubeContext>
  readonly clusters: ReadonlyMap<string, KubeCluster>
  readonly users: ReadonlyMap<string, KubeUser>
}

/** What a context leads to. */
export interface ResolvedContext {
  readonly name: string
  readonly namespace: string
  readonly cluster: KubeCluster & {readonly name: string}
  readonly user: KubeUser & {readonly name: string}
}

export interface KubeconfigPlace {
  /** --kubeconfig */
  readonly path?: string
  readonly env?: NodeJS.ProcessEnv
}

/** The files that would be read: the one given, those of KUBECONFIG, or ~/.kube/config. */
export function kubeconfigPaths({path, env = process.env}: KubeconfigPlace = {}): string[] {
  if (path !== undefined && path !== '') return [path]
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((name) => name !== '')
  return listed.length > 0 ? listed : [join(env['HOME'] || homedir(), '.kube', 'config')]
}

/**
 * Reads and merges the files; of two entries with one name the first file's counts. Files of a KUBECONFIG list that are
 * missing are left out; one given with --kubeconfig must be there.
 *
 * @returns undefined when there is no file at all
 * @throws K8S_CONFIG_INVALID
 */
export async function loadKubeconfig(place: KubeconfigPlace = {}): Promise<Kubeconfig | undefined> {
  const explicit = place.path !== undefined && place.path !== ''
  const paths = kubeconfigPaths(place).filter((path) => explicit || existsSync(path))
  if (paths.length === 0) return undefined
  const contexts = new Map<string, KubeContext>()
  const clusters = new Map<string, KubeCluster>()
  const users = new Map<string, KubeUser>()
  let currentContext: string | undefined
  for (const path of paths) {
    const document = await readDocument(path)
    const absolute = (file: unknown) => (text(file) === undefined ? undefined : resolvePath(path, String(file)))
    currentContext ??= text(document['current-context'])
    for (const [name, entry] of named(path, document, 'contexts', 'context')) {
      const context = {name, cluster: text(entry['cluster']) ?? '', user: text(entry['user']) ?? ''}
      addFirst(contexts, name, withDefined(context, {namespace: text(entry['namespace'])}))
    }
    for (const [name, entry] of named(path, document, 'clusters', 'cluster')) {
      const cluster = withDefined(
        {server: text(entry['server']) ?? ''},
        {
          caFile: absolute(entry['certificate-authority']),
          caData: text(entry['certificate-authority-data']),
          insecure: entry['insecure-skip-tls-verify'] === true || undefined,
          tlsServerName: text(entry['tls-server-name']),
          proxyUrl: text(entry['proxy-url']),
        },
      )
      addFirst(clusters, name, cluster)
    }
    for (const [name, entry] of named(path, document, 'users', 'user')) {
      addFirst(users, name, readUser(entry, absolute))
    }
  }
  return {paths, currentContext, contexts, clusters, users}
}

/**
 * Follows a context to its cluster and user.
 *
 * @param wanted --context; the current one when absent
 * @throws K8S_CONTEXT_UNKNOWN, K8S_CONFIG_INVALID
 */
export function resolveContext(config: Kubeconfig, wanted?: string): ResolvedContext {
  const path = config.paths.join(delimiter)
  const name = wanted ?? config.currentContext
  if (name === undefined)
    fail(k8sErrors.K8S_CONFIG_INVALID, {path, detail: 'no current-context is set: give --context'})
  const context = config.contexts.get(name)
  if (context === undefined) {
    const contexts = [...config.contexts.keys()].sort().join(', ') || '(there are none)'
    return fail(k8sErrors.K8S_CONTEXT_UNKNOWN, {context: name, path, contexts})
  }
  const cluster = config.clusters.get(context.cluster)
  if (cluster === undefined || cluster.server === '') {
    const detail = `context ${name} names the cluster "${context.cluster}", which has no server`
    return fail(k8sErrors.K8S_CONFIG_INVALID, {path, detail})
  }
  if (!/^https?:\/\//.test(cluster.server) || !URL.canParse(cluster.server)) {
    return fail(k8sErrors.K8S_CONFIG_INVALID, {
      path,
      detail: `the server of cluster ${context.cluster} is no http(s) URL`,
    })
  }
  return {
    name,
    namespace: context.namespace ?? 'default',
    cluster: {...cluster, name: context.cluster},
    user: {...(config.users.get(context.user) ?? {}), name: context.user},
  }
}

function readUser(entry: Record<string, unknown>, absolute: (file: unknown) => string | undefined): KubeUser {
  const impersonate = withDefined(
    {},
    {
      user: text(entry['as']),
      uid: text(entry['as-uid']),
      groups: Array.isArray(entry['as-groups']) ? entry['as-groups'].map(String) : undefined,
      extra: isObject(entry['as-user-extra']) ? (entry['as-user-extra'] as Record<string, string[]>) : undefined,
    },
  )
  const exec = entry['exec']
  const provider = entry['auth-provider']
  return withDefined(
    {},
    {
      certFile: absolute(entry['client-certificate']),
      certData: text(entry['client-certificate-data']),
      keyFile: absolute(entry['client-key']),
      keyData: text(entry['client-key-data']),
      token: text(entry['token']),
      tokenFile: absolute(entry['tokenFile']),
      username: text(entry['username']),
      password: text(entry['password']),
      impersonate: Object.keys(impersonate).length > 0 ? impersonate : undefined,
      exec: isObject(exec) && typeof exec['command'] === 'string' ? readPlugin(exec, absolute) : undefined,
      authProvider:
        isObject(provider) && typeof provider['name'] === 'string' ? (provider as KubeUser['authProvider']) : undefined,
    },
  )
}

function readPlugin(exec: Record<string, unknown>, absolute: (file: unknown) => string | undefined): ExecPlugin {
  const plugin = exec as unknown as ExecPlugin
  // a command with a slash is relative to the file, a bare name is looked up in PATH
  return plugin.command.includes('/') ? {...plugin, command: absolute(plugin.command) ?? plugin.command} : plugin
}

async function readDocument(path: string): Promise<Record<string, unknown>> {
  const invalid = (detail: string, cause?: unknown) =>
    new CiliumError(k8sErrors.K8S_CONFIG_INVALID, {path, detail}, {cause})
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    throw invalid(code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`, thrown)
  }
  try {
    const document: unknown = content.trimStart().startsWith('{')
      ? JSON.parse(content)
      : (await import('yaml')).parse(content)
    if (document === null || document === undefined) return {}
    if (isObject(document)) return document
  } catch (thrown) {
    // the message quotes the line, which may hold a token: only its first line is shown
    throw invalid(`it is not YAML: ${String((thrown as Error).message).split('\n')[0]}`, thrown)
  }
  throw invalid('it is not a kubeconfig')
}

function* named(
  path: string,
  document: Record<string, unknown>,
  list: string,
  field: string,
): Generator<[string, Record<string, unknown>]> {
  const entries = document[list] ?? []
  if (!Array.isArray(entries)) {
    fail(k8sErrors.K8S_CONFIG_INVALID, {path, detail: `${list} is not a list`})
  }
  for (const entry of entries as unknown[]) {
    if (!isObject(entry) || typeof entry['name'] !== 'string') continue
    yield [entry['name'], isObject(entry[field]) ? entry[field] : {}]
  }
}

function addFirst<T>(map: Map<string, T>, name: string, value: T): void {
  if (!map.has(name)) map.set(name, value)
}

function resolvePath(config: string, file: string): string {
  return isAbsolute(file) ? file : join(dirname(config), file)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Defined<T> = {[K in keyof T]?: Exclude<T[K], undefined>}

function withDefined<A extends object, B extends object>(base: A, optional: B): A & Defined<B> {
  const present = Object.entries(optional).filter(([, value]) => value !== undefined)
  return Object.assign({}, base, Object.fromEntries(present)) as A & Defined<B>
}
