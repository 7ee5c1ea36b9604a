/** The only place that prints errors of commands. */
import {CiliumError} from '../runtime/errors.ts'
import {exitCodes} from '../runtime/exit-codes.ts'
import {FLAG_UNKNOWN, INTERRUPTED, isUsageCode, USAGE} from './errors.ts'
import {type Style, styleFor} from './render/style.ts'
import {clean, cleanLines, toJson} from './render/text.ts'
import {nearest} from './suggestion.ts'

/**
 * Prints an error: as text on stderr, or as one JSON document on stdout when the command line asks for JSON.
 *
 * @returns the exit code that it means
 */
export function reportError(thrown: unknown, argv: readonly string[]): number {
  const own = ownExit(thrown)
  if (own !== undefined) return own
  const error = toCiliumError(thrown)
  const options = beforeRest(argv)
  const debug = options.includes('--debug') || options.includes('-D')
  if (wantsJson(options)) process.stdout.write(`${toJson(errorDocument(error, debug))}\n`)
  else process.stderr.write(errorText(error, {debug, style: styleFor(process.stderr)}))
  return exitCodeOf(error)
}

/** The exit code of an error: wrong usage 2, interrupted 130, all others 1. */
export function exitCodeOf(error: CiliumError): number {
  if (error.code === INTERRUPTED) return exitCodes.interrupted
  return isUsageCode(error.code) ? exitCodes.usage : exitCodes.failed
}

/** An error as the reader sees it: code, what happened, what to do, and where to read more. */
export function errorText(error: CiliumError, options: {debug: boolean; style: Style}): string {
  const {style} = options
  let text = `${style.bad('error')} ${style.strong(error.code)}  ${clean(error.message)}\n`
  if (error.advice !== '') {
    text += `  try: ${clean(error.advice)}   ${style.faint(`docs: reference/errors#${error.code}`)}\n`
  }
  if (options.debug) text += `${cleanLines(stackOf(error))}\n`
  return text
}

/** The same fields for programs that read. */
export function errorDocument(error: CiliumError, debug: boolean): unknown {
  return {
    error: {
      code: error.code,
      message: error.message,
      advice: error.advice,
      docs: `reference/errors#${error.code}`,
      fields: error.fields,
      ...(debug ? {stack: stackOf(error)} : {}),
    },
  }
}

function stackOf(error: Error): string {
  const stack = error.stack ?? `${error.name}: ${error.message}`
  if (error.cause === undefined) return stack
  return `${stack}\ncaused by: ${error.cause instanceof Error ? stackOf(error.cause) : String(error.cause)}`
}

interface ParseFailure extends Error {
  readonly parse?: {
    readonly input?: {readonly flags?: Readonly<Record<string, {readonly char?: string; readonly hidden?: boolean}>>}
  }
  readonly flags?: readonly string[]
  readonly oclif?: {readonly exit?: number}
}

function toCiliumError(thrown: unknown): CiliumError {
  if (thrown instanceof CiliumError || !(thrown instanceof Error)) return CiliumError.from(thrown)
  const failure = thrown as ParseFailure
  // what the parser of words throws carries one of these
  if (failure.parse === undefined && failure.oclif === undefined) return CiliumError.from(thrown)
  const typed = failure.flags?.[0]
  if (failure.constructor.name === 'NonExistentFlagsError' && typed !== undefined) {
    const known = Object.entries(failure.parse?.input?.flags ?? {})
      .filter(([, flag]) => flag.hidden !== true)
      .map(([name]) => `--${name}`)
    const meant = nearest(typed.split('=', 1)[0]!, known)
    const hint = meant === undefined ? 'the command with --help lists its flags' : `did you mean ${meant}?`
    return new CiliumError(FLAG_UNKNOWN, {flag: typed, hint}, {cause: thrown})
  }
  const lines = failure.message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== 'See more help with --help')
  const [first = '', ...others] = lines
  const detail = [first.charAt(0).toLowerCase() + first.slice(1), ...others].join(' ')
  return new CiliumError(USAGE, {detail, hint: 'the command with --help shows how'}, {cause: thrown})
}

/** An exit that a command asked for with this.exit(): nothing to print. */
function ownExit(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || (thrown as {code?: string}).code !== 'EEXIT') return undefined
  return (thrown as ParseFailure).oclif?.exit ?? exitCodes.failed
}

function beforeRest(argv: readonly string[]): readonly string[] {
  const rest = argv.indexOf('--')
  return rest === -1 ? argv : argv.slice(0, rest)
}

function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, index) =>
      word === '-ojson' ||
      word === '-o=json' ||
      word === '--output=json' ||
      (word === 'json' && (argv[index - 1] === '-o' || argv[index - 1] === '--output')),
  )
}
