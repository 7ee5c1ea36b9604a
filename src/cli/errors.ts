import {declareErrors, type ErrorText} from '../runtime/errors.ts'

const usageCodes = new Set<string>()

/** Declares errors that mean "typed wrong": commands that end with one exit with code 2. */
export function declareUsageErrors<T extends Record<string, ErrorText>>(texts: T): {readonly [K in keyof T]: K} {
  for (const code in texts) usageCodes.add(code)
  return declareErrors(texts)
}

/** True for a code declared as a usage error. */
export function isUsageCode(code: string): boolean {
  return usageCodes.has(code)
}

export const {COMMAND_UNKNOWN, FLAG_UNKNOWN, USAGE, OUTPUT_FORMAT_UNKNOWN} = declareUsageErrors({
  COMMAND_UNKNOWN: {what: 'there is no command "{command}"', advice: '{hint}'},
  FLAG_UNKNOWN: {what: 'there is no flag {flag} here', advice: '{hint}'},
  USAGE: {what: '{detail}', advice: '{hint}'},
  OUTPUT_FORMAT_UNKNOWN: {what: 'output format "{format}" is not one of {formats}', advice: 'choose one of {formats}'},
})

export const {INTERRUPTED, COMMAND_BROKEN} = declareErrors({
  INTERRUPTED: {what: 'interrupted', advice: 'run the same command again to go on'},
  COMMAND_BROKEN: {what: 'command "{command}" cannot be loaded', advice: 'run again with --debug to see why'},
})
