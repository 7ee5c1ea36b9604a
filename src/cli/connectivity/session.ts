/** One call of `cilium connectivity test`, with what it shows and leaves behind. */
import {CiliumError} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {INTERRUPTED} from '../errors.ts'
import {styleFor} from '../render/style.ts'
import {cleanUp} from './cleanup.ts'
import {runSuite, type SuiteHooks, setupFailure, withTestCluster} from './connectivity.ts'
import {writeJunit} from './junit.ts'
import type {ConnectivityOptions} from './options.ts'
import {LineProgress, silentProgress} from './progress.ts'
import type {SuiteReport} from './report.ts'

export interface SessionOptions {
  readonly where: ClusterOptions
  readonly options: ConnectivityOptions
  readonly cleanUpOnly: boolean
  /** the words after the command, for the line that repeats a test */
  readonly argv: readonly string[]
  readonly forPrograms: boolean
  readonly verbose: boolean
  readonly debug: boolean
  readonly timestamps: boolean
  readonly signal: AbortSignal
}

/** @returns the report; undefined when only cleaning up was asked for */
export async function runConnectivity(session: SessionOptions): Promise<SuiteReport | undefined> {
  const {where, options, signal} = session
  const hooks = session.forPrograms ? silentProgress : lineProgress(session)
  return withTestCluster(where, signal, async (cluster) => {
    if (session.cleanUpOnly) {
      const names = await cleanUp(cluster, options.namespacePrefix, signal)
      hooks.say(names.length === 0 ? 'nothing to remove' : `removed ${names.join(', ')}`)
      return undefined
    }
    try {
      const repeat = (pattern: string) => repeatCommand(session.argv, pattern)
      const report = await runSuite({cluster, where, options, hooks, repeat, signal})
      if (options.junitFile !== undefined) await writeJunit(options.junitFile, report, options.junitProperties)
      return report
    } catch (thrown) {
      if (options.junitFile !== undefined) {
        await writeJunit(options.junitFile, setupFailure(thrown), options.junitProperties)
      }
      if (!signal.aborted) throw thrown
      hooks.say(`the workloads stay in ${options.namespacePrefix}-*: cilium connectivity test --cleanup removes them`)
      throw new CiliumError(INTERRUPTED, {}, {cause: thrown})
    }
  })
}

function lineProgress({options, verbose, debug, timestamps}: SessionOptions): SuiteHooks {
  const style = styleFor(process.stdout)
  const dots = options.concurrency === 1
  return new LineProgress({verbose, debug, timestamps, dots, style, write: (text) => process.stdout.write(text)})
}

/** flags that choose tests or belong to one run only: a repetition has its own or none */
const leftOut: ReadonlySet<string> = new Set(['--test', '--junit-file', '--force-deploy', '--junit-property'])
const withValue: ReadonlySet<string> = new Set(['--test', '--junit-file', '--junit-property'])

/** The command line that runs what matches a pattern once more, with the other flags as they were. */
export function repeatCommand(argv: readonly string[], pattern: string): string {
  const kept: string[] = []
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index]!
    const name = word.split('=', 1)[0]!
    if (!leftOut.has(name)) kept.push(word)
    else if (withValue.has(name) && !word.includes('=')) index++
  }
  return ['cilium', 'connectivity', 'test', ...kept.map(shellWord), '--test', shellWord(pattern)].join(' ')
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, "'\\''")}'`
}
