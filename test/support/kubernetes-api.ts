/**
 * A real etcd and kube-apiserver for tests: nothing else of a cluster, on loopback, in a folder of their own.
 * Ready in about four seconds. Binaries: $KUBERNETES_BIN_DIR, or what `cilium lab up` has built.
 */
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {request} from 'node:https'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {cacheFolder} from '../../src/lab/paths.ts'

const token = 'conformance-test'

export interface ApiAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any
  /** texts of the Warning headers */
  readonly warnings: readonly string[]
}

export interface KubernetesApi {
  readonly kubeconfig: string
  readonly binaries: string
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiAnswer>
  /** Server-side apply with strict field validation: what `kubectl apply --server-side` does. */
  apply(path: string, object: unknown): Promise<ApiAnswer>
  /** Ends the API server and starts it again on the same port and state. */
  restart(): Promise<void>
  /** Forgets etcd's history up to now: versions before are then "too old". */
  compact(): Promise<void>
  /** The API server stops answering, its connections stay open: as a machine that hangs. */
  hang(): void
  /** It goes on. */
  wake(): void
  stop(): Promise<void>
}

/** Starts both processes and waits until the API server is ready. @throws when a binary is missing or does not start */
export async function startKubernetesApi(): Promise<KubernetesApi> {
  const binaries = binariesFolder()
  const folder = await mkdtemp(join(tmpdir(), 'kubernetes-api-'))
  const [client, peer, port] = [await freePort(), await freePort(), await freePort()]
  const start = (file: string, args: readonly string[]) =>
    execa(file, args, {cwd: folder, reject: false, stdio: 'ignore', forceKillAfterDelay: 5000})
  const processes: ReturnType<typeof start>[] = []
  const run = (file: string, args: readonly string[]) => {
    const started = start(file, args)
    processes.push(started)
    return started
  }
  const stop = async () => {
    for (const started of processes.reverse()) {
      started.kill()
      await started
    }
    await rm(folder, {recursive: true, force: true})
  }

  run('etcd', [
    `--data-dir=${folder}/etcd`,
    `--listen-client-urls=http://127.0.0.1:${client}`,
    `--advertise-client-urls=http://127.0.0.1:${client}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
    '--unsafe-no-fsync',
  ])
  await execa('openssl', ['genrsa', '-out', `${folder}/sa.key`, '2048'], {stdio: 'ignore'})
  await writeFile(`${folder}/tokens.csv`, `${token},admin,admin,"system:masters"\n`)
  const apiServerArguments = [
    `--etcd-servers=http://127.0.0.1:${client}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${folder}/certificates`,
    `--service-account-key-file=${folder}/sa.key`,
    `--service-account-signing-key-file=${folder}/sa.key`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--token-auth-file=${folder}/tokens.csv`,
    '--authorization-mode=RBAC',
    '--allow-privileged=true',
    '--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112',
    '--disable-admission-plugins=ServiceAccount',
    '--endpoint-reconciler-type=none',
  ]
  let apiServer = run(join(binaries, 'kube-apiserver'), apiServerArguments)

  const call = async (method: string, path: string, body?: unknown, contentType = 'application/json') =>
    send({port, ca: await readFile(`${folder}/certificates/apiserver.crt`), method, path, body, contentType})
  const kubeconfig = `${folder}/kubeconfig`
  try {
    await ready(call)
    await writeFile(kubeconfig, kubeconfigText(port, readFileSync(`${folder}/certificates/apiserver.crt`)), {
      mode: 0o600,
    })
  } catch (thrown) {
    await stop()
    throw thrown
  }
  return {
    kubeconfig,
    binaries,
    call,
    apply: (path, object) =>
      call(
        'PATCH',
        `${path}?fieldManager=test&force=true&fieldValidation=Strict`,
        object,
        'application/apply-patch+yaml',
      ),
    hang: () => void apiServer.kill('SIGSTOP'),
    wake: () => void apiServer.kill('SIGCONT'),
    async restart() {
      apiServer.kill()
      await apiServer
      apiServer = run(join(binaries, 'kube-apiserver'), apiServerArguments)
      await ready(call)
    },
    async compact() {
      const ask = async (path: string, body: object) => {
        const answer = await fetch(`http://127.0.0.1:${client}${path}`, {method: 'POST', body: JSON.stringify(body)})
        if (!answer.ok) throw new Error(`etcd answers ${answer.status}: ${await answer.text()}`)
        return (await answer.json()) as {header: {revision: string}}
      }
      const {header} = await ask('/v3/kv/range', {key: btoa('compaction')})
      await ask('/v3/kv/compaction', {revision: header.revision, physical: true})
    },
    stop,
  }
}

async function ready(call: KubernetesApi['call']): Promise<void> {
  const until = Date.now() + 60_000
  for (let last: unknown; ; ) {
    try {
      const {status, body} = await call('GET', '/readyz')
      if (status === 200) return
      last = body
    } catch (thrown) {
      last = thrown
    }
    if (Date.now() > until) throw new Error('kube-apiserver did not become ready', {cause: last})
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

interface Call {
  readonly port: number
  readonly ca: Buffer
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly contentType: string
}

function send({port, ca, method, path, body, contentType}: Call): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const headers = {authorization: `Bearer ${token}`, 'content-type': contentType, accept: 'application/json'}
    const outgoing = request({host: '127.0.0.1', port, ca, method, path, headers}, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const warnings = (incoming.headersDistinct['warning'] ?? []).map((line) => line.replace(/^299 - "|"$/g, ''))
        resolve({status: incoming.statusCode ?? 0, body: text.startsWith('{') ? JSON.parse(text) : text, warnings})
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  })
}

function kubeconfigText(port: number, certificate: Buffer): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'test',
        cluster: {server: `https://127.0.0.1:${port}`, 'certificate-authority-data': certificate.toString('base64')},
      },
    ],
    users: [{name: 'admin', user: {token}}],
    contexts: [{name: 'test', context: {cluster: 'test', user: 'admin'}}],
    'current-context': 'test',
  })
}

function binariesFolder(): string {
  const given = process.env['KUBERNETES_BIN_DIR']
  if (given !== undefined) return given
  const cache = cacheFolder()
  const versions = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('v')) : []
  const built = versions
    .map((name) => join(cache, name, 'bin'))
    .filter((bin) => existsSync(join(bin, 'kube-apiserver')))
  const newest = built.sort().at(-1)
  if (newest === undefined) throw new Error('no kube-apiserver: set KUBERNETES_BIN_DIR, or run "cilium lab up" once')
  return newest
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
