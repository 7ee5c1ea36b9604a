/** What the configuration says about the log, at the start and while the agent runs. */
import {type LogLevel, logLevels, type RootLog} from '../runtime/log.ts'
import type {AgentConfig} from './config.ts'

/** `debug` wins over `log-opt`; format json or logfmt. */
export function logOptions(config: AgentConfig): {level: LogLevel; format: 'logfmt' | 'json'} {
  const asked = config['log-opt']['level']?.replace(/^warning$/, 'warn')
  const level = logLevels.find((one) => one === asked)
  const format = config['log-opt']['format']?.startsWith('json') ? 'json' : 'logfmt'
  return {level: config.debug ? 'debug' : (level ?? 'info'), format}
}

/** Follows a change of the configuration. */
export function applyLogLevel(log: RootLog, config: AgentConfig): void {
  log.setLevel(logOptions(config).level)
}
