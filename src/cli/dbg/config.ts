import type {DaemonConfiguration, EndpointConfigurationStatus} from '../../api/models.ts'
import {fail} from '../../runtime/errors.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {AGENT_NOT_FOUND, OPTION_INVALID} from './errors.ts'

export type AgentConfiguration = DaemonConfiguration

export interface AgentOption {
  readonly name: string
  readonly value: unknown
}

export async function agentConfig(agent: AgentOptions): Promise<DaemonConfiguration> {
  return askAgent(agent, '/config')
}

/** Changes options of the running agent; the ConfigMap stays as it is. */
export async function changeAgentConfig(
  agent: AgentOptions,
  options: Readonly<Record<string, string>>,
): Promise<DaemonConfiguration> {
  const {PolicyEnforcement: enforcement, ...others} = options
  await askAgent(agent, '/config', {
    method: 'PATCH',
    body: {
      ...(enforcement === undefined ? {} : {'policy-enforcement': enforcement}),
      ...(Object.keys(others).length === 0 ? {} : {options: others}),
    },
  })
  return agentConfig(agent)
}

/** Reads OPTION=VALUE words. Words for on and off become Enabled and Disabled, as the agent writes them. */
export function parseOptions(words: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, value] = /^([A-Za-z][\w.-]*)=(.+)$/.exec(word) ?? fail(OPTION_INVALID, {text: word})
      return [name!, normal(value!)]
    }),
  )
}

function normal(value: string): string {
  if (/^(true|on|1|enabled?)$/i.test(value)) return 'Enabled'
  return /^(false|off|0|disabled?)$/i.test(value) ? 'Disabled' : value
}

/** One option by its name, case ignored, wherever it lives. */
export async function configOption(agent: AgentOptions, name: string): Promise<AgentOption> {
  const {status} = await agentConfig(agent)
  const places = [status?.daemonConfigurationMap, status?.realized?.options, status?.immutable]
  for (const place of places) {
    for (const [key, value] of Object.entries(place ?? {})) {
      if (key.toLowerCase() === name.toLowerCase()) return {name: key, value}
    }
  }
  return fail(AGENT_NOT_FOUND, {what: `option ${name}`, advice: '"cilium-dbg config --all" shows those there are'})
}

export function configTable({status}: DaemonConfiguration, {all}: {readonly all: boolean}): string {
  const changeable: Record<string, unknown> = {
    ...status?.realized?.options,
    PolicyEnforcement: status?.realized?.['policy-enforcement'] ?? 'default',
  }
  const fixed: Record<string, unknown> = {...status?.immutable, ...status?.daemonConfigurationMap}
  const text = `Changeable at run time\n${optionTable(changeable)}`
  return all ? `${text}\nFixed at start\n${optionTable(fixed)}` : text
}

export function endpointConfigText({realized, immutable}: EndpointConfigurationStatus): string {
  return optionTable({...immutable, ...realized?.options})
}

function optionTable(options: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))
  return table(entries.map(([name, value]) => [`  ${clean(name)}`, clean(valueText(value))]))
}

export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
