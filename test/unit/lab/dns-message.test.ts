import {describe, expect, test} from 'vitest'
import {answerQuery} from '../../../src/lab/outside/dns-message.ts'
import {lookUp} from '../../../src/lab/outside/zone.ts'

function query(name: string, type: number, flags = 0x0100): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)])
  return Uint8Array.from([0x12, 0x34, flags >> 8, flags & 0xff, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1])
}

const codeOf = (answer: Uint8Array | undefined) => answer![3]! & 15
const countOf = (answer: Uint8Array | undefined) => answer![7]!

describe('the outside DNS server', () => {
  test('answers A and AAAA with the addresses of the name, under the id of the query', () => {
    const a = answerQuery(query('outside.lab', 1))!
    const aaaa = answerQuery(query('outside.lab', 28))!

    expect([...a.subarray(0, 2)]).toEqual([0x12, 0x34])
    expect([...a.subarray(-4)]).toEqual([203, 0, 113, 10])
    expect(Buffer.from(aaaa.subarray(-16)).toString('hex')).toBe('20010db8011300000000000000000010')
  })

  test('gives several addresses for one name', () => {
    expect(countOf(answerQuery(query('both.lab', 1)))).toBe(2)
  })

  test('follows an alias', () => {
    const answer = answerQuery(query('alias.lab', 1))

    expect(countOf(answer)).toBe(2)
    expect([...answer!.subarray(-4)]).toEqual([203, 0, 113, 10])
  })

  test('says that a name is not there', () => {
    expect(codeOf(answerQuery(query('nope.example', 1)))).toBe(3)
  })

  test('says that a name has no record of a type', () => {
    const answer = answerQuery(query('outside.lab', 15))

    expect(codeOf(answer)).toBe(0)
    expect(countOf(answer)).toBe(0)
  })

  test('says of a broken question that it is broken, and never throws', () => {
    const whole = query('outside.lab', 1)

    for (let length = 12; length < whole.length; length++)
      expect(codeOf(answerQuery(whole.subarray(0, length)))).toBe(1)
  })

  test('does not answer what is no query', () => {
    expect(answerQuery(query('outside.lab', 1, 0x8000))).toBeUndefined()
    expect(answerQuery(new Uint8Array(11))).toBeUndefined()
  })
})

describe('the zone', () => {
  test('knows names in any case, with or without the last dot, and all below a star', () => {
    const known = lookUp('outside.lab')

    expect(lookUp('OUTSIDE.Lab.')).toEqual(known)
    expect(lookUp('a.b.outside.lab')).toEqual(known)
    expect(lookUp('xoutside.lab')).toEqual({kind: 'none'})
  })
})
