/** Steps of a lab on a terminal: a living list, or a line per finished step where nobody watches. */
import {Listr, ListrLogger, type ListrTask, ProcessOutput} from 'listr2'
import {runSteps, type Step} from '../../lab/steps.ts'
import {cleanLines} from '../render/text.ts'

export interface ProgressOptions {
  readonly signal: AbortSignal
  /** a program reads stdout: say nothing */
  readonly quiet: boolean
}

/** Runs the steps and shows them on stderr. */
export async function runWithProgress(steps: readonly Step[], {signal, quiet}: ProgressOptions): Promise<void> {
  if (quiet) return await runSteps(steps, signal)
  if (!process.stderr.isTTY)
    return await runSteps(steps, signal, {done: (line) => process.stderr.write(cleanLines(`${line}\n`))})
  const logger = new ListrLogger({processOutput: new ProcessOutput(process.stderr, process.stderr)})
  const list = new Listr(
    steps.map((step) => toTask(step, signal)),
    {
      concurrent: false,
      exitOnError: true,
      registerSignalListeners: false,
      rendererOptions: {logger, collapseSubtasks: true, collapseErrors: true, showErrorMessage: false},
    },
  )
  await list.run()
}

function toTask(step: Step, signal: AbortSignal): ListrTask {
  return {
    title: step.title,
    task: async (_, task) => {
      signal.throwIfAborted()
      const reason = step.skip?.()
      if (reason !== undefined) return task.skip(`${step.title}: ${reason}`)
      const begun = performance.now()
      const say = (text: string) => {
        task.output = cleanLines(text)
      }
      await step.run?.(say, signal)
      const inner = typeof step.steps === 'function' ? await step.steps() : step.steps
      if (inner !== undefined) {
        // Listr gives up on the first failure while siblings go on: the step must not end before they have.
        const work = inner.map((one) => toTask(one, signal))
        return task.newListr(work, {concurrent: step.parallel === true, exitOnError: true})
      }
      task.title = `${step.title} (${((performance.now() - begun) / 1000).toFixed(1)} s)`
      return undefined
    },
  }
}
