/**
 * The relay: one address for the flows of all nodes.
 *
 *     peer service ─► nodes ─► a connection to each ─► merge by time ─► Observer ─► clients
 */
import {HealthService} from '../../api/gen/health.ts'
import {ObserverService} from '../../api/gen/observer.ts'
import {systemClock} from '../../runtime/clock.ts'
import {CiliumError, fail, hasCode} from '../../runtime/errors.ts'
import {exitCodes} from '../../runtime/exit-codes.ts'
import {Lifecycle} from '../../runtime/lifecycle.ts'
import {createLog} from '../../runtime/log.ts'
import {FdSink} from '../../runtime/log-sink.ts'
import {MetricRegistry} from '../../runtime/metrics.ts'
import {productVersion, versionText} from '../../runtime/version.ts'
import {callMeter} from '../server/call-meter.ts'
import {healthHandlers} from '../server/health.ts'
import {closeGrpcServer, listenOnAddress} from '../server/listen.ts'
import {reflectionServices} from '../server/reflection.ts'
import {defaultConfigFile, type RelayConfig, readRelayConfig} from './config.ts'
import {RELAY_USAGE} from './errors.ts'
import {countNodes, metricsPart} from './metrics.ts'
import {Nodes} from './nodes.ts'
import {relayHandlers} from './observer.ts'

/** Entry of the process. Resolves with its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === '--version' || argv[0] === 'version') {
    console.log(`hubble-relay ${versionText()}`)
    return exitCodes.ok
  }
  try {
    const {file, debug} = parseFlags(argv)
    return await run(readRelayConfig(file), debug)
  } catch (thrown) {
    const {code, message, advice} = CiliumError.from(thrown)
    console.error(`error ${code}  ${message}\n  try: ${advice}`)
    return hasCode(thrown, RELAY_USAGE) ? exitCodes.usage : exitCodes.failed
  }
}

async function run(config: RelayConfig, debug: boolean): Promise<number> {
  const sink = new FdSink(1)
  const level = debug || config.debug ? 'debug' : 'info'
  const log = createLog({level, format: 'logfmt', sink, clock: systemClock})
  const {version} = productVersion()
  log.info('starting', {version: versionText(), peers: config.peerService})
  for (const key of config.unknown) log.warn('the configuration has a key that nobody knows', {key})
  const nodes = new Nodes({
    clusterName: config.clusterName,
    peerService: config.peerService,
    files: config.client,
    dialTimeoutMs: config.dialTimeoutMs,
    retryTimeoutMs: config.retryTimeoutMs,
    settleMs: 10_000,
    log: log.for('nodes'),
  })
  const health = {definition: HealthService, handlers: healthHandlers(() => nodes.connected.length > 0)}
  const {sortBufferLength, sortBufferDrainMs} = config
  const observer = {
    definition: ObserverService,
    handlers: relayHandlers({nodes, version, sortBufferLength, sortBufferDrainMs}),
  }
  const registry = new MetricRegistry()
  const interceptors = config.metricsAddress === '' ? [] : [callMeter(registry)]
  const lifecycle = new Lifecycle({log})
  lifecycle.add({name: 'nodes', start: () => nodes.start(), stop: () => nodes.stop()})
  const serve = (name: string, address: string, start: () => ReturnType<typeof listenOnAddress>) => {
    let close = () => {}
    lifecycle.add({
      name,
      async start() {
        const server = await start()
        close = () => closeGrpcServer(server)
        log.info('listening', {part: name, address})
      },
      stop: () => close(),
    })
  }
  const services = [observer, health, ...reflectionServices([observer, health])]
  serve('flows', config.listenAddress, () =>
    listenOnAddress(config.listenAddress, config.server, services, interceptors),
  )
  if (config.healthAddress !== '')
    serve('health', config.healthAddress, () => listenOnAddress(config.healthAddress, undefined, [health]))
  if (config.metricsAddress !== '') {
    countNodes(registry, nodes)
    lifecycle.add(metricsPart(registry, config.metricsAddress))
  }
  const error = await lifecycle.run()
  if (error !== undefined) log.error('ending', {error})
  log.flush()
  await sink.drain()
  return error === undefined ? exitCodes.ok : exitCodes.failed
}

/** `serve [--config FILE] [--debug]` */
function parseFlags(argv: readonly string[]): {file: string; debug: boolean} {
  let file = defaultConfigFile
  let debug = false
  for (let index = argv[0] === 'serve' ? 1 : 0; index < argv.length; index++) {
    const word = argv[index]!
    const [, given] = /^--config=(.+)$/.exec(word) ?? []
    if (given !== undefined) file = given
    else if (word === '--config' && argv[index + 1] !== undefined) file = argv[++index]!
    else if (word === '--debug' || word === '-D') debug = true
    else fail(RELAY_USAGE, {word: word.slice(0, 100)})
  }
  return {file, debug}
}
