import {expect, test} from 'vitest'
import {parseQuestion, recordTypes, responseCodes} from '../../../src/workload/dns-message.ts'
import {resolve, type Zone} from '../../../src/workload/dns-server.ts'

const zone: Zone = new Map([
  ['echo.test', ['192.0.2.7', '2001:db8::7']],
  ['*.echo.test', ['192.0.2.8']],
])

test('an A question gets the IPv4 addresses of its name', () => {
  const answer = resolve(zone, query('echo.test', recordTypes.a))!

  expect(header(answer)).toEqual({id: 7, authoritative: true, code: responseCodes.ok, answers: 1})
  expect([...answer.subarray(-4)]).toEqual([192, 0, 2, 7])
})

test('an AAAA question gets the IPv6 addresses of its name', () => {
  const answer = resolve(zone, query('echo.test', recordTypes.aaaa))!

  expect(header(answer).answers).toBe(1)
  expect(answer.subarray(-16).toString('hex')).toBe('20010db8000000000000000000000007')
})

test('names compare without regard to case, and the answer repeats them as they were asked', () => {
  const asked = query('EcHo.TeSt', recordTypes.a)

  const answer = resolve(zone, asked)!

  expect(header(answer).answers).toBe(1)
  expect(answer.subarray(12, asked.length)).toEqual(asked.subarray(12))
})

test('a wildcard answers for names below it that have no entry', () => {
  const answer = resolve(zone, query('any.echo.test', recordTypes.a))!

  expect([...answer.subarray(-4)]).toEqual([192, 0, 2, 8])
})

test('a name that is not in the zone does not exist; a type without records is an empty answer', () => {
  const unknown = resolve(zone, query('other.test', recordTypes.a))!
  const empty = resolve(zone, query('any.echo.test', recordTypes.aaaa))!

  expect(header(unknown)).toMatchObject({code: responseCodes.noSuchName, answers: 0})
  expect(header(empty)).toMatchObject({code: responseCodes.ok, answers: 0})
})

test('a message cut anywhere is no question', () => {
  const whole = query('echo.test', recordTypes.a)

  for (let length = 0; length < whole.length; length++) {
    expect(parseQuestion(whole.subarray(0, length))).toBeUndefined()
  }
})

test('an answer is not answered, so two servers never talk for ever', () => {
  const answer = resolve(zone, query('echo.test', recordTypes.a))!

  expect(resolve(zone, answer)).toBeUndefined()
})

function query(name: string, type: number): Buffer {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)])
  return Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1])
}

function header(message: Buffer) {
  const flags = message.readUInt16BE(2)
  return {
    id: message.readUInt16BE(0),
    authoritative: (flags & 0x8400) === 0x8400,
    code: flags & 0xf,
    answers: message.readUInt16BE(6),
  }
}
