/**
 * Short conversations with an echo server: connect, say a number, hear it, end; a new socket each time. Whoever balances
 * connections decides anew for each. Tests ask for the counts over HTTP (`/dials`).
 */
import {createSocket} from 'node:dgram'
import {connect, isIPv6} from 'node:net'
import {plainAddress} from './listen.ts'

export interface DialTarget {
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
}

export interface DialCount {
  readonly target: string
  readonly begun: number
  readonly answered: number
  /** those that ended otherwise; the first few of them */
  readonly failures: readonly {readonly number: number; readonly why: string}[]
  readonly failed: number
  /** peers that the socket named, service or backend */
  readonly peers: readonly string[]
}

/** Far beyond what a lost packet costs: a slow machine is no failure. */
const timeoutMs = 20_000
const failuresShown = 10
const peersShown = 10
const numberBytes = 8

export class Dial {
  readonly #target: DialTarget
  readonly #timer: NodeJS.Timeout
  readonly #open = new Set<Promise<void>>()
  readonly #failures: {number: number; why: string}[] = []
  readonly #peers = new Set<string>()
  #begun = 0
  #answered = 0
  #failed = 0

  constructor(target: DialTarget, everyMs: number) {
    this.#target = target
    this.#timer = setInterval(() => this.#next(), everyMs)
  }

  /** Counts of the conversations that have ended. */
  count(): DialCount {
    const {protocol, address, port} = this.#target
    return {
      target: `${protocol} ${isIPv6(address) ? `[${address}]` : address}:${port}`,
      begun: this.#begun,
      answered: this.#answered,
      failures: this.#failures,
      failed: this.#failed,
      peers: [...this.#peers].sort(),
    }
  }

  /** Begins no more, and waits for those that are open. */
  async drain(): Promise<DialCount> {
    clearInterval(this.#timer)
    await Promise.all(this.#open)
    return this.count()
  }

  #next(): void {
    const number = this.#begun++
    const one = (this.#target.protocol === 'udp' ? this.#overUdp(number) : this.#overTcp(number))
      .then(
        (peer) => {
          this.#answered++
          if (this.#peers.size < peersShown) this.#peers.add(peer)
        },
        (error: Error) => {
          this.#failed++
          const {code} = error as NodeJS.ErrnoException
          if (this.#failures.length < failuresShown) this.#failures.push({number, why: code ?? error.message})
        },
      )
      .finally(() => this.#open.delete(one))
    this.#open.add(one)
  }

  /** @returns the peer, as the socket names it */
  async #overTcp(number: number): Promise<string> {
    const {address, port} = this.#target
    const socket = connect({host: address, port, noDelay: true})
    try {
      return await new Promise<string>((resolve, reject) => {
        let bytes = 0
        let peer = ''
        socket.setTimeout(timeoutMs, () =>
          reject(new Error(peer === '' ? 'no connection in time' : 'no answer in time')),
        )
        socket.on('connect', () => {
          peer = `${plainAddress(socket.remoteAddress)} ${socket.remotePort}`
          socket.write(numberOf(number))
        })
        socket.on('data', (data) => {
          bytes += data.length
          if (bytes >= numberBytes) resolve(peer)
        })
        socket.on('error', reject)
        socket.on('close', () => reject(new Error('closed by the other end')))
      })
    } finally {
      socket.end()
      socket.on('error', () => {}) // it has served: how it ends is no matter
    }
  }

  async #overUdp(number: number): Promise<string> {
    const {address, port} = this.#target
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<string>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error('no answer in time')), timeoutMs)
        socket.on('error', reject)
        socket.on('message', (message, from) => {
          if (message.length === numberBytes) resolve(`${from.address} ${from.port}`)
        })
        socket.send(numberOf(number), port, address, (error) => {
          if (error) reject(error)
        })
      })
    } finally {
      clearTimeout(timer)
      socket.close()
    }
  }
}

function numberOf(number: number): Buffer {
  const bytes = Buffer.alloc(numberBytes)
  bytes.writeBigUInt64BE(BigInt(number))
  return bytes
}
