/**
 * The agent's end of the monitor socket. Events are taken from the rings only while somebody listens; a listener that
 * reads too slowly loses events, is told how many, and holds up nobody.
 */
import {chmodSync, mkdirSync, rmSync} from 'node:fs'
import {createServer, type Server, type Socket} from 'node:net'
import {availableParallelism} from 'node:os'
import {dirname} from 'node:path'
import {eventFramesBytes, jsonFrame, type MonitorHello, type MonitorNotice, writeEventFrame} from './monitor-stream.ts'

/** Where events come from: `EventStream` of the datapath. */
export interface MonitorSource {
  /** hands over records in place, at most `limit` */
  poll(handler: (view: DataView, offset: number, length: number) => void, limit?: number): number
  /** written and lost since ever */
  counts(): {readonly lost: number}
}

export interface MonitorOptions {
  readonly source: MonitorSource
  /** EVENT_VERSION and the size of struct event */
  readonly eventVersion: number
  readonly eventBytes: number
  /** of a record, at most: with what follows the event; eventBytes unless given */
  readonly recordBytes?: number
  /** the boot clock of events, in ns */
  readonly bootTimeNs: () => bigint
}

const tickMs = 20
/** events handed on in one tick: the agent has other things to do */
const eventsPerTick = 16_384
const queueBytes = 8 << 20
const listenersMax = 16

export class MonitorServer {
  readonly #options: MonitorOptions
  readonly #server: Server
  readonly #listeners = new Map<Socket, {missed: number}>()
  readonly #batch: Buffer
  #timer: NodeJS.Timeout | undefined
  #lost = 0

  constructor(options: MonitorOptions) {
    this.#options = options
    this.#batch = Buffer.allocUnsafe(eventFramesBytes(eventsPerTick, options.recordBytes ?? options.eventBytes))
    this.#server = createServer((socket) => this.#welcome(socket))
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** Listens on a unix socket; a left-over of an earlier run is replaced. */
  async listen(path: string): Promise<void> {
    mkdirSync(dirname(path), {recursive: true})
    rmSync(path, {force: true})
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    chmodSync(path, 0o660)
  }

  /** Tells listeners of something that the agent did. */
  notify(notice: MonitorNotice): void {
    if (this.#listeners.size > 0) this.#send(jsonFrame('notice', notice), 1)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    for (const socket of this.#listeners.keys()) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #welcome(socket: Socket): void {
    if (this.#listeners.size >= listenersMax) return void socket.destroy()
    const {eventVersion, eventBytes, bootTimeNs} = this.#options
    const hello: MonitorHello = {
      eventVersion,
      eventBytes,
      cpus: availableParallelism(),
      bootToWallMs: Date.now() - Number(bootTimeNs() / 1_000_000n),
    }
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#leave(socket))
    socket.resume() // nobody is asked anything, but the end must be seen
    socket.write(jsonFrame('hello', hello))
    this.#listeners.set(socket, {missed: 0})
    if (this.#timer === undefined) this.#begin()
  }

  #leave(socket: Socket): void {
    this.#listeners.delete(socket)
    if (this.#listeners.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** What waited in the rings before anybody listened is old news. */
  #begin(): void {
    this.#options.source.poll(() => {})
    this.#lost = this.#options.source.counts().lost
    this.#timer = setInterval(() => this.#tick(), tickMs)
  }

  #tick(): void {
    const {source, eventBytes, recordBytes = eventBytes} = this.#options
    let end = 0
    const count = source.poll((view, offset, length) => {
      const event = new Uint8Array(view.buffer, view.byteOffset + offset, Math.min(length, recordBytes))
      end = writeEventFrame(this.#batch, end, event)
    }, eventsPerTick)
    if (count > 0) this.#send(Buffer.from(this.#batch.subarray(0, end)), count)
    const {lost} = source.counts()
    if (lost > this.#lost) this.#send(jsonFrame('lost', {count: lost - this.#lost, where: 'ring'}), 0)
    this.#lost = lost
  }

  #send(bytes: Buffer, events: number): void {
    for (const [socket, state] of this.#listeners) {
      if (socket.writableLength > queueBytes) {
        state.missed += events
        continue
      }
      if (state.missed > 0) socket.write(jsonFrame('lost', {count: state.missed, where: 'listener'}))
      state.missed = 0
      socket.write(bytes)
    }
  }
}
