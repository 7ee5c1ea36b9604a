/** Writes a ZIP archive (PKWARE APPNOTE 6.3.x, without Zip64), entry by entry as they come. */
import {type FileHandle, open, rename, rm} from 'node:fs/promises'
import {promisify} from 'node:util'
import {crc32, deflateRaw} from 'node:zlib'

const deflate = promisify(deflateRaw)

/** What 32 bits can say of offsets, less a little. */
const maxBytes = 0xf000_0000

interface Entry {
  readonly name: Buffer
  readonly crc: number
  readonly packed: number
  readonly size: number
  readonly offset: number
}

/** Entries may come from many tasks at once: each is written whole. The file has its name when it is complete. */
export class ZipFile {
  readonly path: string
  readonly #file: FileHandle
  readonly #date: {readonly time: number; readonly day: number}
  readonly #entries: Entry[] = []
  #offset = 0
  #writing: Promise<void> = Promise.resolve()

  private constructor(path: string, file: FileHandle, now: Date) {
    this.path = path
    this.#file = file
    this.#date = {
      time: (now.getUTCHours() << 11) | (now.getUTCMinutes() << 5) | (now.getUTCSeconds() >> 1),
      day: ((now.getUTCFullYear() - 1980) << 9) | ((now.getUTCMonth() + 1) << 5) | now.getUTCDate(),
    }
  }

  /** @throws errors of the file system; what is in it concerns nobody but its owner */
  static async create(path: string, now: Date): Promise<ZipFile> {
    return new ZipFile(path, await open(`${path}.unfinished`, 'wx', 0o600), now)
  }

  get bytes(): number {
    return this.#offset
  }

  get names(): string[] {
    return this.#entries.map(({name}) => name.toString())
  }

  /** @returns false when the archive is full and the entry was left out */
  async add(name: string, content: string | Buffer): Promise<boolean> {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    const packed = await deflate(bytes)
    if (this.#offset + packed.length > maxBytes) return false
    const turn = this.#writing.then(() => this.#write(Buffer.from(name), bytes, packed))
    this.#writing = turn.catch(() => {})
    await turn
    return true
  }

  async close(): Promise<void> {
    await this.#writing
    const start = this.#offset
    for (const entry of this.#entries) await this.#append(this.#directoryEntry(entry))
    const end = Buffer.alloc(22)
    end.writeUInt32LE(0x06054b50, 0)
    end.writeUInt16LE(this.#entries.length, 8)
    end.writeUInt16LE(this.#entries.length, 10)
    end.writeUInt32LE(this.#offset - start, 12)
    end.writeUInt32LE(start, 16)
    await this.#append(end)
    await this.#file.close()
    await rename(`${this.path}.unfinished`, this.path)
  }

  /** Leaves nothing. */
  async abandon(): Promise<void> {
    await this.#file.close()
    await rm(`${this.path}.unfinished`, {force: true})
  }

  async #write(name: Buffer, bytes: Buffer, packed: Buffer): Promise<void> {
    const entry = {name, crc: crc32(bytes), packed: packed.length, size: bytes.length, offset: this.#offset}
    const header = Buffer.alloc(30)
    header.writeUInt32LE(0x04034b50, 0)
    header.writeUInt16LE(20, 4)
    this.#fields(header, 6, entry)
    await this.#append(Buffer.concat([header, name, packed]))
    this.#entries.push(entry)
  }

  #directoryEntry(entry: Entry): Buffer {
    const header = Buffer.alloc(46)
    header.writeUInt32LE(0x02014b50, 0)
    // made on Unix, so that the permissions below count
    header.writeUInt16LE((3 << 8) | 20, 4)
    header.writeUInt16LE(20, 6)
    this.#fields(header, 8, entry)
    header.writeUInt32LE((0o100600 << 16) >>> 0, 38)
    header.writeUInt32LE(entry.offset, 42)
    return Buffer.concat([header, entry.name])
  }

  /** What local and central headers share, from the flags on. */
  #fields(header: Buffer, at: number, {name, crc, packed, size}: Entry): void {
    // names are UTF-8; deflated
    header.writeUInt16LE(1 << 11, at)
    header.writeUInt16LE(8, at + 2)
    header.writeUInt16LE(this.#date.time, at + 4)
    header.writeUInt16LE(this.#date.day, at + 6)
    header.writeUInt32LE(crc, at + 8)
    header.writeUInt32LE(packed, at + 12)
    header.writeUInt32LE(size, at + 16)
    header.writeUInt16LE(name.length, at + 20)
  }

  async #append(bytes: Buffer): Promise<void> {
    await this.#file.writeFile(bytes)
    this.#offset += bytes.length
  }
}
