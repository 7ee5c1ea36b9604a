/**
 * One family of errors for the whole product. Lower layers throw `fail(CODE, fields)`, the middle does not catch,
 * the edge (base command, row, API) shows code, what happened and what to do.
 */

/** What every code says to its reader. `{name}` is replaced by the field of that name. */
export interface ErrorText {
  /** what happened, lower case, no full stop */
  readonly what: string
  /** what to do about it */
  readonly advice: string
}

const catalogue = new Map<string, ErrorText>()

/**
 * Declares error codes. Each layer declares its own beside the code that throws them (a file named errors.ts);
 * docs/reference/errors.md is generated from all of them.
 *
 * @returns the codes as constants, so that a typo does not compile
 */
export function declareErrors<T extends Record<string, ErrorText>>(texts: T): {readonly [K in keyof T]: K} {
  const codes = {} as {[K in keyof T]: K}
  for (const code in texts) {
    catalogue.set(code, texts[code]!)
    codes[code] = code
  }
  return codes
}

/** All declared codes with their texts, sorted by code. Source of docs/reference/errors.md. */
export function errorCatalogue(): readonly (readonly [string, ErrorText])[] {
  return [...catalogue].sort(([a], [b]) => (a < b ? -1 : 1))
}

export type ErrorFields = Readonly<Record<string, string | number | bigint | boolean | undefined>>

/** An error with a stable code that users can search for. */
export class CiliumError extends Error {
  readonly code: string
  readonly fields: ErrorFields
  readonly advice: string

  constructor(code: string, fields: ErrorFields = {}, options?: {cause?: unknown}) {
    const text = catalogue.get(code) ?? {what: 'unknown error code', advice: ''}
    super(fill(text.what, fields), options)
    this.name = 'CiliumError'
    this.code = code
    this.fields = fields
    this.advice = fill(text.advice, fields)
  }

  /** Wraps what is not ours as INTERNAL, its cause kept. For boundaries only. */
  static from(thrown: unknown): CiliumError {
    if (thrown instanceof CiliumError) return thrown
    return new CiliumError(
      INTERNAL,
      {detail: thrown instanceof Error ? thrown.message : String(thrown)},
      {cause: thrown},
    )
  }
}

/** Throws a CiliumError. The return type lets `const x = y ?? fail(...)` type-check. */
export function fail(code: string, fields: ErrorFields = {}, options?: {cause?: unknown}): never {
  throw new CiliumError(code, fields, options)
}

/** True for an error of ours with this code. */
export function hasCode(thrown: unknown, code: string): thrown is CiliumError {
  return thrown instanceof CiliumError && thrown.code === code
}

function fill(text: string, fields: ErrorFields): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in fields ? String(fields[name]) : whole))
}

const {INTERNAL} = declareErrors({
  INTERNAL: {what: 'internal error: {detail}', advice: 'run again with --debug and report the stack trace'},
})
