/** A chart's folder in memory, as Helm loads it. */
import {readdir, readFile} from 'node:fs/promises'
import {join, posix} from 'node:path'
import {fail} from '../../runtime/errors.ts'
import {CHART_UNREADABLE} from './errors.ts'
import {parseYaml} from './template/go-yaml.ts'
import {isTree, type Tree, tree} from './template/value.ts'

export interface ChartFile {
  /** path below the chart's folder, with slashes: templates/config.yaml */
  readonly name: string
  readonly text: string
}

export interface Chart {
  readonly name: string
  readonly version: string
  readonly appVersion: string
  /** Chart.yaml as it is */
  readonly metadata: Tree
  /** values.yaml parsed: the defaults */
  readonly values: Tree
  /** values.schema.json parsed */
  readonly schema: unknown
  /** files below templates/, sorted by name */
  readonly templates: readonly ChartFile[]
  /** all other files but Chart.yaml, values.yaml and the schema; sorted by name */
  readonly files: readonly ChartFile[]
}

/** A chart has no reason to be larger; a folder named by mistake may be. */
const maxFiles = 500

/** @throws CHART_UNREADABLE */
export async function loadChart(path: string): Promise<Chart> {
  const texts = new Map<string, string>()
  try {
    for (const name of await listFiles(path)) texts.set(name, await readFile(join(path, name), 'utf8'))
  } catch (thrown) {
    fail(CHART_UNREADABLE, {path, detail: (thrown as Error).message}, {cause: thrown})
  }
  return makeChart(texts, path)
}

/** @throws CHART_UNREADABLE */
export function makeChart(texts: ReadonlyMap<string, string>, path: string): Chart {
  const parseMap = (name: string): Tree => {
    const text = texts.get(name)
    if (text === undefined)
      return name === 'values.yaml' ? tree() : fail(CHART_UNREADABLE, {path, detail: `${name} is missing`})
    let value: unknown
    try {
      value = parseYaml(text)
    } catch (thrown) {
      return fail(CHART_UNREADABLE, {path, detail: `${name}: ${(thrown as Error).message}`}, {cause: thrown})
    }
    return isTree(value as Tree) ? (value as Tree) : fail(CHART_UNREADABLE, {path, detail: `${name} is not a map`})
  }
  const metadata = parseMap('Chart.yaml')
  const schemaText = texts.get('values.schema.json')
  const special = new Set(['Chart.yaml', 'values.yaml', 'values.schema.json'])
  const rest = [...texts]
    .filter(([name]) => !special.has(name))
    .map(([name, text]) => ({name, text}))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  return {
    name: text(metadata, 'name'),
    version: text(metadata, 'version'),
    appVersion: text(metadata, 'appVersion'),
    metadata,
    values: parseMap('values.yaml'),
    schema: schemaText === undefined ? undefined : (JSON.parse(schemaText) as unknown),
    templates: rest.filter(({name}) => name.startsWith('templates/')),
    files: rest.filter(({name}) => !name.startsWith('templates/')),
  }
}

function text(metadata: Tree, key: string): string {
  const value = metadata[key]
  return typeof value === 'string' ? value : ''
}

async function listFiles(root: string): Promise<string[]> {
  const entries = await readdir(root, {recursive: true, withFileTypes: true})
  const files = entries.filter((entry) => entry.isFile())
  if (files.length > maxFiles) throw new Error(`it holds ${files.length} files`)
  return files
    .map((entry) => posix.join(...entry.parentPath.slice(root.length).split('/'), entry.name).replace(/^\//, ''))
    .filter((name) => !/(^|\/)\.(DS_Store|git\/)|\.(orig|swp)$/.test(name))
}
