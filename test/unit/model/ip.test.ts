import {isIPv4, isIPv6} from 'node:net'
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {compareIps, Ip} from '../../../src/model/ip.ts'

const v4Bytes = fc.uint8Array({minLength: 4, maxLength: 4})
const v6Bytes = fc
  .array(fc.oneof({weight: 2, arbitrary: fc.constant(0)}, fc.integer({min: 0, max: 0xffff})), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff])))
  .filter((bytes) => Ip.fromBytes(bytes).family === 6)

describe('reading addresses', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['fe80::', 'fe80::'],
  ])('%s is written as %s', (text, canonical) => {
    expect(Ip.parse(text)?.toString()).toBe(canonical)
  })

  test.each([
    '',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0',
    '10.0.0.1.2',
    '10.0.0.',
    '.10.0.0.1',
    '10..0.1',
    '10.0.0.256',
    '010.0.0.1',
    '10.0.0.01',
    '+1.2.3.4',
    '0x7f.0.0.1',
    '1.2.3.4/32',
    ':',
    ':::',
    '1:::2',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1:2:3:4::5:6:7:8',
    '12345::',
    'g::1',
    '1:',
    ':1',
    'fe80::1%eth0',
    '[::1]',
    '1:2:3:4:5:6:7:1.2.3.4',
    '::1.2.3',
    '::ffff:010.0.0.1',
    '1.2.3.4::',
    'a'.repeat(60),
    `::${':'.repeat(44)}`,
  ])('%j is refused', (text) => {
    expect(Ip.parse(text)).toBeUndefined()
    expect(Ip.parseMapped(text)).toBeUndefined()
  })

  test('an IPv4-mapped IPv6 address is refused unless asked for, and is then the IPv4 address', () => {
    expect(Ip.parse('::ffff:10.0.0.1')).toBeUndefined()
    expect(Ip.parse('::FFFF:a00:1')).toBeUndefined()
    expect(Ip.parseMapped('::ffff:10.0.0.1')?.equals(Ip.of('10.0.0.1'))).toBe(true)
    expect(Ip.parseMapped('10.0.0.1')?.family).toBe(4)
    expect(Ip.parseMapped('::1')?.family).toBe(6)
  })

  test('an address in the program text that is none throws', () => {
    expect(() => Ip.of('10.0.0.300')).toThrow('not an IP address: "10.0.0.300"')
  })

  test('what it accepts, the C library accepts, and the other way round but for mapped addresses', () => {
    const pieces = fc.constantFrom(
      '0',
      '00',
      '1',
      '01',
      '255',
      '256',
      'ff',
      'ffff',
      'abcd1',
      '.',
      ':',
      '::',
      '%',
      ' ',
      '',
    )
    fc.assert(
      fc.property(fc.array(pieces, {maxLength: 18}), (parts) => {
        const text = parts.join('')
        const expected = isIPv4(text) || (isIPv6(text) && !text.includes('%'))
        expect(Ip.parseMapped(text) !== undefined).toBe(expected)
      }),
      {numRuns: 3000},
    )
  })

  test('text and bytes go round for every address', () => {
    fc.assert(
      fc.property(fc.oneof(v4Bytes, v6Bytes), (bytes) => {
        const ip = Ip.fromBytes(bytes)

        const again = Ip.parse(ip.toString())

        expect(again?.toBytes()).toEqual(bytes)
        expect(again?.equals(ip)).toBe(true)
      }),
      {numRuns: 1000},
    )
  })
})

describe('bytes', () => {
  test('an address keeps sixteen mapped bytes and gives copies', () => {
    const source = Uint8Array.of(10, 1, 2, 3)
    const ip = Ip.fromBytes(source)
    source[0] = 99
    ip.toBytes()[0] = 99
    ip.toMappedBytes()[12] = 99
    const target = new Uint8Array(20)
    ip.writeMapped(target, 2)

    expect(ip.toString()).toBe('10.1.2.3')
    expect([...ip.toMappedBytes()]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3])
    expect([...target.subarray(2, 18)]).toEqual([...ip.toMappedBytes()])
    expect(ip.mappedByte(13)).toBe(1)
  })

  test('sixteen bytes in mapped form are the IPv4 address', () => {
    expect(Ip.fromBytes(Ip.of('192.0.2.1').toMappedBytes()).family).toBe(4)
  })

  test('any other number of bytes is an error', () => {
    expect(() => Ip.fromBytes(new Uint8Array(5))).toThrow(RangeError)
  })
})

describe('arithmetic and order', () => {
  test('values go round', () => {
    fc.assert(
      fc.property(fc.oneof(v4Bytes, v6Bytes), (bytes) => {
        const ip = Ip.fromBytes(bytes)
        expect(Ip.fromBigInt(ip.toBigInt(), ip.family).equals(ip)).toBe(true)
      }),
    )
  })

  test('a value that does not fit the family is an error', () => {
    expect(() => Ip.fromBigInt(1n << 32n, 4)).toThrow(RangeError)
    expect(() => Ip.fromBigInt(-1n, 6)).toThrow(RangeError)
  })

  test('adding crosses octets and stops at the ends', () => {
    expect(Ip.of('10.0.0.255').add(1)?.toString()).toBe('10.0.1.0')
    expect(Ip.of('10.0.1.0').add(-1)?.toString()).toBe('10.0.0.255')
    expect(Ip.of('fd00::ffff').add(1n)?.toString()).toBe('fd00::1:0')
    expect(Ip.of('255.255.255.255').add(1)).toBeUndefined()
    expect(Ip.of('::').add(-1)).toBeUndefined()
  })

  test('sorting is by bytes, IPv4 together', () => {
    const sorted = ['10.0.0.10', 'fd00::1', '10.0.0.9', '::1'].map(Ip.of).sort(compareIps).map(String)
    expect(sorted).toEqual(['::1', '10.0.0.9', '10.0.0.10', 'fd00::1'])
  })

  test('order and equality agree', () => {
    fc.assert(
      fc.property(v4Bytes, v4Bytes, (a, b) => {
        const [left, right] = [Ip.fromBytes(a), Ip.fromBytes(b)]
        expect(Math.sign(compareIps(left, right))).toBe(Math.sign(Number(left.toBigInt() - right.toBigInt())))
        expect(left.equals(right)).toBe(left.toString() === right.toString())
      }),
    )
  })
})

describe('kinds of address', () => {
  test.each([
    ['0.0.0.0', {unspecified: true}],
    ['::', {unspecified: true}],
    ['127.0.0.53', {loopback: true}],
    ['::1', {loopback: true}],
    ['169.254.42.1', {linkLocal: true}],
    ['febf::1', {linkLocal: true}],
    ['fec0::1', {}],
    ['224.0.0.1', {multicast: true}],
    ['ff02::1', {multicast: true}],
    ['10.0.0.1', {}],
    ['2001:db8::1', {}],
  ])('%s', (text, kinds) => {
    const ip = Ip.of(text)
    expect({
      unspecified: ip.isUnspecified,
      loopback: ip.isLoopback,
      linkLocal: ip.isLinkLocal,
      multicast: ip.isMulticast,
    }).toEqual({unspecified: false, loopback: false, linkLocal: false, multicast: false, ...kinds})
  })

  test('JSON and width', () => {
    expect(JSON.stringify({ip: Ip.of('fd00::1')})).toBe('{"ip":"fd00::1"}')
    expect([Ip.of('1.1.1.1').bits, Ip.of('::1').bits]).toEqual([32, 128])
  })
})
