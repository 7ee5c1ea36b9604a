/**
 * Endpoints on disk, a file each, so that a restarted agent knows its pods without asking anybody. Written before the
 * runtime is told that a pod is connected; what was made without a record is a leftover of a call that never ended.
 *
 * A record outlives the agent's process as soon as it is written, and a power cut a moment later: pods do not wait for
 * the disk (docs/decisions/endpoint-records.md). Writes and removals of one endpoint happen in the order of the calls.
 */
import {mkdir, readdir, rename, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {identity} from '../../model/identity.ts'
import {Ip} from '../../model/ip.ts'
import {LabelSet} from '../../model/labels.ts'
import {Mac} from '../../model/mac.ts'
import {readState, syncFiles, writeState} from '../../runtime/atomic-file.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {codes} from '../errors.ts'
import type {EndpointRow} from '../state/rows.ts'

const version = 1
/** How long records are gathered before they are made to last together, ms. */
const syncAfterMs = 100

type Stored = Omit<
  EndpointRow,
  'mac' | 'hostMac' | 'ipv4' | 'ipv6' | 'labels' | 'allLabels' | 'state' | 'log' | 'identity'
> & {
  readonly mac: string
  readonly hostMac: string
  readonly ipv4: string | null
  readonly ipv6: string | null
  readonly labels: readonly string[] | null
  readonly allLabels: readonly string[] | null
  readonly identity: number | null
}

export class EndpointRecords {
  private readonly folder: string
  private readonly log: Log
  private readonly clock: Clock
  /** the last write or removal of each endpoint */
  private readonly turns = new Map<number, Promise<void>>()
  private unsynced = new Set<string>()
  private timer: Timer | undefined
  private syncing: Promise<void> = Promise.resolve()

  constructor(libDir: string, clock: Clock, log: Log) {
    this.folder = join(libDir, 'endpoints')
    this.clock = clock
    this.log = log.for('endpoint-records')
  }

  /** @throws STATE_DIR_UNUSABLE */
  async open(): Promise<void> {
    try {
      await mkdir(this.folder, {recursive: true, mode: 0o700})
    } catch (thrown) {
      fail(codes.STATE_DIR_UNUSABLE, {path: this.folder, detail: (thrown as Error).message}, {cause: thrown})
    }
  }

  /** @throws STATE_WRITE_FAILED; the older record stays */
  write(row: EndpointRow): Promise<void> {
    return this.inTurn(row.id, async () => {
      await writeState(this.pathOf(row.id), version, store(row), {sync: false})
      this.syncLater(fileOf(row.id))
    })
  }

  remove(id: number): Promise<void> {
    return this.inTurn(id, () => rm(this.pathOf(id), {force: true}))
  }

  /** Resolves when what was written lasts, or could not be made to. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.turns.values())
    this.timer?.cancel()
    await this.sync()
  }

  /**
   * All records. One that cannot be read is put aside and named: its slot is somebody's whom we do not know.
   */
  async readAll(): Promise<{readonly rows: readonly EndpointRow[]; readonly unreadable: readonly number[]}> {
    const rows: EndpointRow[] = []
    const unreadable: number[] = []
    for (const name of (await readdir(this.folder)).sort()) {
      const id = /^(\d+)\.json$/.exec(name)?.[1]
      if (id === undefined) {
        if (name.endsWith('.tmp')) await rm(join(this.folder, name), {force: true})
        continue
      }
      try {
        const stored = await readState<Stored>(join(this.folder, name), {version})
        if (stored !== undefined) rows.push(restore(stored, Number(id)))
      } catch (thrown) {
        const error = CiliumError.from(thrown)
        this.log.error('an endpoint record cannot be read and is put aside', {file: name, error}, {per: name})
        await rename(join(this.folder, name), join(this.folder, `${name}.bad`))
        unreadable.push(Number(id))
      }
    }
    return {rows, unreadable}
  }

  private inTurn(id: number, work: () => Promise<void>): Promise<void> {
    const before = this.turns.get(id) ?? Promise.resolve()
    const turn = before.then(work, work)
    this.turns.set(id, turn)
    const clear = () => {
      if (this.turns.get(id) === turn) this.turns.delete(id)
    }
    turn.then(clear, clear)
    return turn
  }

  private syncLater(name: string): void {
    this.unsynced.add(name)
    this.timer ??= this.clock.after(syncAfterMs, () => void this.sync())
  }

  private sync(): Promise<void> {
    this.timer = undefined
    const names = this.unsynced
    if (names.size === 0) return this.syncing
    this.unsynced = new Set()
    this.syncing = this.syncing
      .then(() => syncFiles(this.folder, names))
      .catch((thrown: unknown) => {
        const error = CiliumError.from(thrown)
        this.log.error('endpoint records would not outlive a power cut', {error}, {per: 'sync'})
      })
    return this.syncing
  }

  private pathOf(id: number): string {
    return join(this.folder, fileOf(id))
  }
}

function fileOf(id: number): string {
  return `${id}.json`
}

function store(row: EndpointRow): Stored {
  const {state: _state, log: _log, ...kept} = row
  return {
    ...kept,
    mac: String(row.mac),
    hostMac: String(row.hostMac),
    ipv4: row.ipv4?.toString() ?? null,
    ipv6: row.ipv6?.toString() ?? null,
    labels: row.labels?.toStrings() ?? null,
    allLabels: row.allLabels?.toStrings() ?? null,
    identity: row.identity ?? null,
  }
}

function restore(stored: Stored, id: number): EndpointRow {
  if (stored.id !== id) throw new TypeError(`record ${id} is of endpoint ${stored.id}`)
  return {
    ...stored,
    state: 'restoring',
    log: [],
    mac: Mac.of(stored.mac),
    hostMac: Mac.of(stored.hostMac),
    ipv4: stored.ipv4 === null ? undefined : Ip.of(stored.ipv4),
    ipv6: stored.ipv6 === null ? undefined : Ip.of(stored.ipv6),
    labels: stored.labels === null ? undefined : LabelSet.parse(stored.labels),
    allLabels: stored.allLabels === null ? undefined : LabelSet.parse(stored.allLabels),
    identity: stored.identity === null ? undefined : identity(stored.identity),
  }
}
