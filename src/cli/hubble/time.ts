/** Times as people type and read them. */
import {parseTimestamp} from '../../api/wire/json.ts'
import {parseDuration} from '../../model/duration.ts'
import {fail} from '../../runtime/errors.ts'
import {HUBBLE_FLAG_VALUE} from './errors.ts'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** A span of time before now, or a moment. @returns ns since 1970 */
export function parseTime(text: string, flag: string, now: () => number = Date.now): bigint {
  const span = parseDuration(text)
  if (span !== undefined) return BigInt(Math.round(now() - span)) * 1_000_000n
  const exact = parseTimestamp(text)
  if (exact !== undefined) return exact
  const stamp = /^([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?$/.exec(text)
  if (stamp !== null && months.includes(stamp[1]!)) {
    const [day, hour, minute, second] = stamp.slice(2, 6).map(Number) as [number, number, number, number]
    const year = new Date(now()).getFullYear()
    const date = new Date(
      year,
      months.indexOf(stamp[1]!),
      day,
      hour,
      minute,
      second,
      Number((stamp[6] ?? '0').padEnd(3, '0')),
    )
    return BigInt(date.getTime()) * 1_000_000n
  }
  const parsed = /^\d{4}-\d\d-\d\d|^[A-Z][a-z]{2}, /.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(parsed)) return BigInt(parsed) * 1_000_000n
  return fail(HUBBLE_FLAG_VALUE, {
    flag,
    detail: `${JSON.stringify(text)} is no time`,
    expected: 'a span such as 5m, or a time such as 2026-01-02T15:04:05Z',
  })
}

export const timeFormats = ['StampMilli', 'RFC3339', 'RFC3339Milli', 'RFC3339Micro', 'RFC3339Nano', 'RFC1123Z'] as const
export type TimeFormat = (typeof timeFormats)[number]

/** @param nanoseconds since 1970 */
export function formatTime(nanoseconds: bigint | undefined, format: TimeFormat = 'StampMilli'): string {
  if (nanoseconds === undefined) return 'N/A'
  const date = new Date(Number(nanoseconds / 1_000_000n))
  const two = (value: number) => String(value).padStart(2, '0')
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  const fraction = String(nanoseconds % 1_000_000_000n).padStart(9, '0')
  const offset = -date.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const rfcZone = offset === 0 ? 'Z' : zone
  switch (format) {
    case 'StampMilli':
      return `${months[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${clock}.${fraction.slice(0, 3)}`
    case 'RFC3339':
      return `${day}T${clock}${rfcZone}`
    case 'RFC3339Milli':
      return `${day}T${clock}.${fraction.slice(0, 3)}${rfcZone}`
    case 'RFC3339Micro':
      return `${day}T${clock}.${fraction.slice(0, 6)}${rfcZone}`
    case 'RFC3339Nano':
      return `${day}T${clock}.${fraction}${rfcZone}`
    case 'RFC1123Z': {
      const name = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][date.getDay()]
      return `${name}, ${two(date.getDate())} ${months[date.getMonth()]} ${date.getFullYear()} ${clock} ${zone.replace(':', '')}`
    }
  }
}
