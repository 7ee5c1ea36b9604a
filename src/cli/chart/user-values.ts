/** What the user asks for: values files and --set flags, merged in Helm's order, in today's spelling. */
import {readFile} from 'node:fs/promises'
import {fail} from '../../runtime/errors.ts'
import type {Chart} from './chart.ts'
import {VALUES_FILE_UNREADABLE} from './errors.ts'
import {mapOldValues} from './old-values.ts'
import {applySet, textValue, typedValue} from './set-syntax.ts'
import {parseYaml} from './template/go-yaml.ts'
import {isTree, type Tree, tree} from './template/value.ts'
import {overlay} from './values.ts'

/** The flags by which values are given, each in the order typed. */
export interface ValueSources {
  /** -f, --values: paths; `-` for stdin */
  readonly files?: readonly string[]
  readonly set?: readonly string[]
  readonly setString?: readonly string[]
  /** --set-file: path=FILE */
  readonly setFile?: readonly string[]
}

/** Nobody writes a longer values file by hand; a wrong path may be anything. */
const maxFileBytes = 4 * 1024 * 1024

/**
 * Merges all sources; later ones win, and the kinds in the order files, --set, --set-string, --set-file.
 *
 * @returns the values as given, without the chart's defaults, and warnings about old spellings
 * @throws VALUES_FILE_UNREADABLE, SET_SYNTAX, VALUES_REFUSED, VALUES_CONTRADICT
 */
export async function readUserValues(chart: Chart, sources: ValueSources): Promise<{values: Tree; warnings: string[]}> {
  let values = tree()
  for (const path of sources.files ?? []) values = overlay(values, await readValuesFile(path))
  for (const text of sources.set ?? []) applySet(text, values, typedValue)
  for (const text of sources.setString ?? []) applySet(text, values, textValue)
  for (const text of sources.setFile ?? []) {
    const paths = new Set<string>()
    applySet(text, tree(), (path) => {
      paths.add(path)
      return null
    })
    const texts = new Map<string, string>()
    for (const path of paths) texts.set(path, await readText(path))
    applySet(text, values, (path) => texts.get(path)!)
  }
  return mapOldValues(chart, values)
}

async function readValuesFile(path: string): Promise<Tree> {
  const text = await readText(path)
  try {
    const value = parseYaml(text)
    if (value === null) return tree()
    if (isTree(value)) return value
  } catch (thrown) {
    return fail(VALUES_FILE_UNREADABLE, {path, detail: (thrown as Error).message}, {cause: thrown})
  }
  return fail(VALUES_FILE_UNREADABLE, {path, detail: 'it does not hold a map'})
}

async function readText(path: string): Promise<string> {
  try {
    const text = path === '-' ? await readStdin() : await readFile(path, 'utf8')
    if (text.length <= maxFileBytes) return text
  } catch (thrown) {
    const {code, message} = thrown as NodeJS.ErrnoException
    const detail = code === 'ENOENT' ? 'there is no such file' : message
    return fail(VALUES_FILE_UNREADABLE, {path, detail}, {cause: thrown})
  }
  return fail(VALUES_FILE_UNREADABLE, {path, detail: `it is larger than ${maxFileBytes} bytes`})
}

async function readStdin(): Promise<string> {
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.length > maxFileBytes) break
  }
  return text
}
