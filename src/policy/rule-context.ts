/** What reading one rule of a Cilium policy needs to know, and where it notes what it finds. */
import type {ObjectReader} from './object-reader.ts'
import type {PolicyOptions} from './options.ts'
import type {PolicyRef, Problem} from './rule.ts'

export interface RuleContext {
  readonly read: ObjectReader
  readonly ref: PolicyRef
  readonly options: PolicyOptions
  readonly unenforceable: Problem[]
  readonly warnings: Problem[]
  /** the subject is what has no labels yet, so peers without a namespace may be meant, too */
  readonly init: boolean
}
