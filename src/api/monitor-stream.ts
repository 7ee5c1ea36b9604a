/**
 * What the agent tells whoever listens on its monitor socket: frames, one direction only.
 *
 *     u32 length of the body, little-endian │ u8 kind │ body
 *
 * The first frame is the hello. Events travel as the datapath wrote them (bpf/abi/event.h), so that the agent copies
 * and nothing more; what follows struct event is the packet (struct event_sample), when it is asked for. Version and size
 * in the hello tell whether the listener knows their layout.
 */

export const monitorSocket = '/var/run/cilium/monitor1_2.sock'

/** Larger frames are no frames of ours. */
const maxBodyBytes = 1 << 20
const headerBytes = 5

export const frameKinds = {hello: 1, event: 2, lost: 3, notice: 4} as const

export interface MonitorHello {
  readonly eventVersion: number
  readonly eventBytes: number
  readonly cpus: number
  /** wall clock minus boot clock, ms: what turns the time of an event into a time of day */
  readonly bootToWallMs: number
}

/** Events that a listener did not get. */
export interface MonitorLost {
  readonly count: number
  /** ring: the programs found no room; listener: this listener reads too slowly */
  readonly where: 'ring' | 'listener'
}

/** Something that the agent did. */
export interface MonitorNotice {
  readonly title: string
  readonly message: unknown
}

export type MonitorFrame =
  | {readonly kind: 'hello'; readonly hello: MonitorHello}
  | {readonly kind: 'event'; readonly bytes: Buffer}
  | {readonly kind: 'lost'; readonly lost: MonitorLost}
  | {readonly kind: 'notice'; readonly notice: MonitorNotice}

/** A frame whose body is JSON. */
export function jsonFrame(
  kind: 'hello' | 'lost' | 'notice',
  value: MonitorHello | MonitorLost | MonitorNotice,
): Buffer {
  const body = Buffer.from(JSON.stringify(value))
  const frame = Buffer.allocUnsafe(headerBytes + body.length)
  frame.writeUInt32LE(body.length, 0)
  frame.writeUInt8(frameKinds[kind], 4)
  body.copy(frame, headerBytes)
  return frame
}

/** Bytes that `count` events of a size take as frames. */
export function eventFramesBytes(count: number, eventBytes: number): number {
  return count * (headerBytes + eventBytes)
}

/** Writes an event as a frame. @returns where the next one goes */
export function writeEventFrame(target: Buffer, at: number, event: Uint8Array): number {
  target.writeUInt32LE(event.length, at)
  target.writeUInt8(frameKinds.event, at + 4)
  target.set(event, at + headerBytes)
  return at + headerBytes + event.length
}

/** Takes frames out of a stream of bytes. Bytes of unknown kinds are passed over: newer agents may have more to say. */
export class MonitorDecoder {
  #rest: Buffer

  constructor() {
    this.#rest = Buffer.alloc(0)
  }

  /** @throws RangeError for bytes that are no frames */
  *push(chunk: Buffer): Generator<MonitorFrame> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= headerBytes) {
      const length = bytes.readUInt32LE(0)
      if (length > maxBodyBytes) throw new RangeError(`a frame of ${length} bytes`)
      if (bytes.length < headerBytes + length) break
      const frame = readFrame(bytes.readUInt8(4), bytes.subarray(headerBytes, headerBytes + length))
      bytes = bytes.subarray(headerBytes + length)
      if (frame !== undefined) yield frame
    }
    this.#rest = Buffer.from(bytes)
  }
}

function readFrame(kind: number, body: Buffer): MonitorFrame | undefined {
  switch (kind) {
    case frameKinds.hello:
      return {kind: 'hello', hello: JSON.parse(body.toString()) as MonitorHello}
    case frameKinds.event:
      return {kind: 'event', bytes: body}
    case frameKinds.lost:
      return {kind: 'lost', lost: JSON.parse(body.toString()) as MonitorLost}
    case frameKinds.notice:
      return {kind: 'notice', notice: JSON.parse(body.toString()) as MonitorNotice}
    default:
      return undefined
  }
}
