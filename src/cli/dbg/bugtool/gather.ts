/** `cilium-bugtool`: what a node's agent and kernel say, as files. Every command has its own time; failures are files too. */
import {execFile} from 'node:child_process'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {create} from 'tar'
import {Scrubber} from '../../sysdump/scrub.ts'
import {type GatheredCommand, gathered} from './commands.ts'

const run = promisify(execFile)

export interface GatherOptions {
  readonly commandMs: number
  readonly signal: AbortSignal
}

export type GatheredFiles = Readonly<Record<string, string>>

/** What a command may write; the rest is cut. */
const maxBytes = 64 << 20
const atOnce = 4

export async function gather({commandMs, signal}: GatherOptions): Promise<GatheredFiles> {
  const files: Record<string, string> = {}
  const queue = [...gathered]
  // it is made to be given away
  const scrubber = new Scrubber()
  const worker = async () => {
    for (let one = queue.shift(); one !== undefined && !signal.aborted; one = queue.shift())
      files[one.file] = scrubber.text(await output(one, commandMs, signal))
  }
  await Promise.all(Array.from({length: atOnce}, worker))
  signal.throwIfAborted()
  return Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)))
}

async function output({command: [program = '', ...words]}: GatheredCommand, timeout: number, signal: AbortSignal) {
  try {
    // what commands are given of our own environment is what they need to be found
    const env = {PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8'}
    const {stdout, stderr} = await run(program, words, {timeout, signal, maxBuffer: maxBytes, env})
    return stdout + stderr
  } catch (thrown) {
    const {stdout = '', stderr = '', message} = thrown as Error & {stdout?: string; stderr?: string}
    return `${stdout}${stderr}\n# ${message.split('\n')[0]}\n`
  }
}

export function commandLines(): string {
  return `${gathered.map(({command}) => command.join(' ')).join('\n')}\n`
}

export interface SavedFiles {
  /** the archive, or the folder */
  readonly path: string
  readonly kind: 'tar' | 'gz' | 'folder'
}

/** Writes the files below a folder, and an archive of them. */
export async function save(
  files: GatheredFiles,
  {folder, kind}: {folder: string; kind: SavedFiles['kind']},
): Promise<SavedFiles> {
  const name = `cilium-bugtool-${new Date().toISOString().replace(/[:.]/g, '').replace('T', '-').replace('Z', '')}`
  const place = join(folder, name)
  for (const [file, text] of Object.entries(files)) {
    await mkdir(join(place, file, '..'), {recursive: true, mode: 0o700})
    await writeFile(join(place, file), text, {mode: 0o600})
  }
  if (kind === 'folder') return {path: place, kind}
  const path = `${place}.tar${kind === 'gz' ? '.gz' : ''}`
  await create({file: path, cwd: folder, gzip: kind === 'gz', portable: true}, [name])
  return {path, kind}
}

/** The line by which other tools find the archive. */
export function savedText({path, kind}: SavedFiles): string {
  return `${{tar: 'ARCHIVE', gz: 'GZIP', folder: 'DIRECTORY'}[kind]} at ${path}\n`
}
