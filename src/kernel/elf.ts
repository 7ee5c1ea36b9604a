/** Reads what we need of a 64-bit little-endian ELF object: sections by name, and where a symbol lies in its section. */

export interface ElfObject {
  /** a section's bytes, undefined when there is none of that name */
  section(name: string): Uint8Array | undefined
  /** where a symbol lies, undefined when there is none of that name */
  symbol(name: string): ElfSymbol | undefined
  /** all symbols that lie in a section, in the table's order */
  symbols(): ElfSymbol[]
}

export interface ElfSymbol {
  readonly name: string
  readonly kind: 'function' | 'object' | 'other'
  /** visible outside its source file */
  readonly global: boolean
  readonly section: string
  /** bytes from the start of its section */
  readonly offset: number
  readonly size: number
}

interface Section {
  readonly name: string
  readonly type: number
  readonly bytes: Uint8Array
  readonly link: number
}

const SHT_SYMTAB = 2
const SHT_NOBITS = 8
const magic = 0x464c457f
const symbolBytes = 24

/** @throws RangeError or Error when the bytes are not such an object */
export function readElf(file: Uint8Array): ElfObject {
  const view = viewOf(file)
  if (view.getUint32(0, true) !== magic) throw new Error('no ELF file')
  if (view.getUint8(4) !== 2 || view.getUint8(5) !== 1) throw new Error('not 64-bit little-endian')
  const sections = readSections(file, view)

  let symbols: ElfSymbol[] | undefined
  const all = () => (symbols ??= readSymbols(sections))
  return {
    section: (name) => sections.find((section) => section.name === name)?.bytes,
    symbol: (name) => all().find((symbol) => symbol.name === name),
    symbols: all,
  }
}

function readSymbols(sections: readonly Section[]): ElfSymbol[] {
  const table = sections.find((section) => section.type === SHT_SYMTAB)
  const strings = table && sections[table.link]
  if (!table || !strings) return []
  const view = viewOf(table.bytes)
  const found: ElfSymbol[] = []
  for (let at = 0; at + symbolBytes <= view.byteLength; at += symbolBytes) {
    const section = sections[view.getUint16(at + 6, true)]
    const info = view.getUint8(at + 4)
    if (!section) continue
    found.push({
      name: readString(strings.bytes, view.getUint32(at, true)),
      kind: (info & 0xf) === 2 ? 'function' : (info & 0xf) === 1 ? 'object' : 'other',
      global: info >>> 4 === 1,
      section: section.name,
      offset: Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
    })
  }
  return found
}

function readSections(file: Uint8Array, view: DataView): Section[] {
  const tableAt = Number(view.getBigUint64(40, true))
  const headerBytes = view.getUint16(58, true)
  const count = view.getUint16(60, true)
  const headers = Array.from({length: count}, (_, i) => {
    const at = tableAt + i * headerBytes
    const type = view.getUint32(at + 4, true)
    const offset = Number(view.getBigUint64(at + 24, true))
    const size = type === SHT_NOBITS ? 0 : Number(view.getBigUint64(at + 32, true))
    if (offset + size > file.byteLength) throw new RangeError(`section ${i} ends after the file`)
    return {
      nameAt: view.getUint32(at, true),
      type,
      link: view.getUint32(at + 40, true),
      bytes: file.subarray(offset, offset + size),
    }
  })
  const names = headers[view.getUint16(62, true)]?.bytes ?? new Uint8Array()
  return headers.map(({nameAt, type, link, bytes}) => ({name: readString(names, nameAt), type, link, bytes}))
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A NUL-terminated ASCII string of a string table. */
export function readString(table: Uint8Array, at: number): string {
  const end = table.indexOf(0, at)
  return Buffer.from(table.buffer, table.byteOffset + at, (end < 0 ? table.length : end) - at).toString('latin1')
}
