/**
 * Label selectors. "Absent", "none" (selects nothing) and "any" (selects all) are three values that cannot be
 * mistaken for one another or for an empty list of requirements.
 */
import type {LabelSet} from './labels.ts'

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'

export interface Requirement {
  /** a label source, or `any` */
  readonly source: string
  readonly key: string
  readonly operator: Operator
  /** sorted; empty for Exists and DoesNotExist, never empty for In and NotIn */
  readonly values: readonly string[]
}

export type Selector =
  | {readonly kind: 'absent'}
  | {readonly kind: 'none'}
  | {readonly kind: 'any'}
  /** at least one requirement; all must hold */
  | {readonly kind: 'match'; readonly requirements: readonly [Requirement, ...Requirement[]]}

export const absentSelector: Selector = {kind: 'absent'}
export const noneSelector: Selector = {kind: 'none'}
export const anySelector: Selector = {kind: 'any'}

/** A selector as Kubernetes and Cilium objects carry it; nothing about it is trusted. */
export interface LabelSelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>> | null
  readonly matchExpressions?: readonly {key?: string; operator?: string; values?: readonly string[] | null}[] | null
}

/** A selector, or why the object is none: the path below the selector and a reason. */
export type ParsedSelector =
  | {readonly selector: Selector}
  | {readonly problem: {readonly path: string; readonly reason: string}}

/**
 * Reads a LabelSelector (Kubernetes API): missing is absent, `{}` is any. Keys may carry a source
 * (`k8s:app`, `reserved:host`, `any:app`); without one they get `defaultSource`.
 */
export function parseSelector(
  object: LabelSelectorObject | null | undefined,
  options: {defaultSource?: string} = {},
): ParsedSelector {
  if (object === undefined || object === null) return {selector: absentSelector}
  if (typeof object !== 'object' || Array.isArray(object)) return problem('', 'must be an object')
  const defaultSource = options.defaultSource ?? 'any'
  const requirements: Requirement[] = []
  for (const [name, value] of Object.entries(object.matchLabels ?? {})) {
    if (typeof value !== 'string') return problem(`matchLabels[${name}]`, 'value must be a string')
    const at = splitName(name, defaultSource)
    if (at === undefined) return problem('matchLabels', 'key must not be empty')
    requirements.push({...at, operator: 'In', values: [value]})
  }
  const expressions = object.matchExpressions ?? []
  if (!Array.isArray(expressions)) return problem('matchExpressions', 'must be a list')
  for (const [index, expression] of expressions.entries()) {
    const path = `matchExpressions[${index}]`
    const at = splitName(String(expression?.key ?? ''), defaultSource)
    if (at === undefined) return problem(`${path}.key`, 'must not be empty')
    const values = expression?.values ?? []
    switch (expression?.operator) {
      case 'In':
      case 'NotIn':
        if (!Array.isArray(values) || values.length === 0) {
          return problem(`${path}.values`, `must not be empty for operator ${expression.operator}`)
        }
        if (values.some((value) => typeof value !== 'string')) return problem(`${path}.values`, 'must be strings')
        requirements.push({...at, operator: expression.operator, values: [...new Set<string>(values)].sort()})
        break
      case 'Exists':
      case 'DoesNotExist':
        if (values.length !== 0) return problem(`${path}.values`, `must be empty for operator ${expression.operator}`)
        requirements.push({...at, operator: expression.operator, values: []})
        break
      default:
        return problem(`${path}.operator`, 'must be one of In, NotIn, Exists, DoesNotExist')
    }
  }
  return {selector: matchAll(requirements)}
}

/** All requirements at once: any when there are none. */
export function matchAll(requirements: readonly Requirement[]): Selector {
  const [first, ...rest] = [...requirements].sort(compareRequirements)
  return first === undefined ? anySelector : {kind: 'match', requirements: [first, ...rest]}
}

/** What both select. Absent is nobody's condition: it leaves the other as it is. */
export function intersectSelectors(a: Selector, b: Selector): Selector {
  if (a.kind === 'absent') return b
  if (b.kind === 'absent') return a
  if (a.kind === 'none' || b.kind === 'none') return noneSelector
  if (a.kind === 'any') return b
  if (b.kind === 'any') return a
  return matchAll([...a.requirements, ...b.requirements])
}

/** True when the labels are selected. Absent and none select nothing. */
export function selects(selector: Selector, labels: LabelSet): boolean {
  switch (selector.kind) {
    case 'absent':
    case 'none':
      return false
    case 'any':
      return true
    case 'match':
      return selector.requirements.every((requirement) => holds(requirement, labels))
  }
}

/**
 * One requirement against labels. NotIn and DoesNotExist hold for labels without the key, as in Kubernetes. With
 * source `any` the key of every source is looked at: In needs one that matches, NotIn needs all to differ.
 */
export function holds(requirement: Requirement, labels: LabelSet): boolean {
  const {source, key, operator, values} = requirement
  const found = labels.withKey(key).filter((label) => source === 'any' || label.source === source)
  switch (operator) {
    case 'In':
      return found.some((label) => values.includes(label.value))
    case 'NotIn':
      return found.every((label) => !values.includes(label.value))
    case 'Exists':
      return found.length > 0
    case 'DoesNotExist':
      return found.length === 0
  }
}

/** Canonical text: the same for selectors that say the same in another order. */
export function formatSelector(selector: Selector): string {
  if (selector.kind !== 'match') return `<${selector.kind}>`
  return selector.requirements.map(formatRequirement).join(',')
}

/** `k8s:app=web`, `k8s:tier in (a,b)`, `!k8s:app`. */
export function formatRequirement({source, key, operator, values}: Requirement): string {
  const name = `${source}:${key}`
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${name}=${values[0]}` : `${name} in (${values.join(',')})`
    case 'NotIn':
      return `${name} notin (${values.join(',')})`
    case 'Exists':
      return name
    case 'DoesNotExist':
      return `!${name}`
  }
}

function compareRequirements(a: Requirement, b: Requirement): number {
  const left = formatRequirement(a)
  const right = formatRequirement(b)
  return left < right ? -1 : left > right ? 1 : 0
}

function splitName(name: string, defaultSource: string): {source: string; key: string} | undefined {
  const colon = name.indexOf(':')
  const source = colon < 0 ? defaultSource : name.slice(0, colon)
  const key = name.slice(colon + 1)
  return source === '' || key === '' ? undefined : {source, key}
}

function problem(path: string, reason: string): ParsedSelector {
  return {problem: {path, reason}}
}
