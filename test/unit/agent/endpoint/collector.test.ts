import {statSync} from 'node:fs'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {EndpointCollector} from '../../../../src/agent/endpoint/collector.ts'
import {FormerEndpoints} from '../../../../src/agent/endpoint/former.ts'
import {createTables, type Tables} from '../../../../src/agent/state/tables.ts'
import {silentLog} from '../../../../src/runtime/log.ts'
import {FakeClock} from '../../../support/fake-clock.ts'
import {pod, turn} from '../reconcile-support.ts'
import {endpoint} from '../rows.ts'

const own = '/proc/self/ns/net'
const {dev, ino} = statSync(own)
const minute = 60_000

let tables: Tables
let clock: FakeClock
let released: number[]
let forgotten: number[]
let former: FormerEndpoints
let collector: EndpointCollector

beforeEach(() => {
  tables = createTables()
  clock = new FakeClock()
  released = []
  forgotten = []
  former = new FormerEndpoints()
  const connections = {
    release: async (row: {id: number}) => {
      released.push(row.id)
      tables.endpoints.delete(String(row.id))
    },
    forgetFormer: async (row: {id: number}) => void forgotten.push(row.id),
  }
  collector = new EndpointCollector({tables, connections, former, clock, log: silentLog})
})
afterEach(() => collector.stop())

const alive = {netns: own, netnsInode: `${dev}:${ino}`}

test('an endpoint whose namespace is gone is taken down at once, whoever knows its pod', async () => {
  tables.pods.upsert(pod('a', {}))
  tables.endpoints.upsert(endpoint({id: 1, pod: 'a', podUid: 'uid-a', netns: '/run/netns/no-such'}))

  await collector.collect()

  expect(released).toEqual([1])
})

test('one whose pod Kubernetes does not have any more is taken down after ten minutes of that', async () => {
  tables.pods.markSynced('pods')
  tables.pods.upsert(pod('a', {}))
  tables.endpoints.upsert(endpoint({id: 1, pod: 'a', podUid: 'uid-a', ...alive}))
  tables.endpoints.upsert(endpoint({id: 2, pod: 'gone', ...alive}))
  tables.endpoints.upsert(endpoint({id: 3, pod: 'a', podUid: 'of-another', ...alive}))
  collector.start()
  await turn()

  await clock.advance(9 * minute)
  expect(released).toEqual([])
  await clock.advance(2 * minute)
  await turn()

  expect(released.sort()).toEqual([2, 3])
})

test('nothing is forgotten before Kubernetes was heard, and a pod that comes back begins anew', async () => {
  tables.endpoints.upsert(endpoint({id: 1, pod: 'a', podUid: 'uid-a', ...alive}))
  collector.start()
  await clock.advance(30 * minute)
  expect(released).toEqual([])

  tables.pods.markSynced('pods')
  await turn()
  await clock.advance(9 * minute)
  tables.pods.upsert(pod('a', {}))
  await clock.advance(2 * minute)
  tables.pods.delete('default/a')
  await clock.advance(9 * minute)

  expect(released).toEqual([])
})

test('what was kept for a pod that is gone for good is forgotten once the pods are known', async () => {
  former.keep(endpoint({id: 7, pod: 'gone'}))
  await collector.collect()
  expect(forgotten).toEqual([])
  tables.pods.markSynced('pods')

  await collector.collect()

  expect(forgotten).toEqual([7])
})
