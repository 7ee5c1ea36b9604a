/**
 * Writes what follows from the chart's values.yaml: values.schema.json and docs/reference/values.md; and
 * manifests/quick-install.yaml, the chart rendered with its defaults.
 *
 *     node scripts/generate-values.ts           write them
 *     node scripts/generate-values.ts --check   fail when a committed one is out of date
 */
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {stringify} from 'yaml'
import {loadChart} from '../src/cli/chart/chart.ts'
import {laterValues} from '../src/cli/chart/later-values.ts'
import {type OldValue, oldValues} from '../src/cli/chart/old-values.ts'
import {manifestText, renderChart} from '../src/cli/chart/render.ts'
import {withDefaults} from '../src/cli/chart/values.ts'
import {chartFolder, type DescribedValue, readValuesSource} from './values-source.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Schema {
  [keyword: string]: unknown
  properties?: Record<string, Schema>
}

/** Path below the repository → text, of all files this script makes. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const chart = await loadChart(chartFolder)
  const values = readValuesSource()
  const later = [...laterValues(chart).keys()]
  const old = oldValues(chart)
  const {manifests} = renderChart(chart, withDefaults(Object.create(null), chart.values).values, {
    releaseName: 'cilium',
    namespace: 'kube-system',
    revision: 1,
    isUpgrade: false,
    kubernetesVersion: 'v1.34.0',
  })
  const quickInstall = `# Cilium ${chart.appVersion} with the chart's default values. Made by scripts/generate-values.ts.\n`
  return new Map([
    ['manifests/chart/values.schema.json', `${JSON.stringify(schemaOf(values, later, old), null, 2)}\n`],
    ['docs/reference/values.md', documentation(values, laterValues(chart), old)],
    ['manifests/quick-install.yaml', quickInstall + manifestText(manifests)],
  ])
}

function schemaOf(values: readonly DescribedValue[], later: readonly string[], old: readonly OldValue[]): Schema {
  const schema: Schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the cilium chart',
    type: 'object',
    additionalProperties: false,
    properties: {global: {description: 'Set by Helm when the chart is part of another.', type: 'object'}},
  }
  for (const value of values) {
    put(schema, value.path, {
      ...(value.text === '' ? {} : {description: value.text}),
      ...(value.isGroup ? {additionalProperties: false} : {}),
      ...(value.schema['type'] === undefined ? typeOf(value) : {}),
      ...value.schema,
    })
  }
  for (const path of later) put(schema, path, {description: 'Known, and not available in this version.'})
  for (const {old: path} of old.filter((one) => !one.inUse)) {
    put(schema, path, {description: 'An old spelling, still understood.', deprecated: true})
  }
  // an old spelling of a value in use is text where today's may be limited
  for (const {old: path, values: spellings} of old.filter((one) => one.inUse)) {
    const at = find(schema, path)!
    if (Array.isArray(at['enum'])) at['enum'] = [...new Set([...at['enum'], ...Object.keys(spellings ?? {})])]
  }
  return schema
}

function typeOf({default: value, path}: DescribedValue): Schema {
  if (Array.isArray(value)) return {type: 'array'}
  if (value === null) throw new Error(`values.yaml: ${path} is null, so its comment has to give a type`)
  if (typeof value === 'number') return {type: Number.isInteger(value) ? 'integer' : 'number'}
  return {type: typeof value}
}

/** Adds a property at a dotted path unless there is one. */
function put(schema: Schema, path: string, property: Schema): void {
  let at = schema
  const parts = path.split('.')
  for (const part of parts.slice(0, -1)) {
    at.properties ??= {}
    at = at.properties[part] ??= {type: 'object', additionalProperties: false}
  }
  at.properties ??= {}
  at.properties[parts.at(-1)!] ??= property
}

function find(schema: Schema, path: string): Schema | undefined {
  return path.split('.').reduce<Schema | undefined>((at, part) => at?.properties?.[part], schema)
}

function documentation(
  values: readonly DescribedValue[],
  later: ReadonlyMap<string, readonly unknown[]>,
  old: readonly OldValue[],
): string {
  const rows = values.filter((value) => !value.isGroup)
  return `# Values

Set with \`cilium install --set path=value\`, \`-f values.yaml\`, or Helm. A value that is not listed is refused.
Made by scripts/generate-values.ts from the comments of manifests/chart/values.yaml.

| value | default | meaning | key in cilium-config |
| --- | --- | --- | --- |
${rows.map((row) => `| \`${row.path}\` | ${shown(row.default)} | ${cell(row.text)}${limits(row)} | ${keys(row)} |`).join('\n')}

## Known, and not available in this version

These values of Cilium are accepted only as far as they ask for nothing; anything else is refused with a message that
names the value.

| value | accepted |
| --- | --- |
${[...later].map(([path, accepted]) => `| \`${path}\` | ${accepted.length === 0 ? 'leave it out' : accepted.map(shown).join(', ')} |`).join('\n')}

## Old spellings

Accepted, mapped, and answered with a warning that names today's.

| typed | today |
| --- | --- |
${old.flatMap(oldRows).join('\n')}
`
}

function oldRows({old, to, list, values}: OldValue): string[] {
  if (to !== undefined) return [`| \`${old}=X\` | \`${to}=${list ? '{X}' : 'X'}\` |`]
  return Object.entries(values ?? {}).map(([value, today]) => {
    const spelled = Object.entries(today).map(([path, set]) => `\`${path}=${String(set)}\``)
    return `| \`${old}=${value}\` | ${spelled.join(' ')} |`
  })
}

function keys({configKeys}: DescribedValue): string {
  return configKeys.map((key) => `\`${key}\``).join(' ')
}

function limits({schema}: DescribedValue): string {
  const said: string[] = []
  if (Array.isArray(schema['enum'])) {
    said.push(
      `one of ${schema['enum']
        .filter((one) => one !== '' && one !== null)
        .map((one) => `\`${String(one)}\``)
        .join(', ')}`,
    )
  }
  const {minimum, maximum} = schema
  if (minimum !== undefined && maximum !== undefined) said.push(`${String(minimum)} to ${String(maximum)}`)
  else if (minimum !== undefined) said.push(`at least ${String(minimum)}`)
  return said.length === 0 ? '' : ` (${said.join('; ')})`
}

function shown(value: unknown): string {
  if (value === null) return '`null`'
  if (typeof value === 'string') return value === '' ? '`""`' : `\`${cell(value)}\``
  const text = stringify(value, {collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false}).trim()
  return `\`${cell(text)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

if (import.meta.main) {
  const check = process.argv.includes('--check')
  let stale = false
  for (const [path, text] of await generatedFiles()) {
    const target = join(root, path)
    if (!check) {
      writeFileSync(target, text)
    } else if (readOrEmpty(target) !== text) {
      stale = true
      process.stderr.write(`${path} is out of date: run node scripts/generate-values.ts\n`)
    }
  }
  process.exitCode = stale ? 1 : 0
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
