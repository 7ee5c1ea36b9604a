/** What every part of the agent is given. */
import type {Clock} from '../runtime/clock.ts'
import type {Lifecycle} from '../runtime/lifecycle.ts'
import type {RootLog} from '../runtime/log.ts'
import type {MetricRegistry} from '../runtime/metrics.ts'
import type {AgentConfig, LoadedConfig} from './config.ts'
import type {AgentMetrics} from './metrics.ts'

export interface AgentContext {
  readonly loaded: LoadedConfig
  readonly lifecycle: Lifecycle
  readonly registry: MetricRegistry
  readonly metrics: AgentMetrics
  readonly log: RootLog
  readonly clock: Clock
  readonly environment: NodeJS.ProcessEnv
}

/** The configuration as it is now: a few keys change while the agent runs. */
export class CurrentConfig {
  value: AgentConfig

  constructor(value: AgentConfig) {
    this.value = value
  }
}
