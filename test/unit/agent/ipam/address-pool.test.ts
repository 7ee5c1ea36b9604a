import fc from 'fast-check'
import {expect, test} from 'vitest'
import {AddressPool, routerAddress} from '../../../../src/agent/ipam/address-pool.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {Ip} from '../../../../src/model/ip.ts'

function pool(...cidrs: string[]): AddressPool {
  const made = new AddressPool(cidrs[0]!.includes(':') ? 6 : 4)
  made.setCidrs(cidrs.map(Cidr.of))
  return made
}

test.each([
  ['10.0.0.0/29', ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']],
  ['fd00::/125', ['fd00::1', 'fd00::2', 'fd00::3', 'fd00::4', 'fd00::5', 'fd00::6']],
  ['10.0.0.4/31', ['10.0.0.4', '10.0.0.5']],
])('%s gives all its addresses but the edges, then says that it is exhausted', (cidr, expected) => {
  const addresses = pool(cidr)

  expect(expected.map((_, i) => String(addresses.allocate(`pod${i}`)))).toEqual(expected)
  expect(() => addresses.allocate('one more')).toThrow(`no IPv${addresses.family} address is free in ${cidr}`)
})

test('a released address rests until the others have been used', () => {
  const addresses = pool('10.0.0.0/29')
  const first = addresses.allocate('a')
  addresses.release(first)

  const next = [1, 2, 3, 4, 5].map((i) => String(addresses.allocate(`pod${i}`)))

  expect(next).not.toContain('10.0.0.1')
  expect(String(addresses.allocate('last'))).toBe('10.0.0.1')
})

test('several prefixes are one pool', () => {
  const addresses = pool('10.0.1.0/30', '10.0.0.0/30')

  expect([1, 2, 3, 4].map((i) => String(addresses.allocate(`${i}`)))).toEqual([
    '10.0.0.1',
    '10.0.0.2',
    '10.0.1.1',
    '10.0.1.2',
  ])
  expect(addresses.capacity).toBe(4n)
})

test('a pool without a prefix is not ready', () => {
  expect(() => new AddressPool(6).allocate('a')).toThrow('no IPv6 pod CIDR yet')
})

test('a very large prefix costs no more than a small one', () => {
  const addresses = pool('fd00::/64')
  for (let i = 0; i < 1000; i++) addresses.allocate(`pod${i}`)

  expect(addresses.used).toBe(1000)
  expect(addresses.entries()[999]!.ip.toString()).toBe('fd00::3e8')
})

test('an address is taken once, by its owner as often as it likes', () => {
  const addresses = pool('10.0.0.0/24')
  addresses.take(Ip.of('10.0.0.9'), 'a')
  addresses.take(Ip.of('10.0.0.9'), 'a')

  expect(() => addresses.take(Ip.of('10.0.0.9'), 'b')).toThrow('already in use by a')
  expect(() => addresses.take(Ip.of('10.0.1.9'), 'b')).toThrow('not in the pod CIDR')
  expect(() => addresses.take(Ip.of('10.0.0.255'), 'b')).toThrow('not in the pod CIDR')
})

test('a restored address outside the prefixes is kept until it is released', () => {
  const addresses = pool('10.0.0.0/24')
  addresses.take(Ip.of('10.9.0.9'), 'old', {restored: true})

  expect(addresses.ownerOf(Ip.of('10.9.0.9'))).toBe('old')
  expect(addresses.release(Ip.of('10.9.0.9'))).toBe(true)
  expect(addresses.release(Ip.of('10.9.0.9'))).toBe(false)
})

test('the router has the first address that may be given', () => {
  expect(String(routerAddress(Cidr.of('10.0.0.0/24')))).toBe('10.0.0.1')
  expect(String(routerAddress(Cidr.of('fd00::/120')))).toBe('fd00::1')
  expect(String(routerAddress(Cidr.of('10.0.0.7/32')))).toBe('10.0.0.7')
})

test('whatever is allocated and released, no address ever has two owners', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), {maxLength: 200}), (choices) => {
      const addresses = pool('10.0.0.0/29')
      const held: Ip[] = []
      for (const choice of choices) {
        if (choice < 5 && held.length < 6) {
          const ip = addresses.allocate('x')
          expect(held.some((other) => other.equals(ip))).toBe(false)
          held.push(ip)
        } else if (held.length > 0) expect(addresses.release(held.splice(choice % held.length, 1)[0]!)).toBe(true)
        expect(addresses.used).toBe(held.length)
        expect(addresses.allocations - addresses.releases).toBe(held.length)
      }
    }),
  )
})
