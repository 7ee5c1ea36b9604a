/** The few parts of RFC 1035 that an authoritative test server needs: one question in, address records out. */
import {isIPv4, isIPv6} from 'node:net'

export const recordTypes = {a: 1, aaaa: 28, any: 255} as const
export const responseCodes = {ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, notImplemented: 4} as const

export interface Question {
  readonly id: number
  /** lower case, without the last dot; empty for the root */
  readonly name: string
  readonly type: number
  readonly recursionDesired: boolean
  /** the question section as it came, to be repeated in the answer */
  readonly section: Buffer
}

/** Reads a query with one question. Returns undefined for anything else: answers, several questions, cut messages. */
export function parseQuestion(message: Buffer): Question | undefined {
  if (message.length < 12) return undefined
  const flags = message.readUInt16BE(2)
  const isQuery = (flags & 0xf800) === 0 // QR and opcode
  if (!isQuery || message.readUInt16BE(4) !== 1) return undefined

  const labels: string[] = []
  let at = 12
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63) return undefined // cut, or a compression pointer: not in a question
    at += 1
    if (length === 0) break
    if (at + length > message.length || labels.length > 127) return undefined
    labels.push(message.toString('latin1', at, at + length).toLowerCase())
    at += length
  }
  if (at + 4 > message.length) return undefined

  return {
    id: message.readUInt16BE(0),
    name: labels.join('.'),
    type: message.readUInt16BE(at),
    recursionDesired: (flags & 0x0100) !== 0,
    section: message.subarray(12, at + 4),
  }
}

/** An authoritative answer with these addresses, all of the type that was asked for. */
export function formatAnswer(
  question: Question,
  code: number,
  addresses: readonly string[],
  ttlSeconds: number,
): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(question.id, 0)
  header.writeUInt16BE(0x8400 | (question.recursionDesired ? 0x0180 : 0) | code, 2) // QR, AA; RD is repeated, RA granted
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(addresses.length, 6)

  const records = addresses.map((address) => {
    const data = addressBytes(address)
    const record = Buffer.alloc(12)
    record.writeUInt16BE(0xc00c, 0) // the name of the question, at offset 12
    record.writeUInt16BE(data.length === 4 ? recordTypes.a : recordTypes.aaaa, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt32BE(ttlSeconds, 6)
    record.writeUInt16BE(data.length, 10)
    return Buffer.concat([record, data])
  })
  return Buffer.concat([header, question.section, ...records])
}

/** True when an address may stand in a record of this type. */
export function isOfType(address: string, type: number): boolean {
  if (type === recordTypes.a) return isIPv4(address)
  if (type === recordTypes.aaaa) return isIPv6(address)
  return type === recordTypes.any
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const all = tail === undefined ? left : [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
  const bytes = Buffer.alloc(16)
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, index * 2)
  return bytes
}
