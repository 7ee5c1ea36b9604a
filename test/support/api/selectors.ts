/** Label and field selectors in the text form of list and watch queries. */

import type {Resource} from '../../../src/k8s/resources.ts'

type Test = (labels: Readonly<Record<string, string>>) => boolean

/** Parses `a=b,c!=d,e in (x,y),f notin (x),g,!h`. @returns undefined when it is not a selector */
export function labelSelector(text: string): Test | undefined {
  const tests: Test[] = []
  for (const part of text.match(/(?:[^,(]|\([^)]*\))+/g) ?? []) {
    const test = labelTest(part.trim())
    if (test === undefined) return undefined
    tests.push(test)
  }
  return (labels) => tests.every((test) => test(labels))
}

function labelTest(part: string): Test | undefined {
  const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part)
  if (set !== null) {
    const values = set[3]!.split(',').map((value) => value.trim())
    const key = set[1]!
    return set[2] === 'in'
      ? (labels) => key in labels && values.includes(labels[key]!)
      : (labels) => !values.includes(labels[key] ?? '\0')
  }
  const equal = /^([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$/.exec(part)
  if (equal !== null) {
    const [, key = '', operator, value] = equal
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value
  }
  const exists = /^(!?)\s*([\w./-]+)$/.exec(part)
  if (exists === null) return undefined
  const key = exists[2]!
  return exists[1] === '!' ? (labels) => !(key in labels) : (labels) => key in labels
}

/** Parses `metadata.name=x,status.phase!=Running`: dotted paths, compared as text. */
export function fieldSelector(
  text: string,
): {readonly paths: readonly string[]; test(object: object): boolean} | undefined {
  const parts: {path: string; differs: boolean; value: string}[] = []
  for (const part of text.split(',').filter((one) => one !== '')) {
    const match = /^([\w.]+)\s*(==|=|!=)\s*(.*)$/.exec(part.trim())
    if (match === null) return undefined
    parts.push({path: match[1]!, differs: match[2] === '!=', value: match[3]!})
  }
  return {
    paths: parts.map(({path}) => path),
    test: (object) => parts.every(({path, differs, value}) => (String(at(object, path) ?? '') === value) !== differs),
  }
}

function at(object: object, path: string): unknown {
  let value: unknown = object
  for (const step of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[step]
  return value
}

/** What a list or watch asks for, or why it cannot be read. Custom resources are selected by name alone, as the real server has it. */
export function selection(resource: Resource, query: URLSearchParams): ((object: Selectable) => boolean) | string {
  const labels = labelSelector(query.get('labelSelector') ?? '')
  const fields = fieldSelector(query.get('fieldSelector') ?? '')
  if (labels === undefined) return `unable to parse requirement: ${query.get('labelSelector')}`
  if (fields === undefined) return `invalid selector: ${query.get('fieldSelector')}`
  const custom = resource.group.endsWith('cilium.io')
  const unknown = fields.paths.find((path) => custom && path !== 'metadata.name' && path !== 'metadata.namespace')
  if (unknown !== undefined) return `field label not supported: ${unknown}`
  return (object) => labels(object.metadata.labels ?? {}) && fields.test(object)
}

// biome-ignore lint/suspicious/noExplicitAny: objects of every shape
type Selectable = any
