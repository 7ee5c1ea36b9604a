/** Work as a tree of named steps, so that whoever runs it decides how progress looks. */

export interface Step {
  readonly title: string
  /** absent for a step that only groups others */
  readonly run?: (say: (text: string) => void, signal: AbortSignal) => Promise<void>
  readonly steps?: readonly Step[] | (() => Promise<readonly Step[]>)
  /** run the inner steps at once; the first failure is the step's, after all have ended */
  readonly parallel?: boolean
  /** a reason why there is nothing to do */
  readonly skip?: () => string | undefined
}

export interface StepReport {
  /** a step has ended, well or skipped */
  readonly done?: (line: string) => void
  /** a step says what it is at */
  readonly note?: (line: string) => void
  /** a step goes on, told every `everyMs` */
  readonly slow?: {readonly everyMs: number; readonly tell: (line: string) => void}
}

/** Runs steps without a terminal. @throws what the first failed step throws, after steps beside it have ended */
export async function runSteps(steps: readonly Step[], signal: AbortSignal, report: StepReport = {}): Promise<void> {
  for (const step of steps) await runStep(step, signal, report)
}

async function runStep(step: Step, signal: AbortSignal, report: StepReport): Promise<void> {
  signal.throwIfAborted()
  const reason = step.skip?.()
  if (reason !== undefined) return report.done?.(`${step.title}: ${reason}`)
  const begun = performance.now()
  const seconds = (): number => (performance.now() - begun) / 1000
  if (step.run !== undefined) {
    const {slow} = report
    const ticker =
      slow && setInterval(() => slow.tell(`${step.title}: ${Math.round(seconds())} s so far`), slow.everyMs)
    try {
      await step.run((text) => report.note?.(`${step.title}: ${text}`), signal)
    } finally {
      clearInterval(ticker)
    }
  }
  const inner = typeof step.steps === 'function' ? await step.steps() : step.steps
  if (inner !== undefined && step.parallel) await allSettled(inner.map((one) => runStep(one, signal, report)))
  else if (inner !== undefined) await runSteps(inner, signal, report)
  report.done?.(`${step.title}: ${seconds().toFixed(1)} s`)
}

/** Waits for all, then throws the first failure: no work goes on behind an error. */
export async function allSettled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return results.map((result) => (result as PromiseFulfilledResult<T>).value)
}
