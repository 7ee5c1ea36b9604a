/** Maps and programs of an object: definitions in its .maps section, entry points in its symbol table. */

import {isPerCpu, mapTypes} from '../../src/kernel/bpf/map-types.ts'
import type {Btf, BtfOf} from '../../src/kernel/btf.ts'
import type {ElfObject} from '../../src/kernel/elf.ts'
import type {FieldType, TypeReader} from './model.ts'

export interface MapDefinition {
  /** as in C */
  readonly name: string
  readonly type: number
  readonly maxEntries: number
  readonly flags: number
  /** undefined for ring buffers */
  readonly key: FieldType | undefined
  readonly value: FieldType | undefined
  readonly perCpu: boolean
  /** of map-in-map: what its values are */
  readonly inner: MapDefinition | undefined
}

/** Maps in the order of their names. */
export function readMaps(btf: Btf, reader: TypeReader): MapDefinition[] {
  return btf
    .variables('.maps')
    .map(({name, type}) => readMap(btf, reader, name, type))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function readMap(btf: Btf, reader: TypeReader, name: string, typeId: number): MapDefinition {
  const {type: definition} = btf.resolve(typeId)
  if (definition.kind !== 'struct') throw new Error(`map ${name}: its definition is no struct`)
  // numbers are written as pointers to arrays of that length: __uint(name, value)
  const number = (field: string) => {
    const array = pointee(btf, definition, field)
    return array?.kind === 'array' ? array.length : undefined
  }
  const typed = (field: string, size: string): FieldType | undefined => {
    const member = definition.members.find((one) => one.name === field)
    if (member) {
      const pointer = btf.resolve(member.type).type
      if (pointer.kind !== 'ptr') throw new Error(`map ${name}: ${field} is not a type`)
      return reader.read(pointer.type, `${field} of map ${name}`)
    }
    const length = number(size)
    return length === undefined ? undefined : {kind: 'bytes', length, stored: length}
  }
  const type = number('type') ?? 0
  const isOuter = type === mapTypes.array_of_maps || type === mapTypes.hash_of_maps || type === mapTypes.prog_array
  return {
    name,
    type,
    maxEntries: number('max_entries') ?? 0,
    flags: number('map_flags') ?? 0,
    key: typed('key', 'key_size'),
    value: isOuter ? {kind: 'number', size: 4, signed: false, network: false} : typed('value', 'value_size'),
    perCpu: isPerCpu(type),
    inner: readInner(btf, reader, name, definition),
  }
}

function readInner(btf: Btf, reader: TypeReader, name: string, definition: BtfOf<'struct'>): MapDefinition | undefined {
  const values = definition.members.find((member) => member.name === 'values')
  if (!values) return undefined
  const {type: array} = btf.resolve(values.type)
  const {type: pointer} = array.kind === 'array' ? btf.resolve(array.type) : {type: undefined}
  if (pointer?.kind !== 'ptr') throw new Error(`map ${name}: values are not maps`)
  const {type: target} = btf.resolve(pointer.type)
  return target.kind === 'struct' ? readMap(btf, reader, `${name}_inner`, pointer.type) : undefined
}

function pointee(btf: Btf, definition: BtfOf<'struct'>, field: string) {
  const member = definition.members.find((one) => one.name === field)
  const pointer = member && btf.resolve(member.type).type
  return pointer?.kind === 'ptr' ? btf.resolve(pointer.type).type : undefined
}

/** Entry points by name: global functions that have a section of their own. */
export function readPrograms(elf: ElfObject): {readonly name: string; readonly section: string}[] {
  return elf
    .symbols()
    .filter((symbol) => symbol.kind === 'function' && symbol.global && symbol.section !== '.text')
    .map(({name, section}) => ({name, section}))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}
