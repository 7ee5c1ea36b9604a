import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {Cidr, compareCidrs} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'

const v4Cidr = fc
  .tuple(fc.uint8Array({minLength: 4, maxLength: 4}), fc.integer({min: 0, max: 32}))
  .map(([bytes, length]) => Cidr.from(Ip.fromBytes(bytes), length))
const v6Cidr = fc
  .tuple(fc.uint8Array({minLength: 16, maxLength: 16}), fc.integer({min: 0, max: 128}))
  .map(([bytes, length]) => Cidr.from(Ip.fromBytes(bytes.map((b, i) => (i === 0 ? 0x20 : b))), length))
const anyCidr = fc.oneof(v4Cidr, v6Cidr)

describe('reading prefixes', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/31', '10.1.2.2/31'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::/0', '::/0'],
    ['FD00::1/64', 'fd00::/64'],
    ['fd00:0:0:ffff::/61', 'fd00:0:0:fff8::/61'],
  ])('%s is %s', (text, canonical) => {
    expect(Cidr.parse(text)?.toString()).toBe(canonical)
  })

  test.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    'x/8',
    '::/129',
    '::ffff:1.2.3.4/120',
    '::/1000',
  ])('%j is refused', (text) => {
    expect(Cidr.parse(text)).toBeUndefined()
  })

  test('host bits can be refused', () => {
    expect(Cidr.parse('10.0.0.1/8', {hostBits: 'refuse'})).toBeUndefined()
    expect(Cidr.parse('10.0.0.0/8', {hostBits: 'refuse'})?.length).toBe(8)
    expect(() => Cidr.of('10.0.0.1/8')).toThrow('not a CIDR')
  })

  test('a bare address stands for itself where that is asked for', () => {
    expect(String(Cidr.parseOrHost('10.0.0.1'))).toBe('10.0.0.1/32')
    expect(String(Cidr.parseOrHost('fd00::1'))).toBe('fd00::1/128')
    expect(String(Cidr.parseOrHost('10.0.0.0/8'))).toBe('10.0.0.0/8')
    expect(Cidr.parseOrHost('web')).toBeUndefined()
  })

  test('an impossible length is an error', () => {
    expect(() => Cidr.from(Ip.of('10.0.0.1'), 33)).toThrow(RangeError)
    expect(() => Cidr.from(Ip.of('10.0.0.1'), 1.5)).toThrow(RangeError)
  })

  test('text goes round', () => {
    fc.assert(fc.property(anyCidr, (cidr) => Cidr.parse(cidr.toString(), {hostBits: 'refuse'})?.equals(cidr) === true))
  })
})

describe('what is inside', () => {
  test('first, last and n-th address', () => {
    const cidr = Cidr.of('10.0.0.0/30')
    expect([cidr.network, cidr.last, cidr.at(2)].map(String)).toEqual(['10.0.0.0', '10.0.0.3', '10.0.0.2'])
    expect([cidr.at(4), cidr.at(-1)]).toEqual([undefined, undefined])
    expect(
      Cidr.of('fd00::/64')
        .at((1n << 64n) - 1n)
        ?.toString(),
    ).toBe('fd00::ffff:ffff:ffff:ffff')
    expect(cidr.indexOf(Ip.of('10.0.0.3'))).toBe(3n)
    expect(cidr.indexOf(Ip.of('10.0.0.4'))).toBeUndefined()
  })

  test('families never contain each other', () => {
    expect(Cidr.of('::/0').contains(Ip.of('10.0.0.1'))).toBe(false)
    expect(Cidr.of('0.0.0.0/0').contains(Ip.of('fd00::1'))).toBe(false)
    expect(Cidr.of('::/0').covers(Cidr.of('10.0.0.0/8'))).toBe(false)
    expect(Cidr.of('::/0').overlaps(Cidr.of('0.0.0.0/0'))).toBe(false)
  })

  test('containing agrees with numbers', () => {
    fc.assert(
      fc.property(v4Cidr, fc.uint8Array({minLength: 4, maxLength: 4}), (cidr, bytes) => {
        const ip = Ip.fromBytes(bytes)
        const expected = ip.toBigInt() >= cidr.network.toBigInt() && ip.toBigInt() <= cidr.last.toBigInt()
        expect(cidr.contains(ip)).toBe(expected)
        expect(cidr.contains(cidr.network) && cidr.contains(cidr.last)).toBe(true)
      }),
    )
  })

  test('overlapping is symmetric and means one covers the other', () => {
    fc.assert(
      fc.property(anyCidr, anyCidr, (a, b) => {
        expect(a.overlaps(b)).toBe(b.overlaps(a))
        expect(a.overlaps(b)).toBe(a.contains(b.network) || b.contains(a.network))
      }),
    )
    expect(Cidr.of('10.0.0.0/8').covers(Cidr.of('10.1.0.0/16'))).toBe(true)
    expect(Cidr.of('10.1.0.0/16').covers(Cidr.of('10.0.0.0/8'))).toBe(false)
  })

  test('subnets of a prefix length', () => {
    const pool = Cidr.of('10.0.0.0/8')
    expect(pool.subnetCount(24)).toBe(65536n)
    expect(String(pool.subnet(24, 65535))).toBe('10.255.255.0/24')
    expect(pool.subnet(24, 65536)).toBeUndefined()
    expect(pool.subnetCount(7)).toBe(0n)
    expect(pool.subnetCount(33)).toBe(0n)
    expect([...Cidr.of('fd00::/62').subnets(64)].map(String)).toEqual([
      'fd00::/64',
      'fd00:0:0:1::/64',
      'fd00:0:0:2::/64',
      'fd00:0:0:3::/64',
    ])
    expect(Cidr.of('10.0.0.1/32').halves()).toBeUndefined()
  })

  test('cutting a hole leaves exactly the rest', () => {
    expect(Cidr.of('10.0.0.0/30').subtract(Cidr.of('10.0.0.1/32')).map(String)).toEqual(['10.0.0.0/32', '10.0.0.2/31'])
    expect(Cidr.of('10.0.0.0/8').subtract(Cidr.of('11.0.0.0/8')).map(String)).toEqual(['10.0.0.0/8'])
    expect(Cidr.of('10.0.0.0/8').subtract(Cidr.of('0.0.0.0/0'))).toEqual([])
    fc.assert(
      fc.property(v4Cidr, fc.integer({min: 0, max: 32}), (cidr, length) => {
        const hole = Cidr.from(cidr.network, Math.max(length, cidr.length))
        const rest = cidr.subtract(hole)
        const total = rest.reduce((sum, piece) => sum + piece.size, 0n)
        expect(total).toBe(cidr.size - hole.size)
        expect(rest.every((piece) => cidr.covers(piece) && !piece.overlaps(hole))).toBe(true)
      }),
    )
  })

  test('sorting and JSON', () => {
    const sorted = ['10.0.0.0/16', '10.0.0.0/8', '9.0.0.0/8'].map(Cidr.of).sort(compareCidrs)
    expect(JSON.stringify(sorted)).toBe('["9.0.0.0/8","10.0.0.0/8","10.0.0.0/16"]')
    expect(Cidr.of('fd00::1/128').isHost).toBe(true)
  })
})
