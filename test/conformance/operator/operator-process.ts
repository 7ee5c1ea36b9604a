import {type ChildProcess, spawn} from 'node:child_process'
import {createServer} from 'node:net'
import {repositoryRoot} from '../../../scripts/release.ts'
import type {KubernetesApi} from '../../support/kubernetes-api.ts'

export interface OperatorProcess {
  readonly child: ChildProcess
  /** where /healthz answers */
  readonly health: string
  readonly metrics: string
  /** all lines so far */
  log(): string
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Short periods, so that a test sees what a cluster sees in half an hour. */
const quick = {
  'leader-election-lease-duration': '3s',
  'leader-election-renew-deadline': '2s',
  'leader-election-retry-period': '300ms',
  'nodes-gc-interval': '0s',
  'cilium-endpoint-gc-interval': '1s',
  'identity-gc-interval': '2s',
  'identity-heartbeat-timeout': '2s',
  'enable-ipv6': 'true',
  'cluster-pool-ipv4-cidr': '10.0.0.0/16',
  'cluster-pool-ipv6-cidr': 'fd00::/104',
  'k8s-namespace': 'kube-system',
  'enable-metrics': 'true',
}

const running = new Set<OperatorProcess>()

/** Starts bin/cilium-operator.js as a process of its own. */
export async function startOperator(api: KubernetesApi, flags: Record<string, string> = {}): Promise<OperatorProcess> {
  const [health, metrics] = [await freePort(), await freePort()]
  const all = {
    ...quick,
    'k8s-kubeconfig-path': api.kubeconfig,
    'operator-api-serve-addr': `127.0.0.1:${health}`,
    'operator-prometheus-serve-addr': `127.0.0.1:${metrics}`,
    ...flags,
  }
  const args = Object.entries(all).map(([key, value]) => `--${key}=${value}`)
  const child = spawn(process.execPath, [`${repositoryRoot}bin/cilium-operator.js`, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (log += data.toString()))

  const operator: OperatorProcess = {
    child,
    health: `http://127.0.0.1:${health}/healthz`,
    metrics: `http://127.0.0.1:${metrics}/metrics`,
    log: () => log,
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      running.delete(operator)
      return exited
    },
  }
  running.add(operator)
  return operator
}

/** Ends whatever a test left running. */
export async function stopOperators(): Promise<void> {
  for (const operator of [...running]) await operator.stop('SIGKILL')
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
