import type {ClusterOptions} from '../cluster-options.ts'
import type {ProgressOptions} from '../lab/progress.ts'

export interface SysdumpOptions {
  readonly cluster: ClusterOptions
  /** path of the archive; `<ts>` in it is the time */
  readonly file: string
  readonly workerCount: number
  /** neither logs nor what is asked of each agent */
  readonly quick: boolean
  /** names or addresses; empty for all */
  readonly nodes: readonly string[]
  readonly logsSinceSeconds: number
  readonly logsLimitBytes: number
  /** of each node; 0 for none */
  readonly flowCount: number
  readonly flowTimeoutMs: number
  readonly agentSelector: string
  readonly operatorSelector: string
  readonly relaySelector: string
  readonly uiSelector: string
  /** of pods whose logs are wanted too */
  readonly extraSelectors: readonly string[]
  /** a task that takes longer is given up */
  readonly taskMs: number
  readonly progress: ProgressOptions
}

export interface SysdumpResult {
  readonly file: string
  readonly bytes: number
  readonly entries: number
  /** what could not be collected, and why */
  readonly failed: readonly {readonly task: string; readonly reason: string}[]
  readonly seconds: number
}
