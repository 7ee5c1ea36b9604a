import {Flags} from '@oclif/core'
import {parseDuration} from '../model/duration.ts'
import {fail} from '../runtime/errors.ts'
import {declareUsageErrors} from './errors.ts'

const {DURATION_INVALID} = declareUsageErrors({
  DURATION_INVALID: {
    what: '--{flag} wants a duration, and "{text}" is none',
    advice: 'write it like 90s, 5m or 1h30m',
  },
})

/** A flag whose value is a duration such as 5m. Its parsed value is in milliseconds. */
export function durationFlag(options: {name: string; summary: string; default: string}) {
  const read = (text: string): number => {
    const ms = parseDuration(text)
    return ms === undefined || ms < 0 ? fail(DURATION_INVALID, {flag: options.name, text}) : ms
  }
  return Flags.custom<number>({
    summary: options.summary,
    helpValue: 'DURATION',
    default: async () => read(options.default),
    // help shows what people type, not milliseconds
    defaultHelp: async () => options.default as never,
    parse: async (text) => read(text),
  })()
}
