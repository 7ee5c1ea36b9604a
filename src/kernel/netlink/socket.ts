/**
 * A netlink socket of one network namespace: the one in which its opener stood, wherever it is used later.
 * Requests are answered within the call that sends them, so all of this is synchronous: some ten microseconds a request.
 */
import {KernelError} from '../errors.ts'
import {closeFd, openSocket, receiveBytes, sendBytes, setSocketOption} from '../libc.ts'
import {
  Attributes,
  headerBytes,
  messageFlags,
  messageTypes,
  type NetlinkMessage,
  type NetlinkRequest,
  readMessages,
} from './codec.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOL_NETLINK = 270
const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33
const options = {capAcknowledge: 10, extendedAcknowledge: 11, strictCheck: 12}
const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40

const receiveBufferBytes = 1 << 20
/** each acknowledgement takes room in the receive buffer until it is read */
const requestsPerSend = 100
/** a dump is repeated when the tables changed under it */
const dumpTries = 5

/** One buffer for all sockets: a receive is read to its end before the next call. */
const received = new Uint8Array(1 << 16)

export const protocols = {route: 0, sockDiag: 4, generic: 16} as const

export class NetlinkSocket {
  readonly fd: number
  #sequence = 1
  #open = true

  /** Opens a socket in the namespace where the calling thread is. */
  constructor(protocol: number = protocols.route) {
    this.fd = openSocket(AF_NETLINK, SOCK_RAW, protocol, 'open netlink socket')
    try {
      setSocketOption(this.fd, SOL_NETLINK, options.capAcknowledge, 1, 'set up netlink socket')
      setSocketOption(this.fd, SOL_NETLINK, options.extendedAcknowledge, 1, 'set up netlink socket')
      setSocketOption(this.fd, SOL_NETLINK, options.strictCheck, 1, 'set up netlink socket')
      setSocketOption(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes, 'set up netlink socket')
    } catch (thrown) {
      closeFd(this.fd)
      throw thrown
    }
  }

  /** Sends a request and waits for its acknowledgement. @throws KernelError with the kernel's own explanation */
  run(request: NetlinkRequest): void {
    const [error] = this.tryAll([request])
    if (error) throw error
  }

  /**
   * Sends many requests at once; the kernel carries them out in order, also after one that fails.
   *
   * @throws KernelError of the first that failed
   */
  runAll(requests: readonly NetlinkRequest[]): void {
    const error = this.tryAll(requests).find((outcome) => outcome !== undefined)
    if (error) throw error
  }

  /** Like runAll, with the error of each request or undefined for success. */
  tryAll(requests: readonly NetlinkRequest[]): (KernelError | undefined)[] {
    const outcomes: (KernelError | undefined)[] = []
    for (let at = 0; at < requests.length; at += requestsPerSend)
      outcomes.push(...this.#exchange(requests.slice(at, at + requestsPerSend)))
    return outcomes
  }

  /** Sends a request that is answered by one message. @throws KernelError */
  ask(request: NetlinkRequest): NetlinkMessage {
    const sequence = this.#send([request], messageFlags.request)
    for (const message of this.#receive(request.operation)) {
      if (message.sequence !== sequence) continue
      const error = readError(message, request.operation)
      if (error) throw error
      // the next receive reuses the buffer
      return {...message, body: copy(message.body)}
    }
    throw new KernelError(EBADMSG, request.operation, 'no answer')
  }

  /** Reads a table. `read` is given each row and keeps what it needs. @throws KernelError */
  dump<T>(request: NetlinkRequest, read: (body: DataView, type: number) => T | undefined): T[] {
    for (let attempt = 1; ; attempt++) {
      const rows: T[] = []
      const interrupted = this.#dumpOnce(request, rows, read)
      if (!interrupted) return rows
      if (attempt === dumpTries) throw new KernelError(EINTR, request.operation, 'the table kept changing')
    }
  }

  #dumpOnce<T>(request: NetlinkRequest, rows: T[], read: (body: DataView, type: number) => T | undefined): boolean {
    const sequence = this.#send([request], messageFlags.request | messageFlags.dump)
    let interrupted = false
    for (;;) {
      for (const message of this.#receive(request.operation)) {
        if (message.sequence !== sequence) continue
        if ((message.flags & messageFlags.dumpInterrupted) !== 0) interrupted = true
        if (message.type === messageTypes.done) {
          const code = message.body.byteLength >= 4 ? message.body.getInt32(0, true) : 0
          if (code < 0) throw new KernelError(-code, request.operation)
          return interrupted
        }
        const error = readError(message, request.operation)
        if (error) throw error
        const row = read(message.body, message.type)
        if (row !== undefined) rows.push(row)
      }
    }
  }

  close(): void {
    if (this.#open) closeFd(this.fd)
    this.#open = false
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #exchange(requests: readonly NetlinkRequest[]): (KernelError | undefined)[] {
    if (requests.length === 0) return []
    const first = this.#send(requests, messageFlags.request | messageFlags.acknowledge)
    const outcomes: (KernelError | undefined)[] = new Array(requests.length).fill(undefined)
    let answered = 0
    while (answered < requests.length) {
      for (const message of this.#receive(requests[answered]!.operation)) {
        const index = message.sequence - first
        const request = requests[index]
        if (message.type !== messageTypes.error || !request) continue
        outcomes[index] = readError(message, request.operation)
        answered++
      }
    }
    return outcomes
  }

  /** @returns the sequence number of the first */
  #send(requests: readonly NetlinkRequest[], flags: number): number {
    const lengths = requests.map(({body}) => headerBytes + body.length)
    const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + ((length + 3) & ~3), 0))
    const view = new DataView(bytes.buffer)
    const first = this.#sequence
    let at = 0
    for (const [i, request] of requests.entries()) {
      view.setUint32(at, lengths[i]!, true)
      view.setUint16(at + 4, request.type, true)
      view.setUint16(at + 6, request.flags | flags, true)
      view.setUint32(at + 8, first + i, true)
      bytes.set(request.body, at + headerBytes)
      at += (lengths[i]! + 3) & ~3
    }
    this.#sequence = (first + requests.length) & 0x7fffffff || 1
    sendBytes(this.fd, bytes, bytes.length, requests[0]!.operation)
    return first
  }

  #receive(operation: string): Generator<NetlinkMessage> {
    const length = receiveBytes(this.fd, received, MSG_DONTWAIT | MSG_TRUNC)
    if (length < 0) throw new KernelError(-length, operation, 'no answer')
    if (length > received.length) throw new KernelError(EBADMSG, operation, 'answer too long')
    return readMessages(received.subarray(0, length))
  }
}

const EINTR = 4
const EBADMSG = 74

/** The error that a message carries; an acknowledgement is one without error. */
function readError(message: NetlinkMessage, operation: string): KernelError | undefined {
  if (message.type !== messageTypes.error) return undefined
  const code = message.body.getInt32(0, true)
  if (code === 0) return undefined
  let detail = ''
  if ((message.flags & messageFlags.errorAttributes) !== 0) {
    const whole = (message.flags & messageFlags.capped) === 0
    const offset = 4 + (whole ? message.body.getUint32(4, true) : headerBytes)
    detail = new Attributes(message.body, offset).text(1) ?? ''
  }
  return new KernelError(-code, operation, detail)
}

function copy(view: DataView): DataView {
  return new DataView(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength))
}
