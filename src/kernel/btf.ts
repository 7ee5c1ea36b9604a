/**
 * BPF Type Format: the C types of an eBPF object, from its .BTF section (Documentation/bpf/btf.rst of the kernel).
 * The codec generator reads it; types are numbered from 1, 0 is void.
 */
import {readElf, readString, viewOf} from './elf.ts'

export interface BtfMember {
  readonly name: string
  readonly type: number
  readonly bitOffset: number
  /** 0 when it is no bit-field */
  readonly bitSize: number
}

interface BtfComposite {
  readonly name: string
  readonly size: number
  readonly members: readonly BtfMember[]
}

export type BtfType =
  | {readonly kind: 'void'}
  | {
      readonly kind: 'int'
      readonly name: string
      readonly size: number
      readonly bits: number
      readonly encoding: 'unsigned' | 'signed' | 'char' | 'bool'
    }
  | {readonly kind: 'ptr'; readonly type: number}
  | {readonly kind: 'array'; readonly type: number; readonly length: number}
  | ({readonly kind: 'struct'} & BtfComposite)
  | ({readonly kind: 'union'} & BtfComposite)
  | {
      readonly kind: 'enum'
      readonly name: string
      readonly size: number
      readonly signed: boolean
      readonly values: readonly {readonly name: string; readonly value: bigint}[]
    }
  | {readonly kind: 'fwd'; readonly name: string}
  | {readonly kind: 'typedef'; readonly name: string; readonly type: number}
  | {readonly kind: 'volatile' | 'const' | 'restrict' | 'type_tag'; readonly type: number}
  | {readonly kind: 'func'; readonly name: string; readonly type: number}
  | {readonly kind: 'func_proto'}
  | {readonly kind: 'var'; readonly name: string; readonly type: number}
  | {
      readonly kind: 'datasec'
      readonly name: string
      readonly size: number
      readonly variables: readonly {readonly type: number; readonly offset: number; readonly size: number}[]
    }
  | {readonly kind: 'float'; readonly name: string; readonly size: number}
  | {readonly kind: 'decl_tag'; readonly name: string; readonly type: number}

export type BtfOf<K extends BtfType['kind']> = Extract<BtfType, {kind: K}>

const BTF_MAGIC = 0xeb9f

export class Btf {
  /** by number, 0 is void */
  readonly types: readonly BtfType[]

  constructor(section: Uint8Array) {
    this.types = parseTypes(section)
  }

  /** @throws Error when the object was compiled without -g */
  static fromObject(file: Uint8Array): Btf {
    const section = readElf(file).section('.BTF')
    if (!section) throw new Error('no .BTF section: compiled without -g')
    return new Btf(section)
  }

  get(id: number): BtfType {
    const type = this.types[id]
    if (!type) throw new RangeError(`no BTF type ${id}`)
    return type
  }

  /** The type behind typedefs and qualifiers, and its number. */
  resolve(id: number): {id: number; type: BtfType} {
    for (let at = id; ; ) {
      const type = this.get(at)
      switch (type.kind) {
        case 'typedef':
        case 'volatile':
        case 'const':
        case 'restrict':
        case 'type_tag':
          at = type.type
          break
        default:
          return {id: at, type}
      }
    }
  }

  /** Bytes of a value of this type. */
  sizeOf(id: number): number {
    const {type} = this.resolve(id)
    switch (type.kind) {
      case 'int':
      case 'struct':
      case 'union':
      case 'enum':
      case 'float':
      case 'datasec':
        return type.size
      case 'array':
        return type.length * this.sizeOf(type.type)
      case 'ptr':
        return 8
      default:
        return 0
    }
  }

  /** The struct, union or enum of this name. */
  find<K extends 'struct' | 'union' | 'enum'>(kind: K, name: string): number | undefined {
    const id = this.types.findIndex((type) => type.kind === kind && 'name' in type && type.name === name)
    return id < 0 ? undefined : id
  }

  /** Variables of a data section, in the order of their declaration. */
  variables(section: string): {readonly name: string; readonly type: number}[] {
    const datasec = this.types.find((type) => type.kind === 'datasec' && type.name === section)
    if (datasec?.kind !== 'datasec') return []
    return datasec.variables.flatMap(({type}) => {
      const variable = this.get(type)
      return variable.kind === 'var' ? [{name: variable.name, type: variable.type}] : []
    })
  }
}

const encodings = {0: 'unsigned', 1: 'signed', 2: 'char', 4: 'bool'} as const

function parseTypes(section: Uint8Array): BtfType[] {
  const view = viewOf(section)
  if (view.getUint16(0, true) !== BTF_MAGIC) throw new Error('no BTF')
  const headerBytes = view.getUint32(4, true)
  const stringsAt = headerBytes + view.getUint32(16, true)
  const strings = section.subarray(stringsAt, stringsAt + view.getUint32(20, true))
  const end = headerBytes + view.getUint32(8, true) + view.getUint32(12, true)
  let at = headerBytes + view.getUint32(8, true)
  const u32 = (offset: number) => view.getUint32(at + offset, true)
  const text = (offset: number) => readString(strings, u32(offset))

  const types: BtfType[] = [{kind: 'void'}]
  while (at < end) {
    const info = u32(4)
    const count = info & 0xffff
    const flag = info >>> 31 === 1
    const [type, tailBytes] = parseOne((info >>> 24) & 0x1f, count, flag)
    types.push(type)
    at += 12 + tailBytes
  }
  return types

  /** The type at `at`, and the bytes after its common part. */
  function parseOne(kind: number, count: number, flag: boolean): [BtfType, number] {
    const name = text(0)
    const sizeOrType = u32(8)
    const each = <T>(bytes: number, read: (offset: number) => T): T[] =>
      Array.from({length: count}, (_, i) => read(12 + i * bytes))
    switch (kind) {
      case 1: {
        const bits = u32(12) & 0xff
        const encoding = encodings[((u32(12) >>> 24) & 0xf) as keyof typeof encodings] ?? 'unsigned'
        return [{kind: 'int', name, size: sizeOrType, bits, encoding}, 4]
      }
      case 2:
        return [{kind: 'ptr', type: sizeOrType}, 0]
      case 3:
        return [{kind: 'array', type: u32(12), length: u32(20)}, 12]
      case 4:
      case 5: {
        const members = each(12, (o) => ({
          name: text(o),
          type: u32(o + 4),
          bitOffset: flag ? u32(o + 8) & 0xffffff : u32(o + 8),
          bitSize: flag ? u32(o + 8) >>> 24 : 0,
        }))
        return [{kind: kind === 4 ? 'struct' : 'union', name, size: sizeOrType, members}, 12 * count]
      }
      case 6: {
        const values = each(8, (o) => ({
          name: text(o),
          value: BigInt(flag ? view.getInt32(at + o + 4, true) : u32(o + 4)),
        }))
        return [{kind: 'enum', name, size: sizeOrType, signed: flag, values}, 8 * count]
      }
      case 7:
        return [{kind: 'fwd', name}, 0]
      case 8:
        return [{kind: 'typedef', name, type: sizeOrType}, 0]
      case 9:
        return [{kind: 'volatile', type: sizeOrType}, 0]
      case 10:
        return [{kind: 'const', type: sizeOrType}, 0]
      case 11:
        return [{kind: 'restrict', type: sizeOrType}, 0]
      case 12:
        return [{kind: 'func', name, type: sizeOrType}, 0]
      case 13:
        return [{kind: 'func_proto'}, 8 * count]
      case 14:
        return [{kind: 'var', name, type: sizeOrType}, 4]
      case 15: {
        const variables = each(12, (o) => ({type: u32(o), offset: u32(o + 4), size: u32(o + 8)}))
        return [{kind: 'datasec', name, size: sizeOrType, variables}, 12 * count]
      }
      case 16:
        return [{kind: 'float', name, size: sizeOrType}, 0]
      case 17:
        return [{kind: 'decl_tag', name, type: sizeOrType}, 4]
      case 18:
        return [{kind: 'type_tag', type: sizeOrType}, 0]
      case 19: {
        const values = each(12, (o) => {
          const bits = (BigInt(u32(o + 8)) << 32n) | BigInt(u32(o + 4))
          return {name: text(o), value: flag ? BigInt.asIntN(64, bits) : bits}
        })
        return [{kind: 'enum', name, size: sizeOrType, signed: flag, values}, 12 * count]
      }
      default:
        throw new Error(`BTF kind ${kind} is not known`)
    }
  }
}
