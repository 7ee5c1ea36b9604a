/** Which values the next revision has: what Helm's flags for keeping values mean. */
import {deepCopy, isTree, type Tree} from '../chart/template/value.ts'
import {overlay, withDefaults} from '../chart/values.ts'

/**
 * What becomes of the values of the revision before. `reset-then-reuse`: the user's are kept, defaults are those of the
 * new chart. `reuse`: defaults are kept too. `reset`: nothing is kept.
 */
export type KeptValues = 'reset-then-reuse' | 'reuse' | 'reset'

export interface RevisionValues {
  /** the user's: what is stored with the release */
  readonly values: Tree
  /** what counts where the user says nothing */
  readonly defaults: Tree
}

/**
 * @param before the user's values and the defaults of the revision that is deployed
 * @param user what is given now; null takes back what was given before, or else a default
 * @param fresh defaults of the chart that is to be
 * @param derived values that follow from the cluster, where nothing is kept
 */
export function nextValues(
  kept: KeptValues,
  before: RevisionValues,
  user: Tree,
  fresh: Tree,
  derived: Tree,
): RevisionValues {
  if (kept === 'reset') return {values: overlay(derived, user), defaults: fresh}
  const values = reuse(before.values, user)
  if (kept === 'reset-then-reuse') return {values, defaults: fresh}
  return {values, defaults: withDefaults(withDefaults(before.values, before.defaults).values, fresh).values}
}

/** Lays `user` upon the values of before. A null takes away what was said before, and only that. */
function reuse(before: Tree, user: Tree): Tree {
  const merged = deepCopy(before)
  for (const key of Object.keys(user)) {
    const [below, above] = [merged[key], user[key]!]
    if (above === null && key in merged) delete merged[key]
    else merged[key] = isTree(above) && isTree(below) ? reuse(below, above) : deepCopy(above)
  }
  return merged
}
