/**
 * The operator: what has to be done once for a cluster and not on every node.
 *
 *     flags, cilium-config ─► definitions ─► election ─► lead: follow objects ─► pod CIDRs, taints, garbage
 *                               (every replica)            (one replica)
 */
import {randomBytes} from 'node:crypto'
import {hostname} from 'node:os'
import {ClientMetrics, connectKube, type KubeClient} from '../k8s/client.ts'
import {serverVersion} from '../k8s/discovery.ts'
import {LeaderElection} from '../k8s/leader-election.ts'
import {Backoff} from '../runtime/backoff.ts'
import {type Clock, sleep, systemClock} from '../runtime/clock.ts'
import {readConfigDirectory} from '../runtime/config-directory.ts'
import {CiliumError, fail, hasCode} from '../runtime/errors.ts'
import {exitCodes} from '../runtime/exit-codes.ts'
import {Lifecycle} from '../runtime/lifecycle.ts'
import {createLog, type Log, type LogLevel, logLevels, type RootLog} from '../runtime/log.ts'
import {FdSink} from '../runtime/log-sink.ts'
import {MetricRegistry} from '../runtime/metrics.ts'
import {registerProcessMetrics} from '../runtime/process-metrics.ts'
import {ReconcilerMetrics} from '../runtime/reconciler.ts'
import {runtimeErrors} from '../runtime/runtime-errors.ts'
import {versionText} from '../runtime/version.ts'
import {close, healthServer, type Listener, listen, metricsServer, parseListenAddress} from './api-server.ts'
import {isOperatorKey, type OperatorConfig, parseOperatorConfig} from './config.ts'
import {registerDefinitions} from './crd/registration.ts'
import {CRD_NOT_ESTABLISHED, OPERATOR_FLAG_INVALID} from './errors.ts'
import {lead} from './leader.ts'
import {metricPrefix, OperatorMetrics} from './metrics.ts'

const leaseName = 'cilium-operator-resource-lock'

/** Entry of the process. Resolves with its exit code. */
export async function main(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  if (argv[0] === '--version' || argv[0] === 'version') {
    console.log(`cilium-operator ${versionText()}`)
    return exitCodes.ok
  }
  try {
    const {folder, overrides} = parseFlags(argv)
    const texts = folder === undefined ? [] : await readConfigDirectory(folder)
    const config = parseOperatorConfig(new Map([...texts, ...overrides]))
    return await run(config, environment)
  } catch (thrown) {
    const {code, message, advice} = CiliumError.from(thrown)
    console.error(`error ${code}  ${message}\n  try: ${advice}`)
    return hasCode(thrown, OPERATOR_FLAG_INVALID) ? exitCodes.usage : exitCodes.failed
  }
}

async function run(config: OperatorConfig, environment: NodeJS.ProcessEnv): Promise<number> {
  const clock = systemClock
  const registry = new MetricRegistry()
  const metrics = new OperatorMetrics(registry)
  const sink = new FdSink(1)
  const log = createLog({...logOptions(config), sink, clock, observe: (level, part) => metrics.logged(level, part)})
  log.info('starting', {version: versionText(), ipam: config.ipam})

  const lifecycle = new Lifecycle({log})
  const client = await connectKube({
    source: 'in-cluster',
    ...(config['k8s-kubeconfig-path'] === '' ? {} : {path: config['k8s-kubeconfig-path']}),
    metrics: new ClientMetrics(registry, metricPrefix),
    clock,
  })
  const namespace = config['k8s-namespace'] || environment['CILIUM_K8S_NAMESPACE'] || client.namespace
  const reconcilerMetrics = new ReconcilerMetrics(registry, metricPrefix)
  const election = new LeaderElection({
    client,
    namespace,
    name: leaseName,
    identity: `${hostname()}-${randomBytes(5).toString('hex')}`,
    leaseMs: config['leader-election-lease-duration'],
    renewDeadlineMs: config['leader-election-renew-deadline'],
    retryMs: config['leader-election-retry-period'],
    lead: (signal) => lead({client, config, namespace, metrics, reconcilerMetrics, clock, log}, signal),
    clock,
    log,
  })

  addServers(lifecycle, config, client, registry)
  lifecycle.add({
    name: 'definitions',
    startTimeoutMs: 24 * 3600 * 1000, // an API server that is away is waited for
    start: (signal) => registerPatiently(config, client, clock, log, signal),
  })
  lifecycle.add({
    name: 'election',
    start: () => election.start(),
    stop: () => election.stop(),
    stopTimeoutMs: 10_000,
  })

  const error = await lifecycle.run()
  client.close()
  if (error !== undefined) log.error('ending', {error})
  await flush(log, sink)
  return error === undefined ? exitCodes.ok : exitCodes.failed
}

function addServers(lifecycle: Lifecycle, config: OperatorConfig, client: KubeClient, registry: MetricRegistry): void {
  const health = healthServer(async (signal) => void (await serverVersion(client, {signal})))
  lifecycle.add({
    name: 'health',
    start: () => listen(health, listener(config, 'operator-api-serve-addr'), 'operator-api-serve-addr'),
    stop: () => close(health),
  })
  if (!config['enable-metrics']) return
  const hidden = config.metrics.split(/[\s,]+/).filter((word) => word.startsWith('-'))
  registry.disable(hidden.map((word) => word.slice(1)))
  let endProcessMetrics = () => {}
  const server = metricsServer(registry)
  lifecycle.add({
    name: 'metrics',
    async start() {
      endProcessMetrics = registerProcessMetrics(registry, metricPrefix)
      await listen(server, listener(config, 'operator-prometheus-serve-addr'), 'operator-prometheus-serve-addr')
    },
    async stop() {
      endProcessMetrics()
      await close(server)
    },
  })
}

/** Tries until the API server takes the definitions. Only definitions that somebody else had to install end it. */
async function registerPatiently(
  config: OperatorConfig,
  client: KubeClient,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const backoff = new Backoff({minMs: 500, maxMs: 15_000})
  const options = {client, create: !config['skip-crd-creation'], timeoutMs: config['crd-wait-timeout'], clock, log}
  while (!signal.aborted) {
    try {
      return await registerDefinitions(options, signal)
    } catch (thrown) {
      if (signal.aborted) return
      if (hasCode(thrown, CRD_NOT_ESTABLISHED)) throw thrown
      log.warn('cannot register the definitions yet', {error: CiliumError.from(thrown)})
      await sleep(clock, backoff.next(), signal).catch(() => {})
    }
  }
}

/** `--config-dir DIR`, and any key of the configuration as `--key=value` or `--key value`. */
export function parseFlags(argv: readonly string[]): {folder: string | undefined; overrides: Map<string, string>} {
  const overrides = new Map<string, string>()
  let folder: string | undefined
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!
    const [, key = '', , given] = /^--([a-z0-9-]+)(=(.*))?$/s.exec(word) ?? []
    if (key !== 'config-dir' && !isOperatorKey(key)) fail(OPERATOR_FLAG_INVALID, {flag: word.slice(0, 100)})
    const next = argv[index + 1]
    const hasNext = next !== undefined && !next.startsWith('--')
    const value = given ?? (hasNext ? argv[++index]! : 'true')
    if (key === 'config-dir') folder = value
    else overrides.set(key, value)
  }
  return {folder, overrides}
}

function logOptions(config: OperatorConfig): {level: LogLevel; format: 'logfmt' | 'json'} {
  const options = new Map<string, string>()
  for (const pair of config['log-opt'].split(',')) {
    const [name = '', value = ''] = pair.split('=', 2)
    options.set(name.trim(), value.trim())
  }
  const asked = options.get('level')?.replace(/^warning$/, 'warn')
  const level = logLevels.find((one) => one === asked)
  const format = options.get('format')?.startsWith('json') ? 'json' : 'logfmt'
  return {level: config.debug ? 'debug' : (level ?? 'info'), format}
}

function listener(config: OperatorConfig, key: 'operator-api-serve-addr' | 'operator-prometheus-serve-addr'): Listener {
  const text = config[key]
  const problems = `${key}=${JSON.stringify(text)} must be an address and a port such as 127.0.0.1:9234`
  return parseListenAddress(text) ?? fail(runtimeErrors.CONFIG_INVALID, {problems})
}

async function flush(log: RootLog, sink: FdSink): Promise<void> {
  log.flush()
  await sink.drain()
}
