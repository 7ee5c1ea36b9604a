/** Reads manifests/chart/values.yaml with its comments: what each value means, may be, and becomes. */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {parse} from 'yaml'

export const chartFolder = fileURLToPath(new URL('../manifests/chart', import.meta.url))

/** A value or a group of values. */
export interface DescribedValue {
  /** dotted path: ipam.mode */
  readonly path: string
  readonly line: number
  readonly text: string
  /** keyword of JSON schema that the comment gives */
  readonly schema: Readonly<Record<string, unknown>>
  /** keys of ConfigMap cilium-config it becomes */
  readonly configKeys: readonly string[]
  readonly default: unknown
  /** a group holds values of its own; a leaf is set as a whole */
  readonly isGroup: boolean
}

/** All values in the order of the file. */
export function readValuesSource(): readonly DescribedValue[] {
  const text = readFileSync(join(chartFolder, 'values.yaml'), 'utf8')
  const defaults = parse(text) as Record<string, unknown>
  const values: DescribedValue[] = []
  const parents: {key: string; indent: number}[] = []
  let comment: string[] = []
  let leafIndent = Number.POSITIVE_INFINITY

  for (const [index, line] of text.split('\n').entries()) {
    const indent = line.length - line.trimStart().length
    if (line.trim() === '') {
      comment = []
      continue
    }
    if (indent > leafIndent) continue
    if (line.trimStart().startsWith('#')) {
      comment.push(line.trimStart().replace(/^# ?/, ''))
      continue
    }
    const key = /^ *([A-Za-z0-9_]+):/.exec(line)?.[1]
    // items of a list stand as deep as the list itself
    if (key === undefined) continue
    while (parents.length > 0 && parents.at(-1)!.indent >= indent) parents.pop()
    parents.push({key, indent})
    const path = parents.map((parent) => parent.key)
    const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], defaults)
    const schema = schemaOf(comment, index + 1)
    const isGroup = isMap(value) && !('additionalProperties' in schema)
    leafIndent = isGroup ? Number.POSITIVE_INFINITY : indent
    values.push({
      path: path.join('.'),
      line: index + 1,
      text: comment.filter((one) => !one.startsWith('@')).join(' '),
      schema,
      configKeys: comment.filter((one) => one.startsWith('@config ')).map((one) => one.slice('@config '.length).trim()),
      default: value,
      isGroup,
    })
    comment = []
  }
  return values
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function schemaOf(comment: readonly string[], line: number): Readonly<Record<string, unknown>> {
  const text = comment.filter((one) => one.startsWith('@schema ')).map((one) => one.slice('@schema '.length))
  try {
    return parse(`{${text.join(', ')}}`) as Record<string, unknown>
  } catch (thrown) {
    throw new Error(`values.yaml:${line}: @schema is not YAML: ${(thrown as Error).message}`)
  }
}
