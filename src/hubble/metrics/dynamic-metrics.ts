/**
 * Metrics that come and go with a file: `metrics` is a list of name, contextOptions (name, values), includeFilters and
 * excludeFilters. The file is looked at again and again; one that says nonsense changes nothing.
 */
import {readFileSync} from 'node:fs'
import {parse} from 'yaml'
import {FlowFilter} from '../../api/gen/flow.ts'
import {messageFromJson} from '../../api/wire/json.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {HUBBLE_METRICS_FILE_INVALID} from './errors.ts'
import type {MetricSpec} from './spec.ts'

export interface MetricPlan {
  readonly spec: MetricSpec
  /** flows that are counted; all when empty */
  readonly allow: readonly FlowFilter[]
  readonly deny: readonly FlowFilter[]
}

const usualLookMs = 5_000

/** @throws HUBBLE_METRICS_FILE_INVALID */
export function parseMetricPlans(text: string): readonly MetricPlan[] {
  const wrong = (detail: string): never => fail(HUBBLE_METRICS_FILE_INVALID, {detail})
  let root: unknown
  try {
    root = parse(text) ?? {}
  } catch (thrown) {
    return wrong((thrown as Error).message)
  }
  if (typeof root !== 'object' || root === null || Array.isArray(root)) return wrong('it must be keys and values')
  const list = (root as Record<string, unknown>)['metrics'] ?? []
  if (!Array.isArray(list)) return wrong('metrics must be a list')
  const plans = list.map((one: unknown, index) => planOf(one, `metrics[${index}]`, wrong))
  const names = plans.map(({spec}) => spec.name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  return twice === undefined ? plans : wrong(`${twice} is there twice`)
}

function planOf(value: unknown, place: string, wrong: (detail: string) => never): MetricPlan {
  if (typeof value !== 'object' || value === null) return wrong(`${place} must be keys and values`)
  const given = value as Record<string, unknown>
  const list = (key: string): readonly unknown[] => {
    const found = given[key] ?? []
    return Array.isArray(found) ? found : wrong(`${place}.${key} must be a list`)
  }
  const filters = (key: string) =>
    list(key).map((filter, index) => {
      try {
        return messageFromJson(FlowFilter, filter)
      } catch (thrown) {
        return wrong(`${place}.${key}[${index}]: ${(thrown as Error).message}`)
      }
    })
  const {name} = given
  if (typeof name !== 'string' || name === '') return wrong(`${place}.name is missing`)
  const options = new Map<string, string>()
  for (const [index, option] of list('contextOptions').entries()) {
    const {name: key, values = []} = (option ?? {}) as {name?: unknown; values?: unknown}
    if (typeof key !== 'string' || !Array.isArray(values) || !values.every((one) => typeof one === 'string'))
      return wrong(`${place}.contextOptions[${index}] must have a name and a list of values`)
    const separator = key.toLowerCase() === 'labelscontext' ? ',' : '|'
    options.set(key.toLowerCase(), values.length === 0 ? 'true' : values.join(separator))
  }
  return {spec: {name, options}, allow: filters('includeFilters'), deny: filters('excludeFilters')}
}

export interface DynamicMetricsOptions {
  readonly path: string
  /** @throws for what cannot be counted; what could be before stays */
  readonly apply: (plans: readonly MetricPlan[]) => void
  /** told of what goes wrong and ends nothing */
  readonly trouble: (message: string) => void
  /** 5 s unless given */
  readonly lookEveryMs?: number
}

export class DynamicMetrics {
  readonly #options: DynamicMetricsOptions
  #text: string | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: DynamicMetricsOptions) {
    this.#options = options
  }

  start(): void {
    this.look()
    this.#timer = setInterval(() => this.look(), this.#options.lookEveryMs ?? usualLookMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Reads the file, and counts what it says now. */
  look(): void {
    const {apply, trouble} = this.#options
    const text = this.#read()
    if (text === undefined || text === this.#text) return
    this.#text = text
    try {
      apply(parseMetricPlans(text))
    } catch (thrown) {
      trouble(CiliumError.from(thrown).message)
    }
  }

  #read(): string | undefined {
    const {path, trouble} = this.#options
    try {
      return readFileSync(path, 'utf8')
    } catch (thrown) {
      // a ConfigMap that is optional and not there
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return ''
      trouble(`${path} cannot be read: ${(thrown as Error).message}`)
      return undefined
    }
  }
}
