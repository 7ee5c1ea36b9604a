/**
 * Files that are either the old or the new content, whatever happens in between: written beside the target, synced,
 * then renamed over it. What cannot be written leaves the last good content.
 */
import {createHash} from 'node:crypto'
import {open, readFile, rename, rm} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {CiliumError, fail} from './errors.ts'
import {runtimeErrors} from './runtime-errors.ts'

let serial = 0

/**
 * Replaces a file's content in one step and makes it last (fsync of the file and of its directory).
 *
 * @param options.sync false: survives the end of this process at once, a power cut only after `syncFiles`
 * @throws STATE_WRITE_FAILED (disk full, read-only, missing directory); the old content stays
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  options: {mode?: number; sync?: boolean} = {},
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${++serial}.tmp`)
  try {
    const file = await open(temporary, 'wx', options.mode ?? 0o600)
    try {
      await file.writeFile(content)
      if (options.sync !== false) await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    if (options.sync !== false) await sync(dirname(path))
  } catch (thrown) {
    await rm(temporary, {force: true}).catch(() => {})
    throw new CiliumError(runtimeErrors.STATE_WRITE_FAILED, {path, detail: detailOf(thrown)}, {cause: thrown})
  }
}

/** The layouts a state file may have: the one written now, and how to read older ones. */
export interface StateFormat<T> {
  readonly version: number
  /** Makes today's value of an older layout's data. Without it older files are refused with STATE_VERSION. */
  upgrade?(data: unknown, version: number): T
}

/**
 * Writes a value as JSON with a layout version and a checksum.
 *
 * @param options.sync as for `writeFileAtomic`
 * @throws STATE_WRITE_FAILED
 */
export async function writeState(
  path: string,
  version: number,
  data: unknown,
  options: {sync?: boolean} = {},
): Promise<void> {
  const json = JSON.stringify(data)
  await writeFileAtomic(path, `{"version":${version},"sha256":"${digest(json)}","data":${json}}\n`, options)
}

/**
 * Makes files of one directory last that were written with `sync: false`; one that is gone meanwhile is skipped.
 *
 * @throws STATE_WRITE_FAILED naming the directory
 */
export async function syncFiles(directory: string, names: Iterable<string>): Promise<void> {
  try {
    for (const name of names) {
      await sync(join(directory, name)).catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code !== 'ENOENT') throw thrown
      })
    }
    await sync(directory)
  } catch (thrown) {
    throw new CiliumError(
      runtimeErrors.STATE_WRITE_FAILED,
      {path: directory, detail: detailOf(thrown)},
      {cause: thrown},
    )
  }
}

/**
 * Reads what `writeState` wrote.
 *
 * @returns undefined when there is no file
 * @throws STATE_CORRUPT (damaged or cut off), STATE_VERSION, STATE_READ_FAILED
 */
export async function readState<T>(path: string, format: StateFormat<T>): Promise<T | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CiliumError(runtimeErrors.STATE_READ_FAILED, {path, detail: detailOf(thrown)}, {cause: thrown})
  }
  const head = /^\{"version":(\d+),"sha256":"([0-9a-f]{64})","data":/.exec(text)
  if (head === null || !text.endsWith('}\n')) fail(runtimeErrors.STATE_CORRUPT, {path, detail: 'it is not complete'})
  const json = text.slice(head[0].length, -2)
  if (digest(json) !== head[2]) fail(runtimeErrors.STATE_CORRUPT, {path, detail: 'its checksum does not fit'})
  const found = Number(head[1])
  const data: unknown = JSON.parse(json)
  if (found === format.version) return data as T
  if (found < format.version && format.upgrade !== undefined) return format.upgrade(data, found)
  return fail(runtimeErrors.STATE_VERSION, {path, found, expected: format.version})
}

async function sync(path: string): Promise<void> {
  const opened = await open(path, 'r')
  try {
    await opened.sync()
  } finally {
    await opened.close()
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function detailOf(thrown: unknown): string {
  const code = (thrown as NodeJS.ErrnoException).code
  if (code === 'ENOSPC') return 'no space left on the device'
  return code ?? (thrown instanceof Error ? thrown.message : String(thrown))
}
