/**
 * Numbered traffic to an echo server: every number that does not come back is a packet lost in one of the two
 * directions, every end of a connection a connection cut. Tests ask for the counts over HTTP (`/streams`).
 */
import {createSocket} from 'node:dgram'
import {connect, isIPv6} from 'node:net'

export interface StreamTarget {
  /** connect: a connection for every number, instead of one for all */
  readonly protocol: 'tcp' | 'udp' | 'connect'
  readonly address: string
  readonly port: number
}

export interface StreamCount {
  readonly target: string
  readonly sent: number
  readonly answered: number
  /** sent and not answered; the first few of them */
  readonly missing: readonly number[]
  /** why the connection ended before it was told to; undefined: it lives */
  readonly cut: string | undefined
  /** longest time that an answer took, ms */
  readonly slowestMs: number
}

const numberBytes = 8
/**
 * Datagrams on their way, at most: an echo server that gets no processor for seconds would lose what its socket cannot
 * hold (some 270 small ones), and that is no loss of the network. One that is not answered within `givenUpMs` does not
 * count here any more; it stays missing.
 */
const datagramsOnTheWay = 64
const givenUpMs = 10_000
const missingShown = 20
/** how long the last answers may take after the last number was sent */
const drainMs = 5_000
/** a busy machine is slow, and a lost packet is sent again: what takes longer than this is cut */
const connectMs = 30_000

/** One flow of numbers, `everyMs` apart, until it is drained. */
export class Stream {
  readonly #target: StreamTarget
  readonly #outstanding = new Map<number, number>()
  readonly #timer: NodeJS.Timeout
  readonly #send: (number: Buffer) => void
  readonly #close: () => void
  #sent = 0
  #answered = 0
  #slowestMs = 0
  #cut: string | undefined
  #draining = false

  constructor(target: StreamTarget, everyMs: number) {
    this.#target = target
    const connected = {udp: () => this.#overUdp(), tcp: () => this.#overTcp(), connect: () => this.#overMany()}[
      target.protocol
    ]()
    this.#send = connected.send
    this.#close = connected.close
    // each of these takes a port for a minute
    const slower = target.protocol === 'connect' ? 10 : 1
    this.#timer = setInterval(() => this.#next(), everyMs * slower)
  }

  /** Counts so far; what is on its way counts as missing. */
  count(): StreamCount {
    const {protocol, address, port} = this.#target
    return {
      target: `${protocol} ${isIPv6(address) ? `[${address}]` : address}:${port}`,
      sent: this.#sent,
      answered: this.#answered,
      missing: [...this.#outstanding.keys()].slice(0, missingShown),
      cut: this.#cut,
      slowestMs: Math.round(this.#slowestMs),
    }
  }

  /** Sends no more, waits for what is on its way, and ends. */
  async drain(): Promise<StreamCount> {
    this.#draining = true
    clearInterval(this.#timer)
    const deadline = performance.now() + (this.#target.protocol === 'connect' ? connectMs : drainMs)
    while (this.#outstanding.size > 0 && performance.now() < deadline && this.#cut === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const count = this.count()
    this.#close()
    return count
  }

  #next(): void {
    if (this.#target.protocol === 'udp' && this.#onTheWay() >= datagramsOnTheWay) return
    const number = this.#sent++
    const bytes = Buffer.alloc(numberBytes)
    bytes.writeBigUInt64BE(BigInt(number))
    this.#outstanding.set(number, performance.now())
    this.#send(bytes)
  }

  #onTheWay(): number {
    if (this.#outstanding.size < datagramsOnTheWay) return this.#outstanding.size
    const since = performance.now() - givenUpMs
    return [...this.#outstanding.values()].filter((sentAt) => sentAt > since).length
  }

  #answer(bytes: Buffer): void {
    const number = Number(bytes.readBigUInt64BE(0))
    const sentAt = this.#outstanding.get(number)
    if (sentAt === undefined) return // a duplicate
    this.#outstanding.delete(number)
    this.#answered++
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - sentAt)
  }

  #overUdp(): {send: (number: Buffer) => void; close: () => void} {
    const {address, port} = this.#target
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    // an ICMP error is not the end of a datagram socket: what was lost stays in the count
    socket.on('error', () => {})
    socket.on('message', (message) => {
      if (message.length === numberBytes) this.#answer(message)
    })
    return {send: (number) => socket.send(number, port, address), close: () => socket.close()}
  }

  #overTcp(): {send: (number: Buffer) => void; close: () => void} {
    const {address, port} = this.#target
    const socket = connect({host: address, port, noDelay: true})
    let pending = Buffer.alloc(0)
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data])
      for (; pending.length >= numberBytes; pending = pending.subarray(numberBytes)) this.#answer(pending)
    })
    socket.on('error', (error) => {
      this.#cut ??= error.message
    })
    socket.on('close', () => {
      if (!this.#draining) this.#cut ??= 'closed by the other end'
    })
    return {send: (number) => void (socket.destroyed || socket.write(number)), close: () => void socket.destroy()}
  }

  /** One that fails is told, the first of them, and its number stays missing. */
  #overMany(): {send: (number: Buffer) => void; close: () => void} {
    const {address, port} = this.#target
    const send = (number: Buffer) => {
      const socket = connect({host: address, port, noDelay: true, timeout: connectMs})
      let pending = Buffer.alloc(0)
      socket.on('connect', () => socket.write(number))
      socket.on('timeout', () => socket.destroy(new Error(`no answer in ${connectMs} ms`)))
      socket.on('error', (error) => {
        this.#cut ??= error.message
      })
      socket.on('data', (data) => {
        pending = Buffer.concat([pending, data])
        if (pending.length < numberBytes) return
        this.#answer(pending)
        socket.destroy()
      })
    }
    return {send, close: () => {}}
  }
}
