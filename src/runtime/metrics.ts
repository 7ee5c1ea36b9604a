/**
 * Prometheus metrics in the text exposition format 0.0.4. A labelled value is looked up once (`counter.labels(...)`)
 * and kept by the caller: counting is then one addition. Every metric has a limit of label combinations; what comes
 * beyond it is counted under the label value `other`.
 */

export type MetricType = 'counter' | 'gauge' | 'histogram'

export interface MetricOptions {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  /** how many label combinations are kept, 1000 unless given */
  readonly maxSeries?: number
}

/** One value as it is now. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Prometheus' default buckets, seconds. */
export const defaultBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** One of the things that were counted, for who wants to look at it: a trace. */
export interface Exemplar {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** seconds since 1970 */
  readonly time: number
}

export class CounterValue {
  value = 0
  /** the newest */
  exemplar: Exemplar | undefined

  inc(by = 1, exemplar?: Exemplar): void {
    this.value += by
    if (exemplar !== undefined) this.exemplar = exemplar
  }

  /** For counters that are kept elsewhere (in the kernel): sets what was read there. */
  set(value: number): void {
    this.value = value
  }
}

export class GaugeValue {
  value = 0

  set(value: number): void {
    this.value = value
  }

  inc(by = 1): void {
    this.value += by
  }

  dec(by = 1): void {
    this.value -= by
  }
}

export class HistogramValue {
  readonly counts: Float64Array
  /** by bucket: the newest */
  readonly exemplars: (Exemplar | undefined)[] = []
  sum = 0
  private readonly bounds: readonly number[]

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number, exemplar?: Exemplar): void {
    let i = 0
    while (i < this.bounds.length && value > this.bounds[i]!) i++
    this.counts[i]! += 1
    this.sum += value
    if (exemplar !== undefined) this.exemplars[i] = exemplar
  }
}

/** One metric with all its label combinations. */
export class Metric<V> {
  readonly name: string
  readonly help: string
  readonly type: MetricType
  readonly labelNames: readonly string[]
  readonly series = new Map<string, {readonly labels: readonly string[]; readonly value: V}>()
  private readonly make: () => V
  private readonly maxSeries: number
  private overflowed = 0

  constructor(type: MetricType, options: MetricOptions, make: () => V) {
    this.name = options.name
    this.help = options.help
    this.type = type
    this.labelNames = options.labels ?? []
    this.maxSeries = options.maxSeries ?? 1000
    this.make = make
    if (this.labelNames.length === 0) this.labels() // a metric without labels shows from the start
  }

  /** The value for these label values, in the order of the names. Keep it where it is used often. */
  labels(...values: readonly string[]): V {
    const key = values.join('\xff')
    const known = this.series.get(key)
    if (known !== undefined) return known.value
    if (values.length !== this.labelNames.length) {
      throw new TypeError(`${this.name} has the labels ${this.labelNames.join(', ') || '(none)'}`)
    }
    if (this.series.size >= this.maxSeries) {
      this.overflowed++
      const other = values.map(() => 'other')
      const otherKey = other.join('\xff')
      const entry = this.series.get(otherKey) ?? {labels: other, value: this.make()}
      this.series.set(otherKey, entry)
      return entry.value
    }
    const value = this.make()
    this.series.set(key, {labels: values, value})
    return value
  }

  /** How many look-ups ended in `other`. */
  get overflow(): number {
    return this.overflowed
  }

  /** Forgets one label combination, or all: for things that are gone. */
  remove(...values: readonly string[]): void {
    this.series.delete(values.join('\xff'))
  }

  /** The same for all label combinations that the test is true of. */
  removeWhere(test: (labels: readonly string[]) => boolean): void {
    for (const [key, {labels}] of this.series) if (test(labels)) this.series.delete(key)
  }

  clear(): void {
    this.series.clear()
  }
}

export type Counter = Metric<CounterValue>
export type Gauge = Metric<GaugeValue>
export type Histogram = Metric<HistogramValue> & {readonly buckets: readonly number[]}

export class MetricRegistry {
  private readonly metrics = new Map<string, Metric<CounterValue | GaugeValue | HistogramValue>>()
  private readonly collectors: (() => void | Promise<void>)[] = []
  private disabled: ReadonlySet<string> = new Set()

  counter(options: MetricOptions): Counter {
    return this.add(new Metric('counter', options, () => new CounterValue()))
  }

  gauge(options: MetricOptions): Gauge {
    return this.add(new Metric('gauge', options, () => new GaugeValue()))
  }

  histogram(options: MetricOptions & {readonly buckets?: readonly number[]}): Histogram {
    const buckets = options.buckets ?? defaultBuckets
    return this.add(Object.assign(new Metric('histogram', options, () => new HistogramValue(buckets)), {buckets}))
  }

  /** Takes back a metric; another one may then have its name. */
  remove(name: string): void {
    this.metrics.delete(name)
  }

  /** Runs before every exposition: reads what is kept elsewhere. An error leaves that metric as it was. */
  onCollect(collect: () => void | Promise<void>): void {
    this.collectors.push(collect)
  }

  /** Hides metrics by full name (the `metrics` option's `-name`). Counting goes on. */
  disable(names: Iterable<string>): void {
    this.disabled = new Set(names)
  }

  get names(): readonly string[] {
    return [...this.metrics.keys()].sort()
  }

  /** The text that `/metrics` answers, metrics sorted by name. @throws the first error of a collector, after all ran */
  async expose(format: ExpositionFormat = 'text'): Promise<string> {
    await this.collect()
    return this.render(format)
  }

  /** The same as values. A histogram is its `_bucket`, `_sum` and `_count`, as in the text. @throws as `expose` */
  async samples(): Promise<Sample[]> {
    await this.collect()
    return this.names.flatMap((name) => {
      const metric = this.metrics.get(name)!
      if (this.disabled.has(name)) return []
      return [...metric.series.values()].flatMap(({labels, value}) =>
        value instanceof HistogramValue
          ? histogramSamples(metric, labels, value)
          : [{name, labels: labelRecord(metric.labelNames, labels), value: value.value}],
      )
    })
  }

  private async collect(): Promise<void> {
    const results = await Promise.allSettled(this.collectors.map(async (collect) => collect()))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  /** The text without running the collectors. */
  render(format: ExpositionFormat = 'text'): string {
    const open = format === 'openmetrics'
    const lines: string[] = []
    for (const name of this.names) {
      const metric = this.metrics.get(name)!
      if (this.disabled.has(name) || metric.series.size === 0) continue
      // OpenMetrics: a counter is called without the end of its samples
      const counter = open && metric.type === 'counter'
      const family = counter ? name.replace(/_total$/, '') : name
      const help = open ? escapeHelp(metric.help).replaceAll('"', '\\"') : escapeHelp(metric.help)
      lines.push(`# HELP ${family} ${help}`, `# TYPE ${family} ${metric.type}`)
      for (const {labels, value} of metric.series.values()) {
        if (value instanceof HistogramValue) renderHistogram(lines, metric, labels, value, open)
        else {
          const sample = counter ? `${family}_total` : name
          const exemplar = open && value instanceof CounterValue ? exemplarText(value.exemplar) : ''
          lines.push(`${sample}${labelText(metric.labelNames, labels)} ${number(value.value)}${exemplar}`)
        }
      }
    }
    if (open) lines.push('# EOF')
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`
  }

  private add<M extends Metric<CounterValue> | Metric<GaugeValue> | Metric<HistogramValue>>(metric: M): M {
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(metric.name)) throw new TypeError(`not a metric name: ${metric.name}`)
    if (this.metrics.has(metric.name)) throw new TypeError(`metric ${metric.name} is declared twice`)
    this.metrics.set(metric.name, metric as Metric<CounterValue | GaugeValue | HistogramValue>)
    return metric
  }
}

/** `text`: of Prometheus, 0.0.4; `openmetrics`: 1.0, with exemplars */
export type ExpositionFormat = 'text' | 'openmetrics'

/** The content type of the exposition format. */
export const expositionContentType = 'text/plain; version=0.0.4; charset=utf-8'
export const openMetricsContentType = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

function renderHistogram(
  lines: string[],
  metric: Metric<unknown>,
  labels: readonly string[],
  value: HistogramValue,
  open: boolean,
): void {
  // buckets come first, as exemplars stand
  for (const [i, sample] of histogramSamples(metric, labels, value).entries()) {
    const text = labelText(Object.keys(sample.labels), Object.values(sample.labels))
    lines.push(`${sample.name}${text} ${number(sample.value)}${open ? exemplarText(value.exemplars[i]) : ''}`)
  }
}

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return ''
  const {labels, value, time} = exemplar
  return ` # ${labelText(Object.keys(labels), Object.values(labels))} ${number(value)} ${time}`
}

function histogramSamples(metric: Metric<unknown>, labels: readonly string[], value: HistogramValue): Sample[] {
  const {buckets} = metric as unknown as Histogram
  const own = labelRecord(metric.labelNames, labels)
  let total = 0
  const counts = [...buckets, Number.POSITIVE_INFINITY].map((bound, i): Sample => {
    total += value.counts[i]!
    return {name: `${metric.name}_bucket`, labels: {...own, le: number(bound)}, value: total}
  })
  return [
    ...counts,
    {name: `${metric.name}_sum`, labels: own, value: value.sum},
    {name: `${metric.name}_count`, labels: own, value: total},
  ]
}

function labelRecord(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']))
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return ''
  const parts = names.map((name, i) => `${name}="${(values[i] ?? '').replace(/[\\"\n]/g, escapeLabel)}"`)
  return `{${parts.join(',')}}`
}

function escapeLabel(char: string): string {
  return char === '\n' ? '\\n' : `\\${char}`
}

function escapeHelp(help: string): string {
  return help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}
