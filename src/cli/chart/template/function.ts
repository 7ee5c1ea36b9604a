/** What a function of the template language is. */
import type {Value} from './value.ts'

export type ArgumentKind = 'any' | 'string' | 'int64' | 'map' | 'slice'

export interface TemplateFunction {
  /** kinds of the arguments that have to be given, the piped one last */
  readonly takes: readonly ArgumentKind[]
  /** kind of all further arguments; none are allowed when absent */
  readonly rest?: ArgumentKind
  call(values: Value[], context: CallContext): Value
}

export interface CallContext {
  /** Runs the template of this name over the data. */
  include(name: string, data: Value): string
}

export type Functions = ReadonlyMap<string, TemplateFunction>

/** What a function throws; the evaluator adds file and line, unless it carries a code of its own. */
export class Refusal extends Error {
  readonly code: string | undefined
  constructor(detail: string, code?: string) {
    super(detail)
    this.code = code
  }
}
