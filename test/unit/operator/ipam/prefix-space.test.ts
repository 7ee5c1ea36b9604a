import {expect, test} from 'vitest'
import {Cidr} from '../../../../src/model/cidr.ts'
import {PrefixSpace} from '../../../../src/operator/ipam/prefix-space.ts'

const cidrs = (...texts: string[]) => texts.map((text) => Cidr.of(text))

test('hands out the subnets of a pool lowest first, then no more', () => {
  const space = new PrefixSpace(Cidr.of('10.0.0.0/22'), 24, [])

  expect(takeAll(space)).toEqual(['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', '10.0.3.0/24'])
})

test('leaves out what is taken, in gaps, larger and smaller than a subnet', () => {
  const taken = cidrs('10.0.0.0/24', '10.0.2.128/25', '10.0.4.0/23', '10.0.6.7/32', '192.0.2.0/24')
  const space = new PrefixSpace(Cidr.of('10.0.0.0/21'), 24, taken)

  expect(takeAll(space)).toEqual(['10.0.1.0/24', '10.0.3.0/24', '10.0.7.0/24'])
})

test('a pool inside something taken has nothing', () => {
  expect(takeAll(new PrefixSpace(Cidr.of('10.0.0.0/22'), 24, cidrs('10.0.0.0/8')))).toEqual([])
})

test('a pool with more subnets than can be counted is no trouble', () => {
  const space = new PrefixSpace(Cidr.of('fd00::/8'), 120, cidrs('fd00::/121', 'fd00::200/120'))

  expect(space.take()?.toString()).toBe('fd00::100/120')
  expect(space.take()?.toString()).toBe('fd00::300/120')
})

test('the last subnet of the whole address space is given out, and nothing after it', () => {
  const space = new PrefixSpace(Cidr.of('255.255.254.0/23'), 24, cidrs('255.255.254.0/24'))

  expect(takeAll(space)).toEqual(['255.255.255.0/24'])
})

function takeAll(space: PrefixSpace): string[] {
  const all: string[] = []
  for (let cidr = space.take(); cidr !== undefined; cidr = space.take()) all.push(cidr.toString())
  return all
}
