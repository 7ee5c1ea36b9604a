/**
 * Old spellings of values become today's before they are checked, merged and stored, so that `helm get values` shows
 * the names of today. The table is the chart's own: `helm install` maps by it too.
 */
import {fail} from '../../runtime/errors.ts'
import type {Chart} from './chart.ts'
import {VALUES_CONTRADICT, VALUES_REFUSED} from './errors.ts'
import {renderDefine} from './render.ts'
import {fromYamlList} from './template/go-yaml.ts'
import {deepCopy, format, isTree, type Tree, toPlain, type Value} from './template/value.ts'
import {getPath, putPath, removePath, showValue} from './value-path.ts'

export interface OldValue {
  /** dotted path as it was */
  readonly old: string
  /** today's path, when the value stays as it is */
  readonly to?: string
  /** today's value is a list of it */
  readonly list?: boolean
  /** the path is in use today too, with other values */
  readonly inUse?: boolean
  /** old value → today's paths and values */
  readonly values?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export function oldValues(chart: Chart): readonly OldValue[] {
  return fromYamlList(renderDefine(chart, 'cilium.oldValues')).map((entry) => toPlain(entry) as OldValue)
}

/**
 * @param user what the user gave, without defaults
 * @returns the values in today's spelling, and a warning for each that was rewritten
 * @throws VALUES_REFUSED for an old value without a meaning today; VALUES_CONTRADICT when old and new were given
 */
export function mapOldValues(chart: Chart, user: Tree): {values: Tree; warnings: string[]} {
  const values = deepCopy(user)
  const warnings: string[] = []
  for (const entry of oldValues(chart)) {
    const given = getPath(values, entry.old)
    if (given === undefined || given === null) continue
    const today = todayOf(entry, given)
    if (today === undefined) continue
    removePath(values, entry.old)
    const written: string[] = []
    for (const [path, value] of today) {
      const present = getPath(values, path)
      if (present !== undefined && present !== null && showValue(present) !== showValue(value)) {
        const text = today.map(([one, set]) => `${one}=${showValue(set)}`).join(' ')
        fail(VALUES_CONTRADICT, {old: `${entry.old}=${showValue(given)}`, today: text, path, value: showValue(present)})
      }
      putPath(values, path, value)
      written.push(`${path}=${showValue(value)}`)
    }
    warnings.push(`${entry.old}=${showValue(given)} is written ${written.join(' ')} today`)
  }
  return {values, warnings}
}

function todayOf(entry: OldValue, given: Value): [path: string, value: Value][] | undefined {
  if (entry.to !== undefined) return [[entry.to, entry.list ? [given] : given]]
  const spellings = entry.values ?? {}
  const today = spellings[isTree(given) || Array.isArray(given) ? '' : format(given)]
  if (today !== undefined) return Object.entries(today).map(([path, value]) => [path, value as Value])
  if (entry.inUse) return undefined
  return fail(VALUES_REFUSED, {
    detail: `${entry.old}=${showValue(given)} is an old spelling with no meaning today; the old one knew ${Object.keys(spellings).sort().join(', ')}`,
  })
}
