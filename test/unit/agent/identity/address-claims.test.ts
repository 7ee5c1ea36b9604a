import fc from 'fast-check'
import {expect, test} from 'vitest'
import {AddressClaims} from '../../../../src/agent/identity/address-claims.ts'
import {type AddressRow, type AddressSource, addressSources} from '../../../../src/agent/state/rows.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {identity} from '../../../../src/model/identity.ts'

function claim(owner: string, source: AddressSource, address: string, number = 1000): AddressRow {
  return {
    cidr: Cidr.parseOrHost(address)!,
    source,
    owner,
    identity: identity(number),
    cidrClass: 0,
    endpoint: undefined,
    localHost: false,
    remoteNode: false,
    native: false,
    tunnel: undefined,
  }
}

const ownerOf = (changes: readonly (readonly [string, AddressRow | undefined])[]) =>
  changes.map(([key, row]) => [key, row?.owner])

test('the stronger source counts, whatever comes first', () => {
  const claims = new AddressClaims()

  expect(ownerOf(claims.set('pod/a/b', [claim('pod/a/b', 'remote-endpoint', '10.0.0.1')]))).toEqual([
    ['10.0.0.1/32', 'pod/a/b'],
  ])
  expect(ownerOf(claims.set('endpoint/1', [claim('endpoint/1', 'local-endpoint', '10.0.0.1')]))).toEqual([
    ['10.0.0.1/32', 'endpoint/1'],
  ])
  expect(ownerOf(claims.set('restored', [claim('restored', 'restored', '10.0.0.1')]))).toEqual([
    ['10.0.0.1/32', 'endpoint/1'],
  ])
  expect(ownerOf(claims.set('endpoint/1', []))).toEqual([['10.0.0.1/32', 'pod/a/b']])
  expect(ownerOf(claims.set('pod/a/b', []))).toEqual([['10.0.0.1/32', 'restored']])
  expect(ownerOf(claims.set('restored', []))).toEqual([['10.0.0.1/32', undefined]])
})

test('an address that moves to a new pod is the new one, and stays it when the old one goes or speaks again', () => {
  const claims = new AddressClaims()
  claims.set('pod/a/old', [claim('pod/a/old', 'remote-endpoint', 'fd00::1')])
  claims.set('pod/a/new', [claim('pod/a/new', 'remote-endpoint', 'fd00::1')])

  expect(claims.get('fd00::1/128')?.owner).toBe('pod/a/new')
  claims.set('pod/a/old', [claim('pod/a/old', 'remote-endpoint', 'fd00::1', 2000)])
  expect(claims.get('fd00::1/128')?.owner).toBe('pod/a/new')
  expect(ownerOf(claims.set('pod/a/old', []))).toEqual([['fd00::1/128', 'pod/a/new']])
})

test('claims that an owner no longer makes are dropped', () => {
  const claims = new AddressClaims()
  claims.set('node/n', [claim('node/n', 'node', '10.1.0.0/24'), claim('node/n', 'node', '10.9.0.1')])

  const changes = claims.set('node/n', [claim('node/n', 'node', '10.2.0.0/24')])

  expect(ownerOf(changes).sort()).toEqual([
    ['10.1.0.0/24', undefined],
    ['10.2.0.0/24', 'node/n'],
    ['10.9.0.1/32', undefined],
  ])
})

test('following the changes always leads to the same rows as asking, in whatever order claims come and go', () => {
  const step = fc.record({
    owner: fc.nat(5),
    source: fc.nat(addressSources.length - 1),
    addresses: fc.uniqueArray(fc.nat(4), {maxLength: 3}),
  })
  fc.assert(
    fc.property(fc.array(step, {maxLength: 60}), (steps) => {
      const claims = new AddressClaims()
      const followed = new Map<string, AddressRow>()
      const current = new Map<string, AddressRow[]>()
      for (const {owner, source, addresses} of steps) {
        const name = `owner/${owner}`
        const rows = addresses.map((n) => claim(name, addressSources[source]!, `10.0.0.${n}`))
        current.set(name, rows)
        for (const [key, row] of claims.set(name, rows)) {
          if (row === undefined) followed.delete(key)
          else followed.set(key, row)
        }
      }
      for (let n = 0; n < 5; n++) {
        const key = `10.0.0.${n}/32`
        const all = [...current.values()].flat().filter((row) => row.cidr.toString() === key)
        expect(followed.get(key)).toBe(claims.get(key))
        expect(followed.has(key)).toBe(all.length > 0)
        const best = Math.min(...all.map((row) => addressSources.indexOf(row.source)))
        if (all.length > 0) expect(addressSources.indexOf(followed.get(key)!.source)).toBe(best)
      }
    }),
  )
})
