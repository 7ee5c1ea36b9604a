/** The agent's side towards the runtime: the socket of the shim, what was noted while nobody listened, the conflist. */
import {join} from 'node:path'
import {cniSocketPath} from '../../api/cni.ts'
import type {Clock} from '../../runtime/clock.ts'
import type {Log} from '../../runtime/log.ts'
import type {AgentConfig} from '../config.ts'
import {CniCalls, type CniCallsOptions} from './calls.ts'
import {conflistText, newestVersion} from './conflist.ts'
import {ConflistWriter} from './conflist-writer.ts'
import {runDeleteQueue} from './delete-queue.ts'
import {CniSocket} from './socket.ts'

export interface CniFrontOptions extends CniCallsOptions {
  readonly config: () => AgentConfig
  /** `status.nodeInfo.containerRuntimeVersion` of the Node */
  readonly runtime: () => string | undefined
  readonly clock: Clock
  readonly log: Log
}

export class CniFront {
  private readonly options: CniFrontOptions
  private readonly socket: CniSocket
  private readonly socketPath: string
  private readonly calls: CniCalls
  private conflist: ConflistWriter | undefined

  constructor(options: CniFrontOptions) {
    this.options = options
    this.socketPath = join(options.config()['state-dir'], 'cni.sock')
    this.calls = new CniCalls(options)
    this.socket = new CniSocket({
      path: this.socketPath,
      answer: (message, signal) => this.calls.answer(message, signal),
      log: options.log,
    })
  }

  /** Pods can come. The order: listen; carry out what was noted before; tell the runtime that we are there. */
  async start(): Promise<void> {
    const {log} = this.options
    await this.socket.start()
    const done = await runDeleteQueue({
      folder: join(this.options.config()['state-dir'], 'deleteQueue'),
      answer: (message, signal) => this.calls.answer(message, signal),
      log: log.for('cni'),
    })
    if (done > 0) log.for('cni').info('carried out deletions that were noted while no agent ran', {count: done})
    await this.writeConflist()
  }

  async stop(): Promise<void> {
    await this.conflist?.stop(this.options.config()['cni-uninstall'])
    await this.socket.stop()
  }

  /** For status: undefined when none is written. */
  get conflistState(): {readonly ok: boolean; readonly message: string} | undefined {
    return this.conflist?.state
  }

  private async writeConflist(): Promise<void> {
    const {config, runtime, clock, log} = this.options
    const path = config()['write-cni-conf-when-ready']
    if (path === '' || config()['custom-cni-conf']) return
    this.conflist = new ConflistWriter({
      path,
      exclusive: config()['cni-exclusive'],
      text: () =>
        conflistText({
          version: newestVersion(runtime()),
          debug: config().debug,
          logFile: config()['cni-log-file'],
          socketPath: this.socketPath === cniSocketPath ? undefined : this.socketPath,
        }),
      clock,
      log,
    })
    await this.conflist.start()
  }
}

/** IPAM_EXHAUSTED → IpamExhausted, as reasons of events are written. */
export function eventReason(code: string): string {
  return code
    .toLowerCase()
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')
}
