/** From BTF to the few kinds of fields that codecs are made of. What has no form in TypeScript is refused by name. */
import type {Btf, BtfMember} from '../../src/kernel/btf.ts'

export type FieldType =
  | {readonly kind: 'number'; readonly size: 1 | 2 | 4; readonly signed: boolean; readonly network: boolean}
  /** 64 bits: bigint, or number where it is known to stay below 2^53 */
  | {readonly kind: 'wide'; readonly signed: boolean; readonly network: boolean; readonly asNumber: boolean}
  | {readonly kind: 'boolean'}
  /** `length` of `stored` bytes carry something */
  | {readonly kind: 'bytes'; readonly length: number; readonly stored: number}
  | {readonly kind: 'struct'; readonly name: string; readonly size: number}
  | {readonly kind: 'array'; readonly element: FieldType; readonly length: number}
  | {readonly kind: 'bits'; readonly bits: number; readonly shift: number; readonly bytes: number}

export interface Field {
  /** as in C */
  readonly name: string
  /** bytes from the struct's start */
  readonly offset: number
  readonly type: FieldType
}

export interface Struct {
  /** as in C */
  readonly name: string
  readonly size: number
  readonly fields: readonly Field[]
}

export interface Enumeration {
  readonly name: string
  readonly values: readonly {readonly name: string; readonly value: bigint}[]
}

/** Structs that stand for bytes: how many of them carry something. */
const byteStructs: Readonly<Record<string, number>> = {addr: 16, mac: 6}

/** Structs that belong to the kernel; user space sees zeros. */
const kernelStructs = new Set(['bpf_timer', 'bpf_spin_lock', 'bpf_wq'])

/** Fields that are there for alignment. */
const isPad = (name: string) => /^_*pad\d*$/.test(name)

/** Reads structs and enums of one object, each once. */
export class TypeReader {
  readonly structs = new Map<string, Struct>()
  readonly enums = new Map<string, Enumeration>()
  readonly #btf: Btf
  readonly #asNumber: ReadonlySet<string>

  /** @param asNumber 64-bit fields ("struct.field") that become numbers */
  constructor(btf: Btf, asNumber: ReadonlySet<string>) {
    this.#btf = btf
    this.#asNumber = asNumber
  }

  /** The form of a map's key or value. `context` is for errors. */
  read(typeId: number, context: string): FieldType {
    const network = this.#isNetworkOrder(typeId)
    const {type} = this.#btf.resolve(typeId)
    switch (type.kind) {
      case 'int':
        if (type.encoding === 'bool') return {kind: 'boolean'}
        return this.#integer(type.size, type.encoding === 'signed', network, context)
      case 'enum':
        return this.#integer(type.size, type.signed, false, context)
      case 'array': {
        const element = this.read(type.type, context)
        const isByte = element.kind === 'number' && element.size === 1 && !element.signed
        if (isByte) return {kind: 'bytes', length: type.length, stored: type.length}
        return {kind: 'array', element, length: type.length}
      }
      case 'union':
        return {kind: 'bytes', length: type.size, stored: type.size}
      case 'struct': {
        const length = byteStructs[type.name]
        if (length !== undefined) return {kind: 'bytes', length, stored: type.size}
        if (type.name === '') throw new Error(`${context}: give the struct a name`)
        this.#struct(type.name, type.size, type.members)
        return {kind: 'struct', name: type.name, size: type.size}
      }
      default:
        throw new Error(`${context}: a ${type.kind} cannot be read by user space`)
    }
  }

  enumeration(name: string): Enumeration | undefined {
    const id = this.#btf.find('enum', name)
    const type = id === undefined ? undefined : this.#btf.get(id)
    if (type?.kind !== 'enum') return undefined
    const read = {name, values: type.values}
    this.enums.set(name, read)
    return read
  }

  /** undefined when the object does not have it, or only says that it exists somewhere */
  struct(name: string): FieldType | undefined {
    const id = this.#btf.find('struct', name)
    return id === undefined ? undefined : this.read(id, `struct ${name}`)
  }

  #struct(name: string, size: number, members: readonly BtfMember[]): void {
    if (this.structs.has(name)) return
    // known before its fields are read: a struct cannot contain itself, but may be named twice in one
    this.structs.set(name, {name, size, fields: []})
    this.structs.set(name, {name, size, fields: this.#fields(name, members, 0)})
  }

  #fields(struct: string, members: readonly BtfMember[], base: number): Field[] {
    return members.flatMap((member) => {
      const context = `struct ${struct}, field ${member.name}`
      const offset = base + (member.bitOffset >>> 3)
      const {type} = this.#btf.resolve(member.type)
      if (isPad(member.name) || ('name' in type && kernelStructs.has(type.name))) return []
      if (member.name === '') {
        if (type.kind === 'struct') return this.#fields(struct, type.members, offset)
        throw new Error(`${context}: give the union or bit-field a name`)
      }
      if (member.bitSize > 0) return [{name: member.name, offset, type: bitField(member, context)}]
      return [{name: member.name, offset, type: this.#marked(struct, member.name, this.read(member.type, context))}]
    })
  }

  #marked(struct: string, field: string, type: FieldType): FieldType {
    return type.kind === 'wide' && this.#asNumber.has(`${struct}.${field}`) ? {...type, asNumber: true} : type
  }

  #integer(size: number, signed: boolean, network: boolean, context: string): FieldType {
    if (size === 8) return {kind: 'wide', signed, network, asNumber: false}
    if (size === 1 || size === 2 || size === 4) return {kind: 'number', size, signed, network}
    throw new Error(`${context}: integers of ${size} bytes cannot be read`)
  }

  /** Any of the typedefs on the way to the integer says so: __be16, __be32, __be64. */
  #isNetworkOrder(typeId: number): boolean {
    for (let id = typeId; ; ) {
      const type = this.#btf.get(id)
      if (type.kind === 'typedef') {
        if (/^__be(16|32|64)$/.test(type.name)) return true
      } else if (type.kind !== 'const' && type.kind !== 'volatile' && type.kind !== 'type_tag') return false
      id = type.type
    }
  }
}

function bitField(member: BtfMember, context: string): FieldType {
  const shift = member.bitOffset & 7
  const bytes = Math.ceil((shift + member.bitSize) / 8)
  if (member.bitSize > 31 || bytes > 4) throw new Error(`${context}: at most 31 bits in four bytes`)
  return {kind: 'bits', bits: member.bitSize, shift, bytes}
}

/** Bytes that a value of this form takes. */
export function sizeOf(type: FieldType): number {
  switch (type.kind) {
    case 'number':
    case 'struct':
      return type.size
    case 'wide':
      return 8
    case 'boolean':
      return 1
    case 'bytes':
      return type.stored
    case 'array':
      return type.length * sizeOf(type.element)
    case 'bits':
      return type.bytes
  }
}
