import fc from 'fast-check'
import {expect, test} from 'vitest'
import {Attributes, BodyWriter, readMessages} from '../../../../src/kernel/netlink/codec.ts'

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

test('attributes come out as they went in, nested ones too', () => {
  const body = new BodyWriter(4)
    .u8(1, 7)
    .u16(2, 513)
    .be16(3, 0x1234)
    .u32(4, 4000000000)
    .text(5, 'eth0')
    .flag(6)
    .nest(7, (inner) => inner.u32(1, 9).nest(2, (deeper) => deeper.bytes(3, Uint8Array.of(1, 2, 3))))
    .u32(8, 1)
    .finish()

  const read = new Attributes(viewOf(body), 4)

  expect(read.u8(1)).toBe(7)
  expect(read.u16(2)).toBe(513)
  expect(read.be16(3)).toBe(0x1234)
  expect(read.u32(4)).toBe(4000000000)
  expect(read.text(5)).toBe('eth0')
  expect(read.has(6)).toBe(true)
  expect(read.nested(7)?.u32(1)).toBe(9)
  expect(read.nested(7)?.nested(2)?.bytes(3)).toEqual(Uint8Array.of(1, 2, 3))
  expect(read.u32(8)).toBe(1)
  expect(read.u32(99)).toBeUndefined()
})

test('a body of any size is written whole', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({maxLength: 300}), {maxLength: 50}), (values) => {
      const body = new BodyWriter(0)
      for (const [type, value] of values.entries()) body.bytes(type, value)

      const read = new Attributes(viewOf(body.finish()), 0)

      for (const [type, value] of values.entries()) expect(read.bytes(type)).toEqual(value)
    }),
  )
})

test('whatever bytes come, reading ends and stays inside', () => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 200}), fc.nat(20), (bytes, offset) => {
      for (const message of readMessages(bytes)) {
        const attributes = new Attributes(message.body, offset)
        for (let type = 0; type < 20; type++) attributes.bytes(type)
      }
    }),
  )
})
