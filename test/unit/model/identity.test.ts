import fc from 'fast-check'
import {expect, test} from 'vitest'
import * as ids from '../../../src/model/identity.ts'

const {identity, reservedIdentities} = ids

test('only 32-bit numbers are identities', () => {
  expect(() => identity(-1)).toThrow(RangeError)
  expect(() => identity(2 ** 32)).toThrow(RangeError)
  expect(() => identity(1.5)).toThrow(RangeError)
  expect(identity(0xffffffff)).toBe(4294967295)
})

test('names and numbers are read and written', () => {
  expect(ids.parseIdentity('world')).toBe(2)
  expect(ids.parseIdentity('remote-node')).toBe(6)
  expect(ids.parseIdentity('12345')).toBe(12345)
  expect(ids.parseIdentity('0x1000001')).toBe(16777217)
  expect(['', '-1', 'nobody', '4294967296', '1.5', 'constructor'].map(ids.parseIdentity)).toEqual(
    Array(6).fill(undefined),
  )
  expect([1, 7, 10, 256].map((n) => ids.formatIdentity(identity(n)))).toEqual([
    'host',
    'kube-apiserver',
    'world-ipv6',
    '256',
  ])
  expect(ids.reservedName(identity(300))).toBeUndefined()
})

test('reserved identities carry their labels', () => {
  expect(String(ids.reservedLabels(reservedIdentities.host))).toBe('reserved:host')
  expect(String(ids.reservedLabels(reservedIdentities.host, {apiServerHere: true}))).toBe(
    'reserved:host,reserved:kube-apiserver',
  )
  expect(String(ids.reservedLabels(reservedIdentities['kube-apiserver']))).toBe(
    'reserved:kube-apiserver,reserved:remote-node',
  )
  expect(ids.reservedLabels(identity(256))).toBeUndefined()
})

test.each([
  [0, 'reserved'],
  [10, 'reserved'],
  [104, 'well-known'],
  [120, 'reserved'],
  [128, 'user-reserved'],
  [255, 'user-reserved'],
  [256, 'cluster'],
  [0xffffff, 'cluster'],
  [0x01000000, 'invalid'],
  [0x01000001, 'local'],
  [0x01ffffff, 'local'],
  [0x02000000, 'invalid'],
  [0x02000001, 'remote-node'],
  [0x03000001, 'invalid'],
  [0xffffffff, 'invalid'],
])('identity %i is %s', (number, scope) => {
  expect(ids.identityScope(identity(number))).toBe(scope)
})

test('clusters have disjoint ranges that name their cluster', () => {
  expect(ids.clusterIdentities(0)).toEqual({first: 256, last: 65535})
  expect(ids.clusterIdentities(1)).toEqual({first: 65536 + 256, last: 131071})
  expect(ids.clusterIdentities(511, 511).last).toBe(0xffffff)
  expect(() => ids.clusterIdentities(256)).toThrow(RangeError)
  expect(() => ids.clusterIdentities(-1)).toThrow(RangeError)
  fc.assert(
    fc.property(fc.integer({min: 0, max: 255}), fc.constantFrom(255 as const, 511 as const), (cluster, max) => {
      const {first, last} = ids.clusterIdentities(cluster, max)
      expect([first, last].map((id) => ids.clusterOf(id, max))).toEqual([cluster, cluster])
      expect([first, last].map(ids.identityScope)).toEqual(['cluster', 'cluster'])
      expect(ids.fitsOnWire(last)).toBe(true)
    }),
  )
})

test('local numbers never leave the node', () => {
  expect(ids.fitsOnWire(ids.localIdentities.first)).toBe(false)
  expect(ids.fitsOnWire(ids.remoteNodeIdentities.last)).toBe(false)
})

test('the world is one identity in single stack and one per family in dual stack', () => {
  expect(ids.worldIdentity(4, {dualStack: false})).toBe(2)
  expect([ids.worldIdentity(4, {dualStack: true}), ids.worldIdentity(6, {dualStack: true})]).toEqual([9, 10])
  expect(ids.isWorld(reservedIdentities['world-ipv4'], {dualStack: false})).toBe(false)
  expect(ids.isWorld(reservedIdentities['world-ipv4'], {dualStack: true})).toBe(true)
  expect(ids.isWorld(reservedIdentities['world-ipv6'], {dualStack: true})).toBe(true)
  expect(ids.isWorld(reservedIdentities.world, {dualStack: true})).toBe(true)
  expect(ids.isCluster(identity(256), {dualStack: true})).toBe(true)
  expect(ids.isCluster(ids.localIdentities.first, {dualStack: true})).toBe(false)
  expect(ids.isCluster(reservedIdentities.world, {dualStack: true})).toBe(false)
})
