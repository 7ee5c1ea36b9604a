/** The agent as a process: flags, configuration, log, and the exit code. What it does is in main.ts. */
import {existsSync} from 'node:fs'
import {hostname} from 'node:os'
import {join} from 'node:path'
import {agentCapabilities, missingCapabilities} from '../kernel/capabilities.ts'
import {type Clock, systemClock} from '../runtime/clock.ts'
import {CiliumError, fail, hasCode} from '../runtime/errors.ts'
import {exitCodes} from '../runtime/exit-codes.ts'
import {Lifecycle} from '../runtime/lifecycle.ts'
import {createLog} from '../runtime/log.ts'
import {FdSink} from '../runtime/log-sink.ts'
import {MetricRegistry} from '../runtime/metrics.ts'
import {versionText} from '../runtime/version.ts'
import {socketAnswers} from './api/listen.ts'
import {cleanUpNode} from './cleanup.ts'
import {isKey, loadConfig, loadPlaces} from './config.ts'
import {ConfigFollower} from './config-follower.ts'
import {codes} from './errors.ts'
import {logOptions} from './log-level.ts'
import {assembleAgent} from './main.ts'
import {AgentMetrics} from './metrics.ts'

/** Entry of the process. Resolves with its exit code. */
export async function main(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  clock: Clock = systemClock,
): Promise<number> {
  if (argv[0] === '--version' || argv[0] === 'version') {
    console.log(`cilium-agent ${versionText()}`)
    return exitCodes.ok
  }
  try {
    if (argv[0] === 'preflight') return await lookAhead(argv.slice(1), environment)
    if (argv[0] === 'cleanup') return await cleanUp(argv.slice(1), environment)
    const {folder, overrides} = parseFlags(argv)
    return await run(folder, overrides, environment, clock)
  } catch (thrown) {
    const {code, message, advice} = CiliumError.from(thrown)
    console.error(`error ${code}  ${message}\n  try: ${advice}`)
    return hasCode(thrown, codes.AGENT_FLAG_INVALID) ? exitCodes.usage : exitCodes.failed
  }
}

async function run(
  folder: string | undefined,
  overrides: ReadonlyMap<string, string>,
  environment: NodeJS.ProcessEnv,
  clock: Clock,
): Promise<number> {
  const loaded = await loadConfig(folder, overrides, environment['K8S_NODE_NAME'])
  const registry = new MetricRegistry()
  const metrics = new AgentMetrics(registry)
  const sink = new FdSink(1)
  const log = createLog({...logOptions(loaded.config), sink, observe: (level, part) => metrics.logged(level, part)})
  log.info('starting', {version: versionText(), node: loaded.config.nodeName})
  const lacks = missingCapabilities()
  if (lacks.length > 0)
    fail(codes.CAPABILITY_MISSING, {
      missing: lacks.map((name) => `${name} (${agentCapabilities[name]!.for})`).join(', '),
      names: lacks.join(', '),
    })
  for (const key of loaded.unknown) log.info('unknown configuration key, ignored', {key}, {per: key})
  for (const problem of loaded.problems) log.warn('the label filter is not as written', {problem}, {per: problem})

  const lifecycle = new Lifecycle({log})
  const agent = assembleAgent({loaded, lifecycle, registry, metrics, log, clock, environment})
  if (folder !== undefined) {
    const follower = new ConfigFollower({
      folder,
      texts: loaded.texts,
      fixed: new Set(overrides.keys()),
      change: (changes) => agent.changeConfig(changes),
      clock,
      log: log.for('config'),
    })
    lifecycle.add({name: 'configuration', start: () => follower.start(), stop: () => follower.stop()})
  }
  const error = await lifecycle.run()
  if (error !== undefined) log.error('ending', {error, advice: error.advice})
  log.flush()
  await sink.drain()
  return error === undefined ? exitCodes.ok : exitCodes.failed
}

/** `cilium-agent cleanup [--force] [--key=value …]`: takes everything of ours off this node. */
async function cleanUp(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const {folder, overrides} = parseFlags(argv.filter((word) => word !== '--force'))
  // the ConfigMap may be gone already: defaults and flags do then
  const readable = folder !== undefined && existsSync(folder) ? folder : undefined
  const config = await loadPlaces(readable, overrides, environment['K8S_NODE_NAME'] ?? hostname())
  const path = join(config['state-dir'], 'cilium.sock')
  if (!argv.includes('--force') && (await socketAnswers(path))) fail(codes.API_SOCKET_IN_USE, {path})
  const cniBinaries = '/host/opt/cni/bin'
  const errors = await cleanUpNode({config, cniBinaries, say: (line) => console.log(line)})
  console.log(errors.length === 0 ? 'this node is clean' : `${errors.length} steps failed: run it again`)
  return errors.length === 0 ? exitCodes.ok : exitCodes.failed
}

/** `cilium-agent preflight [--api=HOST:PORT …] [--key=value …]`: one line of JSON; exit 0 whatever is found. */
async function lookAhead(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const apiServers = argv.filter((word) => word.startsWith('--api=')).map((word) => word.slice('--api='.length))
  const {overrides} = parseFlags(argv.filter((word) => !word.startsWith('--api=')))
  const {config} = await loadConfig(undefined, overrides, environment['K8S_NODE_NAME'] ?? hostname())
  const {preflight} = await import('./preflight.ts')
  const tunnel = config['routing-mode'] === 'tunnel'
  const found = await preflight({
    cniFolder: '/host/etc/cni/net.d',
    cgroupRoot: config['cgroup-root'],
    bpfRoot: config['bpf-root'],
    tunnel,
    sockets: config['kube-proxy-replacement'] === 'true' || config['bpf-lb-sock'],
    apiServers,
    ports: {
      [config['cluster-health-port']]: 'health checks',
      ...(tunnel ? {[config['tunnel-port'] || 8472]: 'the overlay'} : {}),
    },
  })
  console.log(JSON.stringify(found))
  return exitCodes.ok
}

/** `--config-dir DIR`, and any key of the configuration as `--key=value` or `--key value`. */
export function parseFlags(argv: readonly string[]): {folder: string | undefined; overrides: Map<string, string>} {
  const overrides = new Map<string, string>()
  let folder: string | undefined
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!
    const [, key = '', , given] = /^--([a-z0-9-]+)(=(.*))?$/s.exec(word) ?? []
    if (key !== 'config-dir' && !isKey(key)) fail(codes.AGENT_FLAG_INVALID, {flag: word.slice(0, 100)})
    const next = argv[index + 1]
    const hasNext = next !== undefined && !next.startsWith('--')
    const value = given ?? (hasNext ? argv[++index]! : 'true')
    if (key === 'config-dir') folder = value
    else overrides.set(key, value)
  }
  return {folder, overrides}
}
