import type {Metric} from '../../api/models.ts'
import {CiliumError, declareErrors, fail, hasCode} from '../../runtime/errors.ts'
import {declareUsageErrors} from '../errors.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {agentConfig} from './config.ts'
import {AGENT_NOT_FOUND} from './errors.ts'
import {readExposition} from './exposition.ts'

const {METRICS_OFF, METRICS_UNREADABLE} = declareErrors({
  METRICS_OFF: {
    what: 'the agent serves no metrics',
    advice: 'set prometheus.enabled in the values: the agent then serves them on its node',
  },
  METRICS_UNREADABLE: {
    what: 'the metrics of the agent at {url} cannot be read: {detail}',
    advice: 'run this in the agent pod, which shares the network of its node',
  },
})

const {PATTERN_INVALID} = declareUsageErrors({
  PATTERN_INVALID: {what: '"{pattern}" is no regular expression: {reason}', advice: 'write it like "cilium_drop.*"'},
})

export type Metrics = readonly Metric[]

/** Metrics of the agent whose name matches, sorted by name and labels. */
export async function listMetrics(agent: AgentOptions, pattern: string | undefined): Promise<Metrics> {
  const wanted = pattern === undefined ? undefined : compile(pattern)
  const metrics = (await askMetrics(agent)) ?? readExposition(await scrape(agent))
  const keyOf = ({name, labels}: Metric) => `${name}\0${labelText(labels)}`
  return metrics
    .filter(({name}) => wanted === undefined || wanted.test(name ?? ''))
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

/** Metrics over the socket; undefined when this agent does not tell them there. */
async function askMetrics(agent: AgentOptions): Promise<readonly Metric[] | undefined> {
  try {
    const notFound = {what: 'its metrics on the socket', advice: ''}
    return (await askAgent<readonly Metric[] | null>(agent, '/metrics', {notFound})) ?? []
  } catch (thrown) {
    if (hasCode(thrown, AGENT_NOT_FOUND)) return undefined
    throw thrown
  }
}

/** Metrics on the port of the node that Prometheus reads. */
async function scrape(agent: AgentOptions): Promise<string> {
  const {status} = await agentConfig(agent)
  const address = String(status?.daemonConfigurationMap?.['prometheus-serve-addr'] ?? '')
  const port = /:(\d+)$/.exec(address)?.[1] ?? fail(METRICS_OFF, {})
  const host = address.slice(0, -port.length - 1)
  const url = `http://${host === '' || host === '0.0.0.0' || host === '[::]' ? 'localhost' : host}:${port}/metrics`
  try {
    const response = await fetch(url, {signal: AbortSignal.any([agent.signal, AbortSignal.timeout(20_000)])})
    if (!response.ok) fail(METRICS_UNREADABLE, {url, detail: `HTTP status ${response.status}`})
    return await response.text()
  } catch (cause) {
    agent.signal.throwIfAborted()
    if (cause instanceof CiliumError) throw cause
    const inner = (cause as Error).cause ?? cause
    return fail(METRICS_UNREADABLE, {url, detail: (inner as Error).message}, {cause})
  }
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
