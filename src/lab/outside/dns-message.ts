/** Just enough of RFC 1035 to answer one question: parse it, write A, AAAA and CNAME records. Pure. */
import {Ip} from '../../model/ip.ts'
import {lookUp} from './zone.ts'

const type = {a: 1, cname: 5, aaaa: 28, any: 255} as const
const classIn = 1
const ttlSeconds = 30

const rcode = {ok: 0, formatError: 1, noSuchName: 3, notImplemented: 4} as const

/**
 * Answers one DNS message.
 *
 * @param query without the length of TCP
 * @returns undefined for what is no query at all: nothing is sent back
 */
export function answerQuery(query: Uint8Array): Uint8Array | undefined {
  const view = new DataView(query.buffer, query.byteOffset, query.byteLength)
  if (query.length < 12 || (view.getUint8(2) & 0x80) !== 0) return undefined
  const id = view.getUint16(0)
  const wantsRecursion = (view.getUint8(2) & 1) !== 0
  const reply = (code: number, question: Uint8Array, records: readonly Uint8Array[]) => {
    const header = new DataView(new ArrayBuffer(12))
    header.setUint16(0, id)
    // answer, authoritative, recursion available
    header.setUint16(2, 0x8480 | (wantsRecursion ? 0x0100 : 0) | code)
    header.setUint16(4, question.length === 0 ? 0 : 1)
    header.setUint16(6, records.length)
    return Buffer.concat([new Uint8Array(header.buffer), question, ...records])
  }
  if ((view.getUint8(2) & 0x78) !== 0) return reply(rcode.notImplemented, new Uint8Array(), [])
  const question = view.getUint16(4) === 1 ? readQuestion(query) : undefined
  if (question === undefined) return reply(rcode.formatError, new Uint8Array(), [])
  const {name, qtype, bytes} = question
  let owner: Uint8Array = Uint8Array.of(0xc0, 12) // pointer to the question's name
  let found = lookUp(name)
  const records: Uint8Array[] = []
  if (found.kind === 'alias') {
    const target = writeName(found.target)
    records.push(record(owner, type.cname, target))
    owner = target
    found = lookUp(found.target)
  }
  if (found.kind === 'none') return reply(rcode.noSuchName, bytes, records)
  if (found.kind === 'host' && (qtype === type.a || qtype === type.any)) {
    records.push(...found.record.ipv4.map((ip) => record(owner, type.a, Ip.of(ip).toMappedBytes().subarray(12))))
  }
  if (found.kind === 'host' && (qtype === type.aaaa || qtype === type.any)) {
    records.push(...found.record.ipv6.map((ip) => record(owner, type.aaaa, Ip.of(ip).toMappedBytes())))
  }
  return reply(rcode.ok, bytes, records)
}

/** The first question, without compression, which no question has. */
function readQuestion(query: Uint8Array): {name: string; qtype: number; bytes: Uint8Array} | undefined {
  const labels: string[] = []
  let at = 12
  for (;;) {
    const length = query[at]
    if (length === undefined || length > 63 || at - 12 > 255) return undefined
    at++
    if (length === 0) break
    if (at + length > query.length) return undefined
    labels.push(Buffer.from(query.subarray(at, at + length)).toString('latin1'))
    at += length
  }
  if (at + 4 > query.length) return undefined
  return {name: labels.join('.'), qtype: (query[at]! << 8) | query[at + 1]!, bytes: query.subarray(12, at + 4)}
}

function writeName(name: string): Uint8Array {
  const labels = name
    .split('.')
    .map((label) => Buffer.concat([Uint8Array.of(label.length), Buffer.from(label, 'latin1')]))
  return Buffer.concat([...labels, Uint8Array.of(0)])
}

function record(owner: Uint8Array, recordType: number, data: Uint8Array): Uint8Array {
  const fixed = new DataView(new ArrayBuffer(10))
  fixed.setUint16(0, recordType)
  fixed.setUint16(2, classIn)
  fixed.setUint32(4, ttlSeconds)
  fixed.setUint16(8, data.length)
  return Buffer.concat([owner, new Uint8Array(fixed.buffer), data])
}
