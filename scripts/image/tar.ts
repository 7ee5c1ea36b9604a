/**
 * Writes tar files whose bytes depend on their entries alone: sorted, owned by 0:0, one time stamp, no names of users.
 * POSIX ustar; a path that does not fit gets a pax record.
 */
import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {open, stat} from 'node:fs/promises'

export type TarEntry =
  | {readonly path: string; readonly kind: 'folder'; readonly mode: number}
  | {readonly path: string; readonly kind: 'link'; readonly target: string}
  | {
      readonly path: string
      readonly kind: 'file'
      readonly mode: number
      readonly content: Buffer | {readonly file: string}
    }

export interface WrittenTar {
  /** `sha256:…` over the whole file */
  readonly digest: string
  readonly size: number
}

const blockBytes = 512

/**
 * Writes entries, sorted by path, each path once.
 *
 * @param mtime seconds since 1970 for every entry
 */
export async function writeTar(output: string, entries: readonly TarEntry[], mtime: number): Promise<WrittenTar> {
  const hash = createHash('sha256')
  const file = await open(output, 'w')
  let size = 0
  const put = async (data: Buffer) => {
    hash.update(data)
    size += data.length
    await file.write(data)
  }

  try {
    for (const entry of [...entries].sort((a, b) => (a.path < b.path ? -1 : 1))) {
      const contentBytes = await contentSize(entry)
      await put(header(entry, contentBytes, mtime))
      if (entry.kind !== 'file') continue
      if (Buffer.isBuffer(entry.content)) await put(entry.content)
      else for await (const chunk of createReadStream(entry.content.file, {highWaterMark: 1 << 20})) await put(chunk)
      await put(Buffer.alloc(padding(contentBytes)))
    }
    await put(Buffer.alloc(blockBytes * 2))
  } finally {
    await file.close()
  }
  return {digest: `sha256:${hash.digest('hex')}`, size}
}

async function contentSize(entry: TarEntry): Promise<number> {
  if (entry.kind !== 'file') return 0
  return Buffer.isBuffer(entry.content) ? entry.content.length : (await stat(entry.content.file)).size
}

function header(entry: TarEntry, contentBytes: number, mtime: number): Buffer {
  const path = entry.kind === 'folder' ? `${entry.path}/` : entry.path
  const fields = {
    mode: entry.kind === 'link' ? 0o777 : entry.mode,
    type: {file: '0', link: '2', folder: '5'}[entry.kind],
    link: entry.kind === 'link' ? entry.target : '',
  }
  const split = splitPath(path)
  if (split !== undefined && Buffer.byteLength(fields.link) <= 100) {
    return ustar({...fields, ...split, size: contentBytes, mtime})
  }
  const records = Buffer.from(paxRecord('path', path) + (fields.link === '' ? '' : paxRecord('linkpath', fields.link)))
  return Buffer.concat([
    ustar({mode: 0o644, type: 'x', link: '', name: 'pax', prefix: '', size: records.length, mtime}),
    records,
    Buffer.alloc(padding(records.length)),
    ustar({
      ...fields,
      link: fields.link === '' ? '' : 'see-pax',
      name: 'see-pax',
      prefix: '',
      size: contentBytes,
      mtime,
    }),
  ])
}

interface UstarFields {
  readonly name: string
  readonly prefix: string
  readonly mode: number
  readonly type: string
  readonly link: string
  readonly size: number
  readonly mtime: number
}

/** One header block, IEEE Std 1003.1 ustar. */
function ustar({name, prefix, mode, type, link, size, mtime}: UstarFields): Buffer {
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, at: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, '0'), at, length - 1, 'latin1')

  block.write(name, 0)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(mtime, 136, 12)
  block.write('        ', 148, 'latin1') // the checksum counts itself as blanks
  block.write(type, 156, 'latin1')
  block.write(link, 157)
  block.write('ustar\u000000', 257, 'latin1')
  block.write(prefix, 345)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** ustar keeps a path as prefix (155 bytes) and name (100 bytes), cut at a slash. */
function splitPath(path: string): {name: string; prefix: string} | undefined {
  if (Buffer.byteLength(path) <= 100) return {name: path, prefix: ''}
  for (let cut = path.indexOf('/'); cut > 0; cut = path.indexOf('/', cut + 1)) {
    const [prefix, name] = [path.slice(0, cut), path.slice(cut + 1)]
    if (name !== '' && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return {name, prefix}
  }
  return undefined
}

/** `LENGTH key=value\n`, where LENGTH counts its own digits. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const bytes = Buffer.byteLength(rest)
  let length = bytes + String(bytes).length
  if (String(length).length > String(bytes).length) length += 1
  return `${length}${rest}`
}

function padding(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes
}
