/**
 * Writes src/datapath/gen from the BTF of the compiled objects, so that TypeScript never types an offset:
 * types.ts (structs), enums.ts, constants.ts (#defines of bpf/abi), maps.ts, objects.ts.
 * Fails when a type that bpf/abi/export.h names is missing, and when two objects disagree about a type or map.
 */
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {basename, join, resolve} from 'node:path'
import {isDeepStrictEqual} from 'node:util'
import {mapTypeName} from '../src/kernel/bpf/map-types.ts'
import {Btf} from '../src/kernel/btf.ts'
import {readElf} from '../src/kernel/elf.ts'
import {buildBpf} from './build-bpf.ts'
import {camel, codecText, enumText, structText, typeText} from './codecs/emit.ts'
import {type MapDefinition, readMaps, readPrograms} from './codecs/maps.ts'
import {type Enumeration, type FieldType, type Struct, TypeReader} from './codecs/model.ts'

const root = resolve(import.meta.dirname, '..')
const output = 'src/datapath/gen'

/** 64-bit fields that stay below 2^53 (counts of packets and bytes): numbers, not bigints. */
const numberFields = [
  'counter.packets',
  'counter.bytes',
  'event_count.written',
  'event_count.lost',
  'l2_entry.answers',
  'flow.packets',
  'flow.bytes',
  'flow_shard.expired',
  'flow_shard.refused',
]

interface ObjectModel {
  readonly file: string
  readonly maps: readonly MapDefinition[]
  readonly programs: readonly {readonly name: string; readonly section: string}[]
}

interface Model {
  readonly structs: Map<string, Struct>
  readonly enums: Map<string, Enumeration>
  readonly maps: Map<string, MapDefinition>
  readonly objects: readonly ObjectModel[]
  readonly constants: readonly {readonly name: string; readonly value: bigint}[]
}

/** Texts by path from the repository's root. Compiles what is not up to date. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const model = await readModel()
  return new Map([
    [`${output}/types.ts`, typesText(model)],
    [`${output}/enums.ts`, enumsText(model)],
    [`${output}/constants.ts`, constantsText(model)],
    [`${output}/maps.ts`, mapsText(model)],
    [`${output}/objects.ts`, objectsText(model)],
  ])
}

async function readModel(): Promise<Model> {
  const built = await buildBpf({from: join(root, 'bpf'), to: join(root, 'dist/bpf')})
  const structs = new Map<string, Struct>()
  const enums = new Map<string, Enumeration>()
  const maps = new Map<string, MapDefinition>()
  const wanted = exportedTypes()
  const found = new Set<string>()
  const objects = built.map(({object}): ObjectModel => {
    const file = readFileSync(object)
    const btf = Btf.fromObject(file)
    const reader = new TypeReader(btf, new Set(numberFields))
    for (const {kind, name} of wanted) {
      const type = kind === 'enum' ? reader.enumeration(name) : reader.struct(name)
      if (type) found.add(`${kind} ${name}`)
    }
    const own = readMaps(btf, reader)
    const where = basename(object)
    for (const [name, struct] of reader.structs) merge(structs, name, struct, `struct ${name} of ${where}`)
    for (const [name, one] of reader.enums) merge(enums, name, one, `enum ${name} of ${where}`)
    for (const map of own) merge(maps, map.name, map, `map ${map.name} of ${where}`)
    return {file: where, maps: own, programs: readPrograms(readElf(file))}
  })
  const missing = wanted.filter(({kind, name}) => !found.has(`${kind} ${name}`))
  if (missing.length > 0)
    throw new Error(`bpf/abi/export.h names types that no object has: ${missing.map(({name}) => name).join(', ')}`)
  const stale = numberFields.filter((path) => {
    const [struct = '', field] = path.split('.')
    return !structs.get(struct)?.fields.some((one) => one.name === field)
  })
  if (stale.length > 0) throw new Error(`numberFields names fields that do not exist: ${stale.join(', ')}`)
  return {structs, enums, maps, objects, constants: await readConstants()}
}

function merge<T>(into: Map<string, T>, name: string, value: T, what: string): void {
  const before = into.get(name)
  if (before !== undefined && !isDeepStrictEqual(before, value))
    throw new Error(`${what} differs from another object's`)
  into.set(name, value)
}

/** The list: EXPORT(kind, name) in bpf/abi/export.h. */
function exportedTypes(): {kind: 'struct' | 'enum'; name: string}[] {
  const text = readFileSync(join(root, 'bpf/abi/export.h'), 'utf8')
  return [...text.matchAll(/^EXPORT\((struct|enum), (\w+)\);/gm)].map(([, kind, name]) => ({
    kind: kind as 'struct' | 'enum',
    name: name!,
  }))
}

/** Macros leave no trace in BTF: the compiler is asked for their values, as an enum. */
async function readConstants(): Promise<Model['constants']> {
  const abi = join(root, 'bpf/abi')
  const headers = readdirSync(abi)
    .filter((file) => file.endsWith('.h') && file !== 'export.h')
    .sort()
  const names = headers.flatMap((header) => {
    const text = readFileSync(join(abi, header), 'utf8')
    return [...text.matchAll(/^#define ([A-Z][A-Z0-9_]*)[ \t]+[^ \t\n]/gm)].map(([, name]) => name!)
  })
  const source = [
    ...headers.map((header) => `#include "abi/${header}"`),
    'enum constants {',
    ...names.map((name) => `\tCONSTANT_${name} = (${name}),`),
    '};',
    'enum constants export_constants;',
    '',
  ].join('\n')
  const folder = join(root, 'dist/codecs')
  mkdirSync(folder, {recursive: true})
  const file = join(folder, 'constants.c')
  if (readOrEmpty(file) !== source) writeFileSync(file, source)
  const [built] = await buildBpf({from: folder, to: folder})
  const btf = Btf.fromObject(readFileSync(built!.object))
  const id = btf.find('enum', 'constants')
  const type = id === undefined ? undefined : btf.get(id)
  if (type?.kind !== 'enum') throw new Error('the constants are missing from BTF')
  return type.values.map(({name, value}) => ({name: name.replace(/^CONSTANT_/, ''), value}))
}

const head = (what: string) =>
  `/** Generated by scripts/generate-codecs.ts from the eBPF objects: ${what}. Do not edit. */\n`
const byName = <T>(map: ReadonlyMap<string, T>) =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)

/** @param codecs where the generated file finds src/kernel/codec.ts */
export function typesText({structs}: Pick<Model, 'structs'>, codecs = '../../kernel/codec.ts'): string {
  const written = new Set<string>()
  const texts: string[] = []
  // what a struct contains comes first: zero values are built from it
  const write = (struct: Struct) => {
    if (written.has(struct.name)) return
    written.add(struct.name)
    for (const {type} of struct.fields) for (const name of structsIn(type)) write(structs.get(name)!)
    texts.push(structText(struct))
  }
  for (const struct of byName(structs)) write(struct)
  return `${head('structs of maps, events and configuration')}import type {Codec} from '${codecs}'

function readBytes(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice()
}

function writeBytes(view: DataView, offset: number, length: number, value: Uint8Array): void {
  if (value.length !== length) throw new RangeError(\`\${length} bytes are wanted, not \${value.length}\`)
  new Uint8Array(view.buffer, view.byteOffset + offset, length).set(value)
}

${texts.join('\n\n')}
`
}

function structsIn(type: FieldType): string[] {
  if (type.kind === 'struct') return [type.name]
  return type.kind === 'array' ? structsIn(type.element) : []
}

function enumsText({enums}: Model): string {
  return `${head('enums')}\n${byName(enums).map(enumText).join('\n\n')}\n`
}

function constantsText({constants}: Model): string {
  const lines = constants
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({name, value}) => `export const ${name} = ${value}`)
  return `${head('constants of bpf/abi')}\n${lines.join('\n')}\n`
}

function mapsText({maps, structs}: Model): string {
  const all = byName(maps)
  const shapes = all.flatMap((map) => (map.inner ? [shapeText(map.inner), shapeText(map)] : [shapeText(map)]))
  const text = shapes.join('\n\n')
  const uses = (word: string) => new RegExp(`\\b${word}\\b`).test(text)
  const codecs = ['bytes', 'u32', 'u64'].filter((word) => new RegExp(`(key|value): (perCpu\\()?${word}\\b`).test(text))
  const types = byName(structs).flatMap(({name}) => {
    const form = {kind: 'struct', name, size: 0} as const
    return [`${codecText(form)}`, `type ${typeText(form)}`].filter((word) => uses(word.replace('type ', '')))
  })
  return `${head('maps')}import type {MapShape} from '../../kernel/bpf/map.ts'
${uses('perCpu') ? "import {perCpu} from '../../kernel/bpf/per-cpu.ts'\n" : ''}${
  codecs.length > 0 ? `import {${codecs.join(', ')}} from '../../kernel/codec.ts'\n` : ''
}${types.length > 0 ? `import {\n${types.map((word) => `  ${word},\n`).join('')}} from './types.ts'\n` : ''}
/** A map without keys: a ring buffer. */
export interface RingShape {
  readonly name: string
  readonly type: number
  /** bytes */
  readonly maxEntries: number
}

${text}

/** All maps that have keys, by name. */
export const mapShapes: Readonly<Record<string, MapShape<unknown, unknown>>> = {
${all
  .filter(({key}) => key)
  .map(({name}) => `  ${name}: ${camel(name)},\n`)
  .join('')}}
`
}

function shapeText(map: MapDefinition): string {
  const common = [
    `  name: '${map.name}',`,
    `  type: ${map.type}, // ${mapTypeName(map.type)}`,
    `  maxEntries: ${map.maxEntries},`,
  ]
  if (!map.key || !map.value) return [`export const ${camel(map.name)}: RingShape = {`, ...common, '}'].join('\n')
  const value = typeText(map.value)
  const valueType = map.perCpu ? `readonly ${value}[]` : value
  const codec = map.perCpu ? `perCpu(${codecText(map.value)})` : codecText(map.value)
  return [
    `export const ${camel(map.name)}: MapShape<${typeText(map.key)}, ${valueType}> = {`,
    ...common,
    `  key: ${codecText(map.key)},`,
    `  value: ${codec},`,
    `  flags: ${map.flags},`,
    '}',
  ].join('\n')
}

function objectsText({objects}: Model): string {
  const texts = objects
    .filter(({programs}) => programs.length > 0)
    .map(({file, maps, programs}) =>
      [
        `  ${camel(basename(file, '.o'))}: {`,
        `    file: '${file}',`,
        '    programs: {',
        ...programs.map(({name, section}) => `      ${name}: '${section}',`),
        '    },',
        '    maps: [',
        ...maps.map(({name}) => `      '${name}',`),
        '    ],',
        '  },',
      ].join('\n'),
    )
  return `${head('what is in which object')}
export const objects = {
${texts.join('\n')}
} as const
`
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    return ''
  }
}

if (import.meta.main) {
  const check = process.argv.includes('--check')
  const files = await generatedFiles()
  for (const [path, text] of files) {
    const target = join(root, path)
    if (readOrEmpty(target) === text) continue
    if (check) {
      process.stderr.write(`${path} is out of date: run npm run generate\n`)
      process.exitCode = 1
    } else {
      mkdirSync(join(root, output), {recursive: true})
      writeFileSync(target, text)
      process.stdout.write(`wrote ${path}\n`)
    }
  }
  // a file that nothing writes any more would be taken for a generated one
  for (const file of readdirSync(join(root, output)))
    if (!files.has(`${output}/${file}`) && !check) rmSync(join(root, output, file))
}
