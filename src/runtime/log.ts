/**
 * The log: one line an event, logfmt or JSON, level changeable at run time. Nothing is repeated faster than once a
 * second: of the same event the first line is written at once, the last one at the end of the second, with the number
 * of lines left out between. Secrets and control characters are taken out of every line.
 */
import type {Clock, Timer} from './clock.ts'
import {systemClock} from './clock.ts'
import {CiliumError} from './errors.ts'
import {escapeControls, redactField, redactText} from './redact.ts'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
export type LogFormat = 'logfmt' | 'json'

/** Values of a line. An `error` field is written with its code, message and cause. */
export type LogFields = Readonly<Record<string, unknown>>

export interface LogOptions {
  /**
   * What tells one event from another with the same message (an endpoint's number, a map's name): lines with
   * different `per` are never left out for one another.
   */
  readonly per?: string | number
}

/** What takes finished lines (without the newline). Must not block and not throw. */
export interface LogSink {
  write(line: string): void
}

export interface Log {
  debug(message: string, fields?: LogFields, options?: LogOptions): void
  info(message: string, fields?: LogFields, options?: LogOptions): void
  warn(message: string, fields?: LogFields, options?: LogOptions): void
  error(message: string, fields?: LogFields, options?: LogOptions): void
  /** A log for a part of the program: `subsys=name` on every line, with these fields. */
  for(subsystem: string, fields?: LogFields): Log
  /** False when a line of this level would not be written: saves making costly fields. */
  enabled(level: LogLevel): boolean
}

export interface RootLog extends Log {
  setLevel(level: LogLevel): void
  readonly level: LogLevel
  /** Writes what was held back by the repetition limit. Call before the process ends. */
  flush(): void
}

interface Repeats {
  level: LogLevel
  /** the last line left out, and how many before it */
  held: {message: string; fields: LogFields} | undefined
  count: number
  until: number
}

const windowMs = 1000
/** How many different events are told apart within a second; beyond that lines are still written, but not limited. */
const maxEvents = 4096

/** Counts lines per level and part, for metrics. */
export type LogObserver = (level: LogLevel, subsystem: string) => void

export function createLog(options: {
  level?: LogLevel
  format?: LogFormat
  sink: LogSink
  clock?: Clock
  observe?: LogObserver
}): RootLog {
  const core = new Core(options)
  const root = new Part(core, '', {})
  return Object.assign(root, {
    setLevel(level: LogLevel) {
      core.threshold = logLevels.indexOf(level)
    },
    flush: () => core.flush(),
  }) as RootLog
}

/** Drops every line. For callers that have no log. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  for: () => silentLog,
  enabled: () => false,
}

class Core {
  threshold: number
  private readonly format: LogFormat
  private readonly sink: LogSink
  private readonly clock: Clock
  private readonly observe: LogObserver | undefined
  private readonly repeats = new Map<string, Repeats>()
  private timer: Timer | undefined

  constructor(options: {level?: LogLevel; format?: LogFormat; sink: LogSink; clock?: Clock; observe?: LogObserver}) {
    this.threshold = logLevels.indexOf(options.level ?? 'info')
    this.format = options.format ?? 'logfmt'
    this.sink = options.sink
    this.clock = options.clock ?? systemClock
    this.observe = options.observe
  }

  write(level: LogLevel, subsystem: string, message: string, fields: LogFields, options?: LogOptions): void {
    this.observe?.(level, subsystem)
    const key = `${level}\0${subsystem}\0${message}\0${options?.per ?? ''}\0${codeOf(fields['error'])}`
    const now = this.clock.monotonic()
    const seen = this.repeats.get(key)
    if (seen !== undefined && now < seen.until) {
      if (seen.held !== undefined) seen.count++
      seen.held = {message, fields}
      return
    }
    if (seen?.held !== undefined) this.release(seen)
    if (seen !== undefined || this.repeats.size < maxEvents) {
      this.repeats.set(key, {level, held: undefined, count: 0, until: now + windowMs})
      this.timer ??= this.clock.after(windowMs, () => this.sweep())
    }
    this.emit(level, message, fields, 0)
  }

  flush(): void {
    for (const seen of this.repeats.values()) if (seen.held !== undefined) this.release(seen)
  }

  private sweep(): void {
    this.timer = undefined
    const now = this.clock.monotonic()
    for (const [key, seen] of this.repeats) {
      if (now < seen.until) continue
      if (seen.held === undefined) this.repeats.delete(key)
      else {
        this.release(seen)
        seen.until = now + windowMs
      }
    }
    if (this.repeats.size > 0) this.timer = this.clock.after(windowMs, () => this.sweep())
  }

  private release(seen: Repeats): void {
    const {message, fields} = seen.held!
    const suppressed = seen.count
    seen.held = undefined
    seen.count = 0
    this.emit(seen.level, message, fields, suppressed)
  }

  private emit(level: LogLevel, message: string, fields: LogFields, suppressed: number): void {
    const line: Record<string, unknown> = {time: new Date(this.clock.now()).toISOString(), level, msg: message}
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue
      if (name === 'error') Object.assign(line, errorFields(value))
      else line[name in line ? `field_${name}` : name] = plain(name, value)
    }
    if (suppressed > 0) line['suppressed'] = suppressed
    this.sink.write(this.format === 'json' ? jsonLine(line) : logfmtLine(line))
  }
}

class Part implements Log {
  private readonly core: Core
  private readonly subsystem: string
  private readonly fields: LogFields

  constructor(core: Core, subsystem: string, fields: LogFields) {
    this.core = core
    this.subsystem = subsystem
    this.fields = fields
  }

  get level(): LogLevel {
    return logLevels[this.core.threshold]!
  }

  debug(message: string, fields?: LogFields, options?: LogOptions): void {
    if (this.core.threshold <= 0) this.write('debug', message, fields, options)
  }

  info(message: string, fields?: LogFields, options?: LogOptions): void {
    if (this.core.threshold <= 1) this.write('info', message, fields, options)
  }

  warn(message: string, fields?: LogFields, options?: LogOptions): void {
    if (this.core.threshold <= 2) this.write('warn', message, fields, options)
  }

  error(message: string, fields?: LogFields, options?: LogOptions): void {
    this.write('error', message, fields, options)
  }

  for(subsystem: string, fields: LogFields = {}): Log {
    return new Part(this.core, subsystem, {...this.fields, ...fields})
  }

  enabled(level: LogLevel): boolean {
    return logLevels.indexOf(level) >= this.core.threshold
  }

  private write(level: LogLevel, message: string, fields: LogFields | undefined, options?: LogOptions): void {
    const all: LogFields = {...(this.subsystem === '' ? {} : {subsys: this.subsystem}), ...this.fields, ...fields}
    this.core.write(level, this.subsystem, message, all, options)
  }
}

function codeOf(error: unknown): string {
  return error instanceof CiliumError ? error.code : error instanceof Error ? error.message : ''
}

function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return {error: redactText(String(error))}
  const causes: string[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < 4; cause = cause.cause) {
    causes.push(cause.message)
  }
  return {
    ...(error instanceof CiliumError ? {code: error.code} : {}),
    error: redactText(error.message),
    ...(causes.length > 0 ? {cause: redactText(causes.join(': '))} : {}),
  }
}

function plain(name: string, value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return redactField(name, value)
    case 'number':
    case 'boolean':
      return value
    case 'bigint':
      return value.toString()
    case 'object':
      if (value === null) return null
      if (value instanceof Error) return redactText(value.message)
      return redactField(name, value instanceof Date ? value.toISOString() : objectText(value))
    default:
      return redactField(name, String(value))
  }
}

function objectText(value: object): string {
  const own = value.toString
  if (own !== Object.prototype.toString && own !== Array.prototype.toString) return String(value)
  return JSON.stringify(value, (key, part: unknown) => {
    if (typeof part === 'bigint') return part.toString()
    return typeof part === 'string' ? redactField(key, part) : part
  })
}

function jsonLine(line: Record<string, unknown>): string {
  // JSON.stringify escapes C0 controls itself; the rest is done by hand
  return escapeControls(JSON.stringify(line))
}

function logfmtLine(line: Record<string, unknown>): string {
  const parts: string[] = []
  for (const [name, value] of Object.entries(line)) {
    const key = /^[\w.\-/]+$/.test(name) ? name : name.replace(/[^\w.\-/]/g, '_')
    parts.push(`${key}=${logfmtValue(value)}`)
  }
  return parts.join(' ')
}

function logfmtValue(value: unknown): string {
  const text = typeof value === 'string' ? value : String(value)
  if (/^[\w.:/@+%,[\]-]+$/.test(text)) return text
  return `"${escapeControls(text.replace(/["\\]/g, '\\$&'))}"`
}
