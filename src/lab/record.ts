/**
 * What a lab has made outside of its folders, written down before each thing is made. `down` needs nothing else,
 * so it works after a crash at any point. Processes are not in it: the lab's cgroup knows them better (cgroup.ts).
 */
import {closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync} from 'node:fs'
import {dirname} from 'node:path'

export type Made =
  /** what follows was made under this boot of the machine */
  | {readonly kind: 'boot'; readonly id: string}
  /** a number in the folder of indices */
  | {readonly kind: 'index'; readonly id: string}
  /** a cgroup by its path below each hierarchy, with everything in it */
  | {readonly kind: 'cgroup'; readonly id: string}
  /** a network device in the machine's own namespace */
  | {readonly kind: 'link'; readonly id: string}
  /** a name in /run/netns */
  | {readonly kind: 'netns'; readonly id: string}
  | {readonly kind: 'folder'; readonly id: string}

/** Things of the kernel end with the boot; the rest stays on disk. */
const endsWithBoot: ReadonlySet<Made['kind']> = new Set(['cgroup', 'link', 'netns'])

/** Processes first (they hold the rest), then devices before the namespaces they reach into, folders and number last. */
const undoRank: Readonly<Record<Made['kind'], number>> = {cgroup: 0, link: 1, netns: 2, folder: 3, index: 4, boot: 5}

/** Reads a record. A last line cut short by a crash is ignored: its thing was not made yet. */
export function parseRecord(text: string): readonly Made[] {
  const lines = text.split('\n')
  lines.pop()
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Made)
}

/** What of a record can still exist under this boot. */
export function stillMade(entries: readonly Made[], bootId: string): readonly Made[] {
  let boot: string | undefined
  const kept: Made[] = []
  for (const entry of entries) {
    if (entry.kind === 'boot') boot = entry.id
    else if (!endsWithBoot.has(entry.kind) || boot === bootId) kept.push(entry)
  }
  return kept.filter((entry, i) => kept.findIndex((other) => same(other, entry)) === i)
}

/** The order in which things are taken down: by rank, the newest first. */
export function undoOrder(entries: readonly Made[]): readonly Made[] {
  return [...entries].reverse().sort((a, b) => undoRank[a.kind] - undoRank[b.kind])
}

export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

export class LabRecord {
  readonly #file: string
  #entries: readonly Made[]

  private constructor(file: string, entries: readonly Made[]) {
    this.#file = file
    this.#entries = entries
  }

  /** Opens a lab's record for writing, begun if there is none. */
  static open(file: string, bootId: string = readBootId()): LabRecord {
    const entries = readEntries(file)
    const record = new LabRecord(file, stillMade(entries, bootId))
    const lastBoot = entries.findLast((entry) => entry.kind === 'boot')?.id
    if (lastBoot !== bootId) record.#append({kind: 'boot', id: bootId})
    return record
  }

  /** What the lab has made and what may still exist. Nothing when there is no record. */
  static read(file: string, bootId: string = readBootId()): readonly Made[] {
    return stillMade(readEntries(file), bootId)
  }

  has(entry: Made): boolean {
    return this.#entries.some((other) => same(other, entry))
  }

  /** Writes the entry through to the disk. Call it before making the thing. */
  add(entry: Made): void {
    if (this.has(entry)) return
    this.#append(entry)
    this.#entries = [...this.#entries, entry]
  }

  #append(entry: Made): void {
    mkdirSync(dirname(this.#file), {recursive: true, mode: 0o700})
    const file = openSync(this.#file, 'a', 0o600)
    try {
      writeSync(file, `${JSON.stringify(entry)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }
}

function readEntries(file: string): readonly Made[] {
  try {
    return parseRecord(readFileSync(file, 'utf8'))
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw thrown
  }
}

function same(a: Made, b: Made): boolean {
  return a.kind === b.kind && a.id === b.id
}
