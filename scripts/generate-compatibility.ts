/**
 * Writes docs/reference/compatibility.md: of Cilium's values, commands, fields of resources and metrics, which exist
 * here. Cilium's names are in scripts/compatibility; what exists is read from the chart, the list of commands, the
 * definitions and the sources themselves.
 *
 *     node scripts/generate-compatibility.ts           write it
 *     node scripts/generate-compatibility.ts --check   fail when the committed one is out of date
 */
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {loadChart} from '../src/cli/chart/chart.ts'
import {laterValues} from '../src/cli/chart/later-values.ts'
import {allKinds} from '../src/operator/crd/all.ts'
import type {Schema} from '../src/operator/crd/schema.ts'
import {checkCiliumPolicy} from '../src/policy/cilium-policy.ts'
import {defaultPolicyOptions, type PolicyOptions} from '../src/policy/options.ts'
import {policySamples} from './compatibility/policy-samples.ts'
import {chartFolder, readValuesSource} from './values-source.ts'

const root = join(import.meta.dirname, '..')
const file = 'docs/reference/compatibility.md'

/** Lines of a list of names: those that stand at the left head those that follow. */
function namesOf(name: string): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  let group: string[] = []
  for (const line of readFileSync(join(root, 'scripts/compatibility', `${name}.txt`), 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    if (line.startsWith(' ')) group.push(line.trim())
    else groups.set(line, (group = []))
  }
  return groups
}

interface Section {
  readonly title: string
  readonly here: number
  readonly all: number
  readonly text: string
}

async function values(): Promise<Section> {
  const here = readValuesSource().filter(({isGroup}) => !isGroup)
  const later = [...laterValues(await loadChart(chartFolder)).keys()]
  const byGroup = Map.groupBy(later, (path) => path.split('.')[0]!)
  const rows = [...byGroup].map(
    ([group, paths]) =>
      `| \`${group}\` | ${paths.map((path) => `\`${path.slice(group.length + 1) || group}\``).join(' ')} |`,
  )
  return {
    title: 'Values',
    here: here.length,
    all: here.length + later.length,
    text: `Those that exist are in [values.md](values.md). These are known by name; one that asks for something is refused
with a clear text, one that asks for nothing is accepted:

| group | not here |
|---|---|
${rows.join('\n')}`,
  }
}

function commands(): Section {
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) as {
    commands: Readonly<Record<string, {readonly aliases?: readonly string[]}>>
  }
  const known = new Set(
    Object.entries(manifest.commands).flatMap(([id, {aliases = []}]) =>
      [id, ...aliases].map((one) => one.replaceAll(':', ' ')),
    ),
  )
  const prefix: Readonly<Record<string, string>> = {cilium: '', hubble: 'hubble ', 'cilium-dbg': 'dbg '}
  let [here, all] = [0, 0]
  const rows = [...namesOf('commands')].map(([program, names]) => {
    const exists = (name: string) =>
      known.has(`${prefix[program]}${name}`) ||
      known.has(`${prefix[program]}${name.replace(/^observe flows$/, 'observe')}`)
    const [yes, no] = [names.filter(exists), names.filter((name) => !exists(name))]
    here += yes.length
    all += names.length
    return `| \`${program}\` | ${words(yes)} | ${words(no)} |`
  })
  return {
    title: 'Commands',
    here,
    all,
    text: `| program | here | not here |\n|---|---|---|\n${rows.join('\n')}`,
  }
}

const words = (names: readonly string[]) => names.map((name) => `\`${name}\``).join(', ') || '–'

function isIn(schema: Schema, path: readonly string[]): boolean {
  const [name, ...rest] = path
  if (name === undefined) return true
  const at = schema as {items?: Schema; properties?: Record<string, Schema>; additionalProperties?: Schema}
  const open = (schema as Record<string, unknown>)['x-kubernetes-preserve-unknown-fields'] === true
  if (open && at.properties?.[name] === undefined) return true
  if (at.properties?.[name] !== undefined) return isIn(at.properties[name], rest)
  if (at.items !== undefined) return isIn(at.items, path)
  return typeof at.additionalProperties === 'object' && isIn(at.additionalProperties, path)
}

/** Values of the chart without which a field is refused. */
const switches: Partial<Record<keyof PolicyOptions, string>> = {
  nodeSelectors: 'nodeSelectorLabels',
  hostFirewall: 'hostFirewall.enabled',
  extendedProtocols: 'extraConfig.enable-extended-ip-protocols',
}

function fields(): Section {
  let [here, all] = [0, 0]
  const rows = [...namesOf('fields')].map(([kind, paths]) => {
    const ours = allKinds.find((one) => one.kind === kind)
    all += paths.length
    if (ours === undefined) return `| ${kind} | no |  |`
    const missing = paths.filter((path) => !isIn(ours.schema, path.split('.')))
    here += paths.length - missing.length
    return `| ${kind} | ${paths.length - missing.length} of ${paths.length} fields | ${words(missing)} |`
  })
  const samples = policySamples.map(({field, spec, kind}) => {
    const object = {apiVersion: 'cilium.io/v2', kind, metadata: {name: 'sample', namespace: 'default'}, spec}
    const problemsWith = (options: Partial<PolicyOptions>) => {
      const checked = checkCiliumPolicy(kind, object, {...defaultPolicyOptions, ...options})
      return checked.ok ? checked.policy.unenforceable : checked.problems
    }
    const problems = problemsWith({})
    const value = Object.entries(switches).find(([option]) => problemsWith({[option]: true}).length === 0)?.[1]
    const verdict =
      problems.length === 0
        ? 'yes'
        : value === undefined
          ? `no: ${problems.map(({path, reason}) => `${path} ${reason}`).join('; ')}`
          : `with \`${value}\``
    return `| \`${field}\` | ${verdict} |`
  })
  return {
    title: 'Fields of resources',
    here,
    all,
    text: `| kind | in its definition | not in it |
|---|---|---|
${rows.join('\n')}

A field of a policy that the definition takes and the agents cannot enforce makes the policy say so in its status, and its
rule lets nobody through. Asked of the compiler with the default values, and with one of them changed:

| field of a policy | enforced |
|---|---|
${samples.join('\n')}`,
  }
}

/** Names of metrics that the sources register: literals, and what is put behind a prefix. */
function registered(): ReadonlySet<string> {
  const found = new Set<string>()
  for (const entry of readdirSync(join(root, 'src'), {recursive: true, encoding: 'utf8'})) {
    if (!entry.endsWith('.ts')) continue
    const text = readFileSync(join(root, 'src', entry), 'utf8')
    for (const [name] of text.matchAll(/\b(?:cilium|hubble)_[a-z][a-z0-9_]+/g)) found.add(name)
    for (const [, name] of text.matchAll(/`\$\{prefix\}_([a-z0-9_]+)`/g))
      for (const prefix of ['cilium', 'cilium_operator']) found.add(`${prefix}_${name}`)
    // the files that put their own prefix before every name
    const prefix = {
      'operator/metrics.ts': 'cilium_operator',
      'hubble/metrics/kinds.ts': 'hubble',
      'hubble/metrics/layer7-kinds.ts': 'hubble',
    }[entry]
    if (prefix !== undefined)
      for (const [, name] of text.matchAll(/(?:counter|gauge|histogram|name)\(\s*'([a-z0-9_]+)'/g))
        found.add(`${prefix}_${name}`)
  }
  return found
}

function metrics(): Section {
  const known = registered()
  const names = [...namesOf('metrics').keys()]
  const groups = Map.groupBy(names, (name) => /^(cilium_operator|cilium|hubble)_/.exec(name)![1]!)
  const rows = [...groups].map(([prefix, all]) => {
    const exists = (name: string) => known.has(name)
    return `| \`${prefix}_*\` | ${words(all.filter(exists))} | ${words(all.filter((name) => !exists(name)))} |`
  })
  return {
    title: 'Metrics',
    here: names.filter((name) => known.has(name)).length,
    all: names.length,
    text: `| names | here | not here |\n|---|---|---|\n${rows.join('\n')}`,
  }
}

/** The text of the page. */
export async function compatibilityPage(): Promise<string> {
  const sections = [await values(), commands(), fields(), metrics()]
  return `<!-- Generated by scripts/generate-compatibility.ts. Do not edit. -->

# What of Cilium exists here

Compared with Cilium 1.19, and what is known of 1.20.

| | here | of |
|---|--:|--:|
${sections.map(({title, here, all}) => `| [${title}](#${title.toLowerCase().replaceAll(' ', '-')}) | ${here} | ${all} |`).join('\n')}

${sections.map(({title, text}) => `## ${title}\n\n${text}\n`).join('\n')}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const text = await compatibilityPage()
  const path = join(root, file)
  const present = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  if (process.argv.includes('--check')) {
    if (present !== text) {
      console.error(`${file} is out of date: npm run generate`)
      process.exitCode = 1
    }
  } else if (present !== text) writeFileSync(path, text)
}
