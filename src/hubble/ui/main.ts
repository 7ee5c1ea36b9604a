/**
 * hubble-ui: the map of flows as a web page.
 *
 *     browser ─ HTTP, server-sent events ─► hubble-ui ─ gRPC (Observer) ─► hubble-relay
 */
import {existsSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {systemClock} from '../../runtime/clock.ts'
import {CiliumError, hasCode} from '../../runtime/errors.ts'
import {exitCodes} from '../../runtime/exit-codes.ts'
import {Lifecycle} from '../../runtime/lifecycle.ts'
import {createLog} from '../../runtime/log.ts'
import {FdSink} from '../../runtime/log-sink.ts'
import {versionText} from '../../runtime/version.ts'
import {loadAssets} from './assets.ts'
import {ClusterState} from './cluster-state.ts'
import {UI_FLAG_INVALID} from './errors.ts'
import {ObserverClient} from './observer-client.ts'
import {parseUiFlags, type UiOptions} from './options.ts'
import {WebServer} from './web-server.ts'

/** Entry of the process. Resolves with its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === '--version' || argv[0] === 'version') {
    console.log(`hubble-ui ${versionText()}`)
    return exitCodes.ok
  }
  try {
    return await run(parseUiFlags(argv))
  } catch (thrown) {
    const {code, message, advice} = CiliumError.from(thrown)
    console.error(`error ${code}  ${message}\n  try: ${advice}`)
    return hasCode(thrown, UI_FLAG_INVALID) ? exitCodes.usage : exitCodes.failed
  }
}

async function run(options: UiOptions): Promise<number> {
  const {baseUrl, hosts, pagesMax} = options
  const clock = systemClock
  const sink = new FdSink(1)
  const log = createLog({sink, clock})
  const observer = new ObserverClient(options.observer)
  const assets = loadAssets(pageFolder(), baseUrl)
  const cluster = new ClusterState(observer, clock)
  const server = new WebServer({observer, cluster, assets, clock, baseUrl, hosts, pagesMax})
  const lifecycle = new Lifecycle({log})
  lifecycle.add({
    name: 'web server',
    async start() {
      const port = await server.listen(options.host, options.port)
      log.info('serving', {port, baseUrl, relay: options.observer.target, version: versionText()})
    },
    stop: () => server.close(),
  })
  const error = await lifecycle.run()
  observer.close()
  if (error !== undefined) log.error('ending', {error})
  log.flush()
  await sink.drain()
  return error === undefined ? exitCodes.ok : exitCodes.failed
}

/** Beside the process in a bundle; in a checkout where the bundle is built. */
function pageFolder(): string {
  const beside = fileURLToPath(new URL('./hubble-ui-page', import.meta.url))
  return existsSync(beside) ? beside : fileURLToPath(new URL('../../../dist/bundle/hubble-ui-page', import.meta.url))
}
