/** The agent's end of the thread of flows: starts it, tells it names, starts it again when it dies. */
import {Worker} from 'node:worker_threads'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {DropNotice} from '../observe/drop-notices.ts'
import type {FromWorker, ToWorker, WorkerCounts, WorkerOptions} from './messages.ts'

const restartAfterMs = 5_000
const stopTimeoutMs = 2_000

export interface HubbleThreadOptions {
  readonly worker: WorkerOptions
  readonly log: Log
  /** tells a thread that has just started all that it must know */
  readonly tellAll: () => void
  readonly dropped: (notices: readonly DropNotice[]) => void
}

export class HubbleThread {
  readonly #options: HubbleThreadOptions
  #worker: Worker | undefined
  #restart: NodeJS.Timeout | undefined
  #stopped = false
  /** undefined while it does not run */
  counts: WorkerCounts | undefined
  /** why it does not run */
  problem: string | undefined = 'starting'

  constructor(options: HubbleThreadOptions) {
    this.#options = options
  }

  /** Must not be called while this thread is in another network namespace: the worker would stay there. */
  start(): void {
    const worker = new Worker(workerUrl(), {workerData: this.#options.worker, name: 'hubble'})
    this.#worker = worker
    worker.on('message', (message: FromWorker) => this.#hear(message))
    worker.on('error', (thrown) => this.#fail(CiliumError.from(thrown)))
    worker.on('exit', () => this.#ended(worker))
    this.#options.tellAll()
  }

  tell(message: ToWorker): void {
    this.#worker?.postMessage(message)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker === undefined) return
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    worker.postMessage({kind: 'stop'} satisfies ToWorker)
    const timer = setTimeout(() => void worker.terminate(), stopTimeoutMs)
    await gone
    clearTimeout(timer)
  }

  #hear(message: FromWorker): void {
    if (message.kind === 'counts') this.counts = message.counts
    else if (message.kind === 'drops') this.#options.dropped(message.notices)
    else if (message.kind === 'ready') {
      this.problem = undefined
      const {socketPath, listenAddress} = this.#options.worker
      this.#options.log.info('Hubble serves flows', {socket: socketPath, address: listenAddress})
    } else if (message.kind === 'trouble') {
      this.#options.log.warn('the thread of flows has trouble', {detail: message.message}, {per: 'trouble'})
    } else this.#fail(new CiliumError(message.code, message.fields))
  }

  #fail(error: CiliumError): void {
    this.problem = error.message
    this.#options.log.error('the thread of flows failed', {error}, {per: error.code})
  }

  #ended(worker: Worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.counts = undefined
    this.problem ??= 'it ended'
    if (!this.#stopped) this.#restart = setTimeout(() => this.start(), restartAfterMs)
  }
}

/** Beside this file in a checkout, beside the process in a bundle. */
function workerUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './hubble-worker.js', import.meta.url)
}
