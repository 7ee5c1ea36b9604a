/** Steps on a terminal: a living list; elsewhere a line per finished step, and one now and then for a step that takes long. */
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
  if (!process.stderr.isTTY) {
    const tell = (line: string): void => void process.stderr.write(cleanLines(`${line}\n`))
    return await runSteps(steps, signal, {done: tell, slow: {everyMs: 30_000, tell}})
  }
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

/** @param siblings the work of steps that run beside this one; none may go on behind an error that is shown already */
function toTask(step: Step, signal: AbortSignal, siblings?: Promise<void>[]): ListrTask {
  return {
    title: step.title,
    task: async (_, task) => {
      signal.throwIfAborted()
      const reason = step.skip?.()
      if (reason !== undefined) return task.skip(`${step.title}: ${reason}`)
      const begun = performance.now()
      const work = step.run?.((text) => {
        task.output = cleanLines(text)
      }, signal)
      if (work !== undefined) await finish(work, siblings)
      const inner = typeof step.steps === 'function' ? await step.steps() : step.steps
      if (inner !== undefined) {
        const together: Promise<void>[] | undefined = step.parallel ? [] : undefined
        const tasks = inner.map((one) => toTask(one, signal, together))
        return task.newListr(tasks, {concurrent: step.parallel === true, exitOnError: true})
      }
      task.title = `${step.title} (${((performance.now() - begun) / 1000).toFixed(1)} s)`
      return undefined
    },
  }
}

/** Waits for the work; when it fails, also for what runs beside it. */
async function finish(work: Promise<void>, siblings: Promise<void>[] = []): Promise<void> {
  siblings.push(work)
  try {
    await work
  } catch (thrown) {
    await Promise.allSettled(siblings)
    throw thrown
  }
}
