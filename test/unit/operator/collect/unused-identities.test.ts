import {expect, test} from 'vitest'
import {collectIdentities} from '../../../../src/operator/collect/unused-identities.ts'
import type {IdentityRow} from '../../../../src/operator/rows.ts'

const intervalMs = 15 * 60_000
const heartbeatTimeoutMs = 30 * 60_000
const at = (minutes: number) => ({nowMs: minutes * 60_000, heartbeatTimeoutMs, intervalMs})
const names = (rows: readonly IdentityRow[]) => rows.map(({name}) => name)

test('an identity that an endpoint has never goes, marked or not', () => {
  const rows = [identity(1000), identity(1001, {markedMs: 0})]

  const answer = collectIdentities(rows, new Set([1000, 1001]), new Map([['1001', 0]]), at(600))

  expect(answer).toMatchObject({mark: [], remove: [], alive: 2})
  expect(names(answer.unmark)).toEqual(['1001'])
})

test('an unused one is marked after the heartbeat timeout, not before', () => {
  const first = collectIdentities([identity(1000)], new Set(), new Map(), at(0))
  const early = collectIdentities([identity(1000)], new Set(), first.unusedSince, at(29))
  const late = collectIdentities([identity(1000)], new Set(), early.unusedSince, at(30))

  expect([names(first.mark), names(early.mark), names(late.mark)]).toEqual([[], [], ['1000']])
})

test('a marked one goes after another interval, not before', () => {
  const marked = [identity(1000, {markedMs: 30 * 60_000})]
  const since = new Map([['1000', 0]])

  expect(names(collectIdentities(marked, new Set(), since, at(44)).remove)).toEqual([])
  expect(names(collectIdentities(marked, new Set(), since, at(45)).remove)).toEqual(['1000'])
})

test('being used in between starts the time anew', () => {
  const before = new Map([['1000', 0]])
  const used = collectIdentities([identity(1000)], new Set([1000]), before, at(20))
  const unused = collectIdentities([identity(1000)], new Set(), used.unusedSince, at(35))

  expect(unused.unusedSince.get('1000')).toBe(35 * 60_000)
  expect(unused.mark).toEqual([])
})

test('after a restart a marked identity still stays for a whole interval', () => {
  const marked = [identity(1000, {markedMs: 0})]
  const restarted = collectIdentities(marked, new Set(), new Map(), at(600))
  const next = collectIdentities(marked, new Set(), restarted.unusedSince, at(615))

  expect(restarted.remove).toEqual([])
  expect(names(next.remove)).toEqual(['1000'])
})

test('of several with the same labels the lowest number stays and the others go sooner', () => {
  const rows = [identity(2000), identity(1000), identity(3000, {labels: 'k8s:app=other'})]
  const since = new Map(rows.map(({name}) => [name, 0]))

  expect(names(collectIdentities(rows, new Set(), since, at(15)).mark)).toEqual(['2000'])
})

test('a duplicate that is in use is not touched', () => {
  const rows = [identity(2000), identity(1000)]
  const since = new Map(rows.map(({name}) => [name, 0]))

  expect(collectIdentities(rows, new Set([2000]), since, at(29))).toMatchObject({mark: [], remove: [], alive: 1})
})

test('an object whose name is no number is collected like an unused one', () => {
  const row = {...identity(0), name: 'x', id: undefined}

  expect(names(collectIdentities([row], new Set(), new Map([['x', 0]]), at(30)).mark)).toEqual(['x'])
})

function identity(id: number, extra: Partial<IdentityRow> = {}): IdentityRow {
  return {
    name: String(id),
    uid: `u${id}`,
    resourceVersion: '1',
    id,
    labels: 'k8s:app=web',
    markedMs: undefined,
    ...extra,
  }
}
