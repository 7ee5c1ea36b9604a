/** The reconcilers of the agent: started here, watched for the status, stopped together. */
import type {Clock} from '../runtime/clock.ts'
import type {Log} from '../runtime/log.ts'
import {type ReconcilerMetrics, type ReconcilerOptions, ReconcilerRunner} from '../runtime/reconciler.ts'
import {ObservedReconciler} from './observed-reconciler.ts'
import type {RunnerState} from './runner-state.ts'

export interface RunnersOptions {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: ReconcilerMetrics
}

export class Runners {
  readonly #options: RunnersOptions
  readonly #runners: ReconcilerRunner<never>[] = []
  readonly #observed: {readonly state: RunnerState}[] = []

  constructor(options: RunnersOptions) {
    this.#options = options
  }

  /** Starts one. */
  run<Row>(options: Omit<ReconcilerOptions<Row>, 'clock' | 'log' | 'metrics'>): ReconcilerRunner<Row> {
    const reconciler = new ObservedReconciler(options.name, options.reconciler, options.table, this.#options.clock)
    this.#observed.push(reconciler)
    const runner = new ReconcilerRunner<Row>({...options, ...this.#options, reconciler})
    this.#runners.push(runner as unknown as ReconcilerRunner<never>)
    runner.start()
    return runner
  }

  get states(): readonly RunnerState[] {
    return this.#observed.map(({state}) => state)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.stop()))
  }
}

/** Resolves when runners have worked through what their tables hold now. */
export async function settled(runners: readonly {whenIdle(): Promise<void>}[]): Promise<void> {
  // subscriptions and the claims that follow them are delivered within this turn
  await new Promise((resolve) => setImmediate(resolve))
  for (const runner of runners) await runner.whenIdle()
}
