/** What the status of a policy says of it. Pure. */
import type {CheckedPolicy, Problem} from '../../policy/rule.ts'

export interface Condition {
  readonly type: string
  readonly status: string
  readonly lastTransitionTime?: string
  readonly reason?: string
  readonly message?: string
}

/** Kubernetes allows more; a reader does not want it. */
const maxMessage = 2000

/**
 * `Valid`: can it be read, and if not, every field that is wrong. `Enforceable`: is all of it enforced; what of it is
 * not is denied. Conditions of other types are left alone.
 *
 * @param present what the object has
 * @returns undefined when that says it already
 */
export function conditionsOf(
  checked: CheckedPolicy,
  present: readonly Condition[],
  now: string,
): readonly Condition[] | undefined {
  const wanted = [validity(checked), ...(checked.ok ? [enforceability(checked.policy.unenforceable)] : [])]
  const next = wanted.map((condition): Condition => {
    const before = present.find(({type}) => type === condition.type)
    const since = before?.status === condition.status ? before.lastTransitionTime : undefined
    return {...condition, lastTransitionTime: since ?? now}
  })
  const ours = ['Valid', 'Enforceable']
  const all = [...present.filter(({type}) => !ours.includes(type)), ...next]
  const said = ({type, status, reason, message}: Condition) => JSON.stringify([type, status, reason, message])
  const same = all.length === present.length && all.every((one) => present.some((other) => said(one) === said(other)))
  return same ? undefined : all
}

function validity(checked: CheckedPolicy): Condition {
  if (checked.ok) {
    const {warnings} = checked.policy
    const message = warnings.length === 0 ? 'Policy validation succeeded' : listOf(warnings)
    return {type: 'Valid', status: 'True', reason: warnings.length === 0 ? 'Valid' : 'Warnings', message}
  }
  return {type: 'Valid', status: 'False', reason: 'Invalid', message: listOf(checked.problems)}
}

function enforceability(unenforceable: readonly Problem[]): Condition {
  const type = 'Enforceable'
  if (unenforceable.length === 0) return {type, status: 'True', reason: 'Enforceable', message: 'all of it is enforced'}
  return {type, status: 'False', reason: 'NotAvailable', message: `denied instead: ${listOf(unenforceable)}`}
}

function listOf(problems: readonly Problem[]): string {
  const text = problems.map(({path, reason}) => `${path}: ${reason}`).join('; ')
  return text.length <= maxMessage ? text : `${text.slice(0, maxMessage - 3)}...`
}
