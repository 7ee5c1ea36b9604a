import fc from 'fast-check'
import {expect, test} from 'vitest'
import {NodePools, routerOwner} from '../../../../src/agent/ipam/node-pools.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {Ip} from '../../../../src/model/ip.ts'

function pools(...cidrs: string[]): NodePools {
  const made = new NodePools({ipv4: true, ipv6: true})
  made.setCidrs(cidrs.map(Cidr.of))
  return made
}

const texts = ({ipv4, ipv6}: {ipv4: Ip | undefined; ipv6: Ip | undefined}) => [String(ipv4), String(ipv6)]
const used = (of: NodePools) => of.pools.map((pool) => pool.used)

test('the router has an address of each family, which nobody else gets', () => {
  const made = new NodePools({ipv4: true, ipv6: true})
  const routers = made.setCidrs(['10.0.0.0/24', 'fd00::/64'].map(Cidr.of))

  expect(routers.map((ip) => made.pools.find((pool) => pool.family === ip.family)?.ownerOf(ip))).toEqual([
    routerOwner,
    routerOwner,
  ])
  for (let i = 0; i < 100; i++) {
    const {ipv4, ipv6} = made.allocate(`pod${i}`)
    expect(routers.some((router) => router.equals(ipv4!) || router.equals(ipv6!))).toBe(false)
  }
})

test('a family that has run out takes nothing of the other', () => {
  const made = pools('10.0.0.0/30', 'fd00::/64')
  made.allocate('a')
  const before = used(made)

  expect(() => made.allocate('b')).toThrow('no IPv4 address is free')
  expect(used(made)).toEqual(before)
})

test('a wish is granted when it is in range and free', () => {
  const made = pools('10.0.0.0/24', 'fd00::/64')
  const wish = ['10.0.0.77', 'fd00::77'].map(Ip.of)

  expect(texts(made.allocate('a', wish))).toEqual(['10.0.0.77', 'fd00::77'])
  expect(texts(made.allocate('b', wish))).not.toEqual(['10.0.0.77', 'fd00::77'])
  expect(texts(made.allocate('c', ['192.168.0.1', 'fd01::1'].map(Ip.of)))[0]).toMatch(/^10\.0\.0\./)
})

test('another range moves the router; pods keep what they have', () => {
  const made = pools('10.0.0.0/24', 'fd00::/64')
  const pod = made.allocate('pod')

  const routers = made.setCidrs(['10.9.0.0/24', 'fd09::/64'].map(Cidr.of))

  expect(routers.map(String).every((ip) => /^(10\.9\.0\.|fd09::)/.test(ip))).toBe(true)
  expect(made.pools.map((pool) => pool.entries().filter(({owner}) => owner === routerOwner).length)).toEqual([1, 1])
  made.restore(pod.ipv4!, 'pod')
  expect(() => made.restore(pod.ipv4!, 'somebody else')).toThrow('pod')
})

test('one family alone', () => {
  const made = new NodePools({ipv4: false, ipv6: true})
  expect(made.ready).toBe(false)
  expect(() => made.allocate('a')).toThrow('no IPv6 pod CIDR yet')

  made.setCidrs(['10.0.0.0/24', 'fd00::/64'].map(Cidr.of))

  expect(made.ready).toBe(true)
  expect(made.allocate('a').ipv4).toBeUndefined()
})

test('whatever comes and goes, no address has two owners and none is lost', () => {
  const step = fc.record({owner: fc.integer({min: 0, max: 9}), add: fc.boolean()})
  fc.assert(
    fc.property(fc.array(step, {maxLength: 80}), (steps) => {
      const made = pools('10.0.0.0/29', 'fd00::/125')
      const held = new Map<number, {ipv4: Ip | undefined; ipv6: Ip | undefined}>()
      for (const {owner, add} of steps) {
        const has = held.get(owner)
        if (!add && has !== undefined) {
          made.release(has.ipv4!)
          made.release(has.ipv6!)
          held.delete(owner)
        } else if (add && has === undefined) {
          try {
            held.set(owner, made.allocate(`pod${owner}`))
          } catch {
            expect(held.size).toBe(5) // six addresses, one of them the router's
          }
        }
        const given = [...held.values()].flatMap(texts)
        expect(new Set(given).size).toBe(given.length)
        expect(used(made)).toEqual([held.size + 1, held.size + 1])
      }
    }),
  )
})
