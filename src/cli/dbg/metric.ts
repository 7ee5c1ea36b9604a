import type {Metric} from '../../api/models.ts'
import {fail} from '../../runtime/errors.ts'
import {declareUsageErrors} from '../errors.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'

const {PATTERN_INVALID} = declareUsageErrors({
  PATTERN_INVALID: {what: '"{pattern}" is no regular expression: {reason}', advice: 'write it like "cilium_drop.*"'},
})

export type Metrics = readonly Metric[]

/** Metrics of the agent whose name matches, sorted by name and labels. */
export async function listMetrics(agent: AgentOptions, pattern: string | undefined): Promise<Metrics> {
  const wanted = pattern === undefined ? undefined : compile(pattern)
  const metrics = (await askAgent<readonly Metric[] | null>(agent, '/metrics')) ?? []
  const keyOf = ({name, labels}: Metric) => `${name}\0${labelText(labels)}`
  return metrics
    .filter(({name}) => wanted === undefined || wanted.test(name ?? ''))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (cause) {
    return fail(PATTERN_INVALID, {pattern, reason: (cause as Error).message}, {cause})
  }
}

export function metricTable(metrics: readonly Metric[]): string {
  return table([
    ['Metric', 'Labels', 'Value'],
    ...metrics.map(({name, labels, value}) => [clean(name ?? ''), clean(labelText(labels)), (value ?? 0).toFixed(6)]),
  ])
}

function labelText(labels: Metric['labels']): string {
  return Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}="${value}"`)
    .join(' ')
}
