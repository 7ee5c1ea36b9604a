import fc from 'fast-check'
import {expect, test} from 'vitest'
import {Mac} from '../../../src/model/mac.ts'

test('both spellings are read, one is written', () => {
  expect(Mac.parse('AA-bb-cc-DD-ee-0f')?.toString()).toBe('aa:bb:cc:dd:ee:0f')
  expect(JSON.stringify(Mac.of('aa:bb:cc:dd:ee:0f'))).toBe('"aa:bb:cc:dd:ee:0f"')
})

test.each(['', 'aa:bb:cc:dd:ee', 'aa:bb:cc:dd:ee:ff:00', 'aa-bb:cc-dd-ee-ff', 'aa:bb:cc:dd:ee:fg', 'aabbccddeeff'])(
  '%j is refused',
  (text) => {
    expect(Mac.parse(text)).toBeUndefined()
    expect(() => Mac.of(text)).toThrow(TypeError)
  },
)

test('bytes go round and are copies', () => {
  fc.assert(
    fc.property(fc.uint8Array({minLength: 6, maxLength: 6}), (bytes) => {
      const mac = Mac.fromBytes(bytes)
      mac.toBytes()[0]! ^= 0xff
      expect(mac.toBytes()).toEqual(bytes)
      expect(Mac.of(mac.toString()).equals(mac)).toBe(true)
    }),
  )
  expect(() => Mac.fromBytes(new Uint8Array(7))).toThrow(RangeError)
})

test('a local address is unicast and locally administered whatever the random bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array({minLength: 6, maxLength: 6}), (random) => {
      const mac = Mac.local(random)
      expect(mac.isMulticast).toBe(false)
      expect(mac.toBytes()[0]! & 2).toBe(2)
    }),
  )
})

test('zero, multicast and unequal addresses are told apart', () => {
  expect(Mac.of('00:00:00:00:00:00').isZero).toBe(true)
  expect(Mac.of('01:00:5e:00:00:01').isMulticast).toBe(true)
  expect(Mac.of('02:00:00:00:00:01').equals(Mac.of('02:00:00:00:00:02'))).toBe(false)
})
