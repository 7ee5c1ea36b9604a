/** Durations in Go's text form (`1m30s`, `250ms`), because configuration keys and Helm values carry them so. */

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Reads a Go duration. Only `0` may stand without a unit. @returns milliseconds, undefined when it is not a duration */
export function parseDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1
  const rest = text.replace(/^[-+]/, '')
  if (rest === '0') return 0
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return undefined
  let total = 0
  for (const [, number, unit] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(number) * unitMs[unit!]!
  }
  return Number.isFinite(total) ? sign * total : undefined
}

/** Writes milliseconds as Go does: `1h0m0s`, `1m30s`, `1.5s`, `250ms`, `0s`; resolution one nanosecond. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  const sign = ms < 0 ? '-' : ''
  const rest = Math.abs(ms)
  if (rest < 1e-3) return `${sign}${decimal(rest * 1e6, 0)}ns`
  if (rest < 1) return `${sign}${decimal(rest * 1e3, 3)}µs`
  if (rest < 1000) return `${sign}${decimal(rest, 6)}ms`
  // whole nanoseconds first, so that 59.9999999999 s never becomes "60s"
  const ns = BigInt(Math.round(rest * 1e6))
  const minutes = ns / 60_000_000_000n
  const seconds = `${decimal(Number(ns % 60_000_000_000n) / 1e9, 9)}s`
  if (minutes === 0n) return sign + seconds
  const hours = minutes / 60n
  return hours === 0n ? `${sign}${minutes}m${seconds}` : `${sign}${hours}h${minutes % 60n}m${seconds}`
}

function decimal(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)))
}
