/** What is exported where: from the agent's options, or from the file that may change while the agent runs. */
import {parse} from 'yaml'
import {FlowFilter} from '../../api/gen/flow.ts'
import {messageFromJson} from '../../api/wire/json.ts'
import {parseDuration} from '../../model/duration.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {FLOW_EXPORT_INVALID} from './errors.ts'
import type {ExportWishes} from './flow-exporter.ts'

export interface FileTarget {
  /** `stdout`: to the log of the agent */
  readonly path: string
  readonly maxMegabytes: number
  readonly backups: number
  readonly compress: boolean
}

export interface OtlpTarget {
  /** host:port */
  readonly endpoint: string
  readonly signals: readonly ('logs' | 'traces')[]
  /** paths, empty: none; undefined: without TLS */
  readonly tls: {readonly authority: string; readonly certificate: string; readonly key: string} | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** One export. Plain values. */
export interface ExportPlan extends ExportWishes {
  readonly name: string
  readonly file?: FileTarget
  readonly otlp?: OtlpTarget
}

/** One that comes and goes with the file. */
export interface DynamicPlan extends ExportPlan {
  /** ms since 1970; undefined: for ever */
  readonly end: number | undefined
}

const usualFile = {maxMegabytes: 10, backups: 5, compress: false} as const

/**
 * Reads `flowlogs.yaml`: `flowLogs` is a list of exports with name, filePath, fieldMask, includeFilters, excludeFilters,
 * fieldAggregate, aggregationInterval, end, fileMaxSizeMb, fileMaxBackups and fileCompress.
 *
 * @throws FLOW_EXPORT_INVALID
 */
export function parseFlowLogs(text: string): readonly DynamicPlan[] {
  const wrong = (detail: string): never => fail(FLOW_EXPORT_INVALID, {detail})
  try {
    const root: unknown = parse(text) ?? {}
    if (typeof root !== 'object' || root === null || Array.isArray(root)) return wrong('it must be keys and values')
    const list = (root as Record<string, unknown>)['flowLogs'] ?? []
    if (!Array.isArray(list)) return wrong('flowLogs must be a list')
    const plans = list.map((one: unknown, index) => readPlan(one, `flowLogs[${index}]`, wrong))
    const names = new Set<string>()
    for (const {name, file} of plans) {
      if (names.has(name)) wrong(`two exports are called ${name}`)
      names.add(name)
      if (plans.some((other) => other.name !== name && other.file?.path === file?.path && file?.path !== 'stdout'))
        wrong(`two exports write to ${file?.path}`)
    }
    return plans
  } catch (thrown) {
    if (thrown instanceof CiliumError) throw thrown
    return fail(FLOW_EXPORT_INVALID, {detail: (thrown as Error).message}, {cause: thrown})
  }
}

function readPlan(value: unknown, place: string, wrong: (detail: string) => never): DynamicPlan {
  if (typeof value !== 'object' || value === null) return wrong(`${place} must be keys and values`)
  const given = value as Record<string, unknown>
  const words = (key: string): readonly string[] => {
    const list = given[key] ?? []
    return Array.isArray(list) && list.every((word) => typeof word === 'string')
      ? list
      : wrong(`${place}.${key} must be a list of words`)
  }
  const filters = (key: string): readonly FlowFilter[] => {
    const list = given[key] ?? []
    if (!Array.isArray(list)) return wrong(`${place}.${key} must be a list of filters`)
    return list.map((filter: unknown, index) => {
      try {
        return messageFromJson(FlowFilter, filter)
      } catch (thrown) {
        return wrong(`${place}.${key}[${index}]: ${(thrown as Error).message}`)
      }
    })
  }
  const amount = (key: string, fallback: number): number => {
    const number = given[key] ?? fallback
    return typeof number === 'number' && Number.isInteger(number) && number >= 0
      ? number
      : wrong(`${place}.${key} must be a whole number`)
  }
  const {name, filePath: path, end, aggregationInterval: interval} = given
  if (typeof name !== 'string' || name === '') return wrong(`${place}.name is missing`)
  if (typeof path !== 'string' || (path !== 'stdout' && !path.startsWith('/')))
    return wrong(`${place}.filePath must be a path from the root, or stdout`)
  const until = end === undefined || end === null ? undefined : new Date(end as string).getTime()
  if (until !== undefined && Number.isNaN(until))
    return wrong(`${place}.end must be a time such as 2026-01-02T15:04:05Z`)
  const aggregationMs = interval === undefined ? 0 : parseDuration(String(interval))
  if (aggregationMs === undefined) return wrong(`${place}.aggregationInterval must be a span such as 30s`)
  return {
    name,
    end: until,
    allow: filters('includeFilters'),
    deny: filters('excludeFilters'),
    fieldMask: words('fieldMask'),
    aggregate: words('fieldAggregate'),
    aggregationMs,
    file: {
      path,
      maxMegabytes: Math.max(1, amount('fileMaxSizeMb', usualFile.maxMegabytes)),
      backups: amount('fileMaxBackups', usualFile.backups),
      compress: given['fileCompress'] === true,
    },
  }
}
