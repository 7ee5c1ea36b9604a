/** All exports of a node: those that the agent was started with, and those of a file that is read again and again. */
import {createHash} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {CiliumError} from '../../runtime/errors.ts'
import type {MetricRegistry} from '../../runtime/metrics.ts'
import type {FlowQueryOptions} from '../observe/flow-query.ts'
import {type DynamicPlan, type ExportPlan, parseFlowLogs} from './export-config.ts'
import {FlowExporter} from './flow-exporter.ts'
import {type FlowSink, fileSink, lineSink} from './flow-sink.ts'
import {OtlpSink} from './otlp-sink.ts'
import {RotatingFile} from './rotating-file.ts'

export interface ExportsOptions extends FlowQueryOptions {
  readonly clusterName: string
  readonly version: string
  readonly plans: readonly ExportPlan[]
  /** file with more of them; empty: none */
  readonly flowLogsPath: string
  readonly registry: MetricRegistry
  /** told of what goes wrong and ends nothing */
  readonly trouble: (message: string) => void
  /** 5 s unless given */
  readonly lookEveryMs?: number
}

const usualLookMs = 5_000

interface Running {
  readonly plan: DynamicPlan
  readonly content: string
  readonly exporter: FlowExporter
}

export class Exports {
  readonly #options: ExportsOptions
  readonly #fixed: readonly FlowExporter[]
  readonly #dynamic = new Map<string, Running>()
  readonly #metrics: ReturnType<typeof exportMetrics> | undefined
  #plans: readonly DynamicPlan[] = []
  #text: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** @throws FLOW_FILTER_INVALID */
  constructor(options: ExportsOptions) {
    this.#options = options
    this.#fixed = options.plans.map((plan) => this.#make(plan))
    this.#metrics = options.flowLogsPath === '' ? undefined : exportMetrics(options.registry)
  }

  start(): void {
    for (const exporter of this.#fixed) exporter.start()
    if (this.#options.flowLogsPath === '') return
    this.look()
    this.#timer = setInterval(() => this.look(), this.#options.lookEveryMs ?? usualLookMs)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const running = [...this.#dynamic.values()].map(({exporter}) => exporter)
    this.#dynamic.clear()
    await Promise.all([...this.#fixed, ...running].map((exporter) => exporter.stop()))
  }

  /** Names of those that write now. */
  get active(): readonly string[] {
    return [...this.#dynamic.keys()].sort()
  }

  /** Reads the file, and does what it says now. A file that says nonsense changes nothing. */
  look(): void {
    const text = this.#read()
    if (text !== undefined && text !== this.#text) {
      this.#text = text
      try {
        this.#plans = parseFlowLogs(text)
        this.#metrics?.applied(text)
      } catch (thrown) {
        this.#options.trouble(CiliumError.from(thrown).message)
      }
    }
    const now = Date.now()
    const wanted = new Map(this.#plans.filter(({end}) => end === undefined || end > now).map((one) => [one.name, one]))
    for (const [name, {plan, content, exporter}] of this.#dynamic) {
      const next = wanted.get(name)
      if (next !== undefined && contentOf(next) === content) continue
      this.#dynamic.delete(name)
      void exporter.stop()
      if (next === undefined) this.#metrics?.removed(plan.name)
    }
    for (const [name, plan] of wanted) {
      if (this.#dynamic.has(name)) continue
      this.#begin(plan)
    }
    this.#metrics?.count(this.#plans, this.active)
  }

  #begin(plan: DynamicPlan): void {
    try {
      const exporter = this.#make(plan)
      exporter.start()
      this.#dynamic.set(plan.name, {plan, content: contentOf(plan), exporter})
      this.#metrics?.began(plan.name)
    } catch (thrown) {
      // a filter that cannot be used; the next text of the file may be better
      this.#plans = this.#plans.filter((one) => one !== plan)
      this.#options.trouble(`flow log ${plan.name}: ${CiliumError.from(thrown).message}`)
    }
  }

  #read(): string | undefined {
    try {
      return readFileSync(this.#options.flowLogsPath, 'utf8')
    } catch (thrown) {
      // a ConfigMap that is optional and not there
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return ''
      this.#options.trouble(`${this.#options.flowLogsPath} cannot be read: ${(thrown as Error).message}`)
      return undefined
    }
  }

  #make(plan: ExportPlan): FlowExporter {
    const {trouble} = this.#options
    const to = plan.otlp?.endpoint ?? plan.file?.path ?? ''
    return new FlowExporter({
      ...this.#options,
      ...plan,
      sink: this.#sink(plan),
      failed: (error) => trouble(`flows cannot be written to ${to}: ${error.message}`),
    })
  }

  #sink({file, otlp}: ExportPlan): FlowSink {
    const {nodeName, clusterName, version, trouble} = this.#options
    if (otlp !== undefined) return new OtlpSink({...otlp, nodeName, clusterName, version, failed: trouble})
    if (file === undefined || file.path === 'stdout') return lineSink((lines) => void process.stdout.write(lines))
    const {path, maxMegabytes, backups, compress} = file
    return fileSink(new RotatingFile({path, maxBytes: maxMegabytes * 1_000_000, backups, compress, now: Date.now}))
  }
}

function contentOf(plan: DynamicPlan): string {
  return JSON.stringify(plan, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

function exportMetrics(registry: MetricRegistry) {
  const exporters = registry.gauge({
    name: 'hubble_dynamic_exporter_exporters_total',
    help: 'Number of configured hubble exporters',
    labels: ['status'],
  })
  const up = registry.gauge({
    name: 'hubble_dynamic_exporter_up',
    help: 'Status of exporter (1 - active, 0 - inactive)',
    labels: ['name'],
  })
  const changes = registry.counter({
    name: 'hubble_dynamic_exporter_reconfigurations_total',
    help: 'Number of dynamic exporters reconfigurations',
    labels: ['op'],
  })
  const hash = registry.gauge({
    name: 'hubble_dynamic_exporter_config_hash',
    help: 'Hash of last applied config',
  })
  const applied = registry.gauge({
    name: 'hubble_dynamic_exporter_config_last_applied',
    help: 'Timestamp of last applied config',
  })
  const known = new Set<string>()
  return {
    applied(text: string) {
      hash.labels().set(createHash('sha256').update(text).digest().readUInt32BE(0))
      applied.labels().set(Math.floor(Date.now() / 1000))
    },
    began(name: string) {
      changes.labels(known.has(name) ? 'update' : 'add').inc()
      known.add(name)
    },
    removed(name: string) {
      changes.labels('remove').inc()
      known.delete(name)
      up.remove(name)
    },
    count(plans: readonly DynamicPlan[], active: readonly string[]) {
      exporters.labels('active').set(active.length)
      exporters.labels('inactive').set(plans.length - active.length)
      for (const {name} of plans) up.labels(name).set(active.includes(name) ? 1 : 0)
    },
  }
}
