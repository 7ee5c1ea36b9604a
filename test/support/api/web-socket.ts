/** The server's side of a WebSocket (RFC 6455), as little of it as pod streams need: whole binary messages, close. */
import {createHash} from 'node:crypto'
import type {IncomingMessage} from 'node:http'
import type {Duplex} from 'node:stream'

export class ServerSocket {
  readonly protocol: string
  onMessage: (data: Buffer) => void = () => {}
  onClose: () => void = () => {}
  private readonly socket: Duplex
  private buffered = Buffer.alloc(0)

  /** Answers an upgrade request, choosing the first protocol that the client offers. */
  constructor(request: IncomingMessage, socket: Duplex) {
    this.socket = socket
    this.protocol = String(request.headers['sec-websocket-protocol'] ?? '')
      .split(',')[0]!
      .trim()
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${this.protocol}\r\n\r\n`,
    )
    socket.on('data', (chunk: Buffer) => this.read(chunk))
    socket.on('error', () => {})
    socket.on('close', () => this.onClose())
  }

  /** One message: a channel byte and the data. */
  send(channel: number, data: string | Buffer): void {
    this.frame(0x82, Buffer.concat([Buffer.from([channel]), Buffer.from(data)]))
  }

  close(): void {
    this.frame(0x88, Buffer.from([0x03, 0xe8]))
    this.socket.end()
  }

  cut(): void {
    this.socket.destroy()
  }

  private frame(first: number, payload: Buffer): void {
    const length = payload.length
    const head =
      length < 126
        ? Buffer.from([first, length])
        : length < 65536
          ? Buffer.from([first, 126, length >> 8, length & 255])
          : Buffer.concat([Buffer.from([first, 127, 0, 0, 0, 0]), u32(length)])
    this.socket.write(Buffer.concat([head, payload]))
  }

  private read(chunk: Buffer): void {
    this.buffered = Buffer.concat([this.buffered, chunk])
    for (;;) {
      const data = this.buffered
      if (data.length < 6) return
      const short = data[1]! & 0x7f
      const extra = short === 126 ? 2 : short === 127 ? 8 : 0
      const start = 2 + extra + 4
      if (data.length < start) return
      const length = extra === 0 ? short : extra === 2 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2))
      if (data.length < start + length) return
      const mask = data.subarray(2 + extra, start)
      const payload = Buffer.from(data.subarray(start, start + length))
      for (let i = 0; i < payload.length; i++) payload[i]! ^= mask[i & 3]!
      this.buffered = data.subarray(start + length)
      const kind = data[0]! & 0x0f
      if (kind === 8) this.close()
      else if (kind === 1 || kind === 2) this.onMessage(payload)
    }
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
