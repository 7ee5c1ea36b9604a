/** The socket that the CNI shim talks to: one message, one answer, then the connection ends. */
import {chmod, mkdir, rm} from 'node:fs/promises'
import {createServer, type Server, type Socket} from 'node:net'
import {dirname} from 'node:path'
import {type CniAnswer, type CniMessage, cniMessageBytes, decodeCniMessage, encodeCniAnswer} from '../../api/cni.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {errorAnswer} from './call.ts'

/** How long a message may take to arrive, ms. The work itself has limits of its own. */
const arrivalMs = 10_000
const maxConnections = 1024

export class CniSocket {
  private readonly path: string
  private readonly answer: (message: CniMessage, signal: AbortSignal) => Promise<CniAnswer>
  private readonly log: Log
  private readonly open = new Set<Socket>()
  private server: Server | undefined

  constructor(options: {
    readonly path: string
    /** never rejects for what a caller did wrong: that is an answer */
    readonly answer: (message: CniMessage, signal: AbortSignal) => Promise<CniAnswer>
    readonly log: Log
  }) {
    this.path = options.path
    this.answer = options.answer
    this.log = options.log.for('cni')
  }

  /** Begins to listen; only root may connect. */
  async start(): Promise<void> {
    await mkdir(dirname(this.path), {recursive: true})
    await rm(this.path, {force: true})
    const server = createServer((socket) => this.serve(socket))
    server.maxConnections = maxConnections
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.path, resolve)
    })
    await chmod(this.path, 0o600)
    this.server = server
  }

  /** Takes no more calls; those that run are cut off, and their runtimes try again. */
  async stop(): Promise<void> {
    const server = this.server
    if (server === undefined) return
    this.server = undefined
    for (const socket of this.open) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  private serve(socket: Socket): void {
    this.open.add(socket)
    const gone = new AbortController()
    const chunks: Buffer[] = []
    let length = 0
    let asked = false
    const timer = setTimeout(() => socket.destroy(), arrivalMs)
    socket.on('close', () => {
      clearTimeout(timer)
      this.open.delete(socket)
      gone.abort()
    })
    socket.on('error', (error) => this.log.debug('connection of the CNI plugin failed', {error}))
    socket.on('data', (chunk) => {
      if (asked) return
      chunks.push(chunk)
      length += chunk.length
      if (length < 4) return
      const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks)
      const wanted = bytes.readUInt32BE(0)
      if (wanted > cniMessageBytes) {
        socket.destroy()
        return
      }
      if (length < 4 + wanted) return
      asked = true
      clearTimeout(timer)
      void this.reply(socket, bytes.subarray(4, 4 + wanted), gone.signal)
    })
  }

  private async reply(socket: Socket, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    let answer: CniAnswer
    try {
      answer = await this.answer(decodeCniMessage(bytes), signal)
    } catch (thrown) {
      this.log.error('a CNI call could not be answered', {error: CiliumError.from(thrown)})
      answer = {exitCode: 1, text: errorAnswer('1.0.0', thrown)}
    }
    if (!socket.destroyed) socket.end(encodeCniAnswer(answer))
  }
}
