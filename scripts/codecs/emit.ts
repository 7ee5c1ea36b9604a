/** Writes TypeScript from the model: interfaces, codecs, offsets, enum tables, maps. */
import {type Enumeration, type Field, type FieldType, type Struct, sizeOf} from './model.ts'

/** policy_key → policyKey */
export function camel(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** policy_key → PolicyKey */
export function pascal(name: string): string {
  const word = camel(name)
  return word[0]!.toUpperCase() + word.slice(1)
}

/** The type in TypeScript. */
export function typeText(type: FieldType): string {
  switch (type.kind) {
    case 'number':
    case 'bits':
      return 'number'
    case 'wide':
      return type.asNumber ? 'number' : 'bigint'
    case 'boolean':
      return 'boolean'
    case 'bytes':
      return 'Uint8Array'
    case 'struct':
      return pascal(type.name)
    case 'array':
      return `readonly ${typeText(type.element)}[]`
  }
}

const accessor = (type: FieldType & {kind: 'number'}) => `${type.signed ? 'Int' : 'Uint'}${type.size * 8}`
const order = (network: boolean, size: number) => (size === 1 ? '' : network ? '' : ', true')

/** An expression that reads a value at `at`. */
function readText(type: FieldType, at: string): string {
  switch (type.kind) {
    case 'number':
      return `view.get${accessor(type)}(${at}${order(type.network, type.size)})`
    case 'wide': {
      const read = `view.getBig${type.signed ? 'Int' : 'Uint'}64(${at}${order(type.network, 8)})`
      return type.asNumber ? `Number(${read})` : read
    }
    case 'boolean':
      return `view.getUint8(${at}) !== 0`
    case 'bytes':
      return `readBytes(view, ${at}, ${type.length})`
    case 'struct':
      return `${camel(type.name)}Codec.decode(view, ${at})`
    case 'array':
      return `Array.from({length: ${type.length}}, (_, i) => ${readText(type.element, `${at} + i * ${sizeOf(type.element)}`)})`
    case 'bits':
      return `(${bitBytes(type, at)} >>> ${type.shift}) & ${2 ** type.bits - 1}`
  }
}

function bitBytes(type: FieldType & {kind: 'bits'}, at: string): string {
  const bytes = Array.from({length: type.bytes}, (_, i) => `(view.getUint8(${at} + ${i}) << ${i * 8})`)
  return bytes.length === 1 ? bytes[0]! : `(${bytes.join(' | ')})`
}

/** Statements that write `value` at `at`. */
function writeText(type: FieldType, value: string, at: string): string[] {
  switch (type.kind) {
    case 'number':
      return [`view.set${accessor(type)}(${at}, ${value}${order(type.network, type.size)})`]
    case 'wide':
      return [
        `view.setBig${type.signed ? 'Int' : 'Uint'}64(${at}, ${type.asNumber ? `BigInt(${value})` : value}${order(type.network, 8)})`,
      ]
    case 'boolean':
      return [`view.setUint8(${at}, ${value} ? 1 : 0)`]
    case 'bytes':
      return [`writeBytes(view, ${at}, ${type.length}, ${value})`]
    case 'struct':
      return [`${camel(type.name)}Codec.encode(${value}, view, ${at})`]
    case 'array':
      return [
        `for (let i = 0; i < ${type.length}; i++) {`,
        ...writeText(type.element, `${value}[i]!`, `${at} + i * ${sizeOf(type.element)}`).map((line) => `  ${line}`),
        '}',
      ]
    case 'bits':
      return Array.from({length: type.bytes}, (_, i) => {
        const bits = `((${value} & ${2 ** type.bits - 1}) << ${type.shift}) >>> ${i * 8}`
        return `view.setUint8(${at} + ${i}, view.getUint8(${at} + ${i}) | ((${bits}) & 0xff))`
      })
  }
}

function zeroText(type: FieldType): string {
  switch (type.kind) {
    case 'number':
    case 'bits':
      return '0'
    case 'wide':
      return type.asNumber ? '0' : '0n'
    case 'boolean':
      return 'false'
    case 'bytes':
      return `new Uint8Array(${type.length})`
    case 'struct':
      return `${camel(type.name)}Zero`
    case 'array':
      return `Array.from({length: ${type.length}}, () => ${zeroText(type.element)})`
  }
}

const place = (offset: number) => (offset === 0 ? 'offset' : `offset + ${offset}`)

/** Bytes of a struct that no field writes whole: pads, holes, bit-fields, the rest of byte structs. */
function unwritten(struct: Struct): boolean[] {
  const free: boolean[] = new Array(struct.size).fill(true)
  for (const {offset, type} of struct.fields) {
    if (type.kind === 'bits') continue
    const written = type.kind === 'bytes' ? type.length : sizeOf(type)
    free.fill(false, offset, offset + written)
  }
  return free
}

/** Stores of zero over the unwritten bytes, as wide as alignment allows. */
function zeroStores(struct: Struct): string[] {
  const free = unwritten(struct)
  const lines: string[] = []
  for (let at = 0; at < free.length; ) {
    if (!free[at]) {
      at++
      continue
    }
    const width = [8, 4, 2, 1].find(
      (bytes) => at % bytes === 0 && free.slice(at, at + bytes).every(Boolean) && at + bytes <= free.length,
    )!
    lines.push(width === 8 ? `view.setBigUint64(${place(at)}, 0n)` : `view.setUint${width * 8}(${place(at)}, 0)`)
    at += width
  }
  return lines
}

const fieldDoc = (field: Field) => {
  if (field.type.kind === 'number' && field.type.network) return ['  /** the number; network order in memory */']
  return []
}

/** Interface, offsets, codec and zero value of a struct. */
export function structText(struct: Struct): string {
  const name = pascal(struct.name)
  const lower = camel(struct.name)
  const fields = struct.fields.map((field) => ({...field, word: camel(field.name)}))
  return [
    `/** struct ${struct.name}, ${struct.size} bytes */`,
    `export interface ${name} {`,
    ...fields.flatMap((field) => [...fieldDoc(field), `  readonly ${field.word}: ${typeText(field.type)}`]),
    '}',
    '',
    '/** Bytes from the start, for readers of single fields. */',
    `export const ${lower}Offsets = {`,
    ...fields.map((field) => `  ${field.word}: ${field.offset},`),
    '} as const',
    '',
    `export const ${lower}Codec: Codec<${name}> = {`,
    `  size: ${struct.size},`,
    '  encode(value, view, offset) {',
    ...zeroStores(struct).map((line) => `    ${line}`),
    ...fields.flatMap((field) =>
      writeText(field.type, `value.${field.word}`, place(field.offset)).map((line) => `    ${line}`),
    ),
    '  },',
    '  decode: (view, offset) => ({',
    ...fields.map((field) => `    ${field.word}: ${readText(field.type, place(field.offset))},`),
    '  }),',
    '}',
    '',
    '/** All fields zero: spread it and set what matters. */',
    `export const ${lower}Zero: ${name} = {`,
    ...fields.map((field) => `  ${field.word}: ${zeroText(field.type)},`),
    '}',
  ].join('\n')
}

/** Table, type and names of an enum. */
export function enumText(enumeration: Enumeration): string {
  const lower = camel(enumeration.name)
  return [
    `/** enum ${enumeration.name} */`,
    `export const ${lower} = {`,
    ...enumeration.values.map(({name, value}) => `  ${name}: ${value},`),
    '} as const',
    '',
    `export type ${pascal(enumeration.name)} = (typeof ${lower})[keyof typeof ${lower}]`,
    '',
    `export const ${lower}Names: ReadonlyMap<number, keyof typeof ${lower}> = new Map([`,
    ...firstNames(enumeration).map(({name, value}) => `  [${value}, '${name}'],`),
    '])',
  ].join('\n')
}

/** Of several names with one number the first names it. */
function firstNames(enumeration: Enumeration) {
  return enumeration.values.filter(({value}, i, all) => all.findIndex((one) => one.value === value) === i)
}

/** The codec of a map's key or value. */
export function codecText(type: FieldType): string {
  switch (type.kind) {
    case 'struct':
      return `${camel(type.name)}Codec`
    case 'bytes':
      if (type.length === type.stored) return `bytes(${type.length})`
      break
    case 'number':
      if (type.size === 4 && !type.signed && !type.network) return 'u32'
      break
    case 'wide':
      if (!type.signed && !type.network) return 'u64'
      break
  }
  return [
    '{',
    `size: ${sizeOf(type)},`,
    `encode: (value: ${typeText(type)}, view, offset) => { ${writeText(type, 'value', 'offset').join('; ')} },`,
    `decode: (view, offset) => ${readText(type, 'offset')},`,
    '}',
  ].join(' ')
}
