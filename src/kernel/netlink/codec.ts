/** Netlink messages: writing requests, reading answers (RFC 3549, include/uapi/linux/netlink.h). Host byte order. */

export const headerBytes = 16
const align = (length: number) => (length + 3) & ~3

export const messageTypes = {
  error: 2,
  done: 3,
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  delNeighbour: 29,
  getNeighbour: 30,
  newRule: 32,
  delRule: 33,
  getRule: 34,
  newQdisc: 36,
  delQdisc: 37,
  getQdisc: 38,
  newFilter: 44,
  delFilter: 45,
  getFilter: 46,
} as const

export const messageFlags = {
  request: 0x1,
  acknowledge: 0x4,
  dumpInterrupted: 0x10,
  /** of an error: the request is not repeated whole */
  capped: 0x100,
  /** of an error: attributes follow, a text among them */
  errorAttributes: 0x200,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  dump: 0x300,
} as const

export const families = {unspecified: 0, v4: 2, bridge: 7, v6: 10} as const

/** One request, written once and sent as often as wanted. */
export interface NetlinkRequest {
  readonly type: number
  /** messageFlags besides request and acknowledge */
  readonly flags: number
  /** the message's own header and its attributes */
  readonly body: Uint8Array
  /** for errors: "add route 10.0.0.0/24" */
  readonly operation: string
}

/** Writes a message body: a fixed header, then attributes, nested as wanted. Grows as needed. */
export class BodyWriter {
  #bytes: Uint8Array
  #view: DataView
  #length: number

  /** @param header bytes of the message's own header, to be filled through `header` */
  constructor(header: number) {
    this.#bytes = new Uint8Array(256)
    this.#view = new DataView(this.#bytes.buffer)
    this.#length = header
  }

  /** The bytes written so far: fill the header through it at once, it goes stale when the body grows. */
  get header(): DataView {
    return this.#view
  }

  u8(type: number, value: number): this {
    this.#attribute(type, 1)
    this.#view.setUint8(this.#length, value)
    return this.#advance(1)
  }

  u16(type: number, value: number): this {
    this.#attribute(type, 2)
    this.#view.setUint16(this.#length, value, true)
    return this.#advance(2)
  }

  /** Network byte order. */
  be16(type: number, value: number): this {
    this.#attribute(type, 2)
    this.#view.setUint16(this.#length, value)
    return this.#advance(2)
  }

  u32(type: number, value: number): this {
    this.#attribute(type, 4)
    this.#view.setUint32(this.#length, value, true)
    return this.#advance(4)
  }

  bytes(type: number, value: Uint8Array): this {
    this.#attribute(type, value.length)
    this.#bytes.set(value, this.#length)
    return this.#advance(value.length)
  }

  /** NUL-terminated. */
  text(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`))
  }

  flag(type: number): this {
    this.#attribute(type, 0)
    return this.#advance(0)
  }

  /** An attribute that holds attributes. @param header bytes of a fixed header inside, filled by `fill` */
  nest(type: number, write: (inner: this) => void, header = 0, fill?: (view: DataView) => void): this {
    const start = this.#length
    this.#attribute(type, header)
    fill?.(new DataView(this.#bytes.buffer, this.#length, header))
    this.#advance(header)
    write(this)
    this.#view.setUint16(start, this.#length - start, true)
    return this
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #attribute(type: number, length: number): void {
    const needed = this.#length + 4 + align(length)
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(needed * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
      this.#view = new DataView(larger.buffer)
    }
    this.#view.setUint16(this.#length, 4 + length, true)
    this.#view.setUint16(this.#length + 2, type, true)
    this.#length += 4
  }

  #advance(length: number): this {
    this.#length += align(length)
    return this
  }
}

/** One message of an answer or event. */
export interface NetlinkMessage {
  readonly type: number
  readonly flags: number
  readonly sequence: number
  readonly body: DataView
}

/** Splits what one receive gave. Lengths that lead outside end the reading. */
export function* readMessages(bytes: Uint8Array): Generator<NetlinkMessage> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at + headerBytes <= view.byteLength; ) {
    const length = view.getUint32(at, true)
    if (length < headerBytes || at + length > view.byteLength) return
    yield {
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: new DataView(bytes.buffer, bytes.byteOffset + at + headerBytes, length - headerBytes),
    }
    at += align(length)
  }
}

/** Attributes by type; of several with one type the last. Typed readers give undefined for what is absent. */
export class Attributes {
  readonly #attributes = new Map<number, DataView>()

  /** @param offset where the attributes begin: after the message's own header */
  constructor(body: DataView, offset: number) {
    for (let at = align(offset); at + 4 <= body.byteLength; ) {
      const length = body.getUint16(at, true)
      if (length < 4 || at + length > body.byteLength) return
      // the two upper bits say "nested" and "network order"
      const type = body.getUint16(at + 2, true) & 0x3fff
      this.#attributes.set(type, new DataView(body.buffer, body.byteOffset + at + 4, length - 4))
      at += align(length)
    }
  }

  has(type: number): boolean {
    return this.#attributes.has(type)
  }

  u8(type: number): number | undefined {
    return this.#attributes.get(type)?.getUint8(0)
  }

  u16(type: number): number | undefined {
    return this.#attributes.get(type)?.getUint16(0, true)
  }

  be16(type: number): number | undefined {
    return this.#attributes.get(type)?.getUint16(0)
  }

  u32(type: number): number | undefined {
    return this.#attributes.get(type)?.getUint32(0, true)
  }

  /** A copy. */
  bytes(type: number): Uint8Array | undefined {
    const view = this.#attributes.get(type)
    return view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice()
  }

  /** Up to the first NUL. */
  text(type: number): string | undefined {
    const bytes = this.bytes(type)
    if (!bytes) return undefined
    const end = bytes.indexOf(0)
    return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8')
  }

  /** @param offset bytes of a fixed header inside */
  nested(type: number, offset = 0): Attributes | undefined {
    const view = this.#attributes.get(type)
    return view && new Attributes(view, offset)
  }
}
