import {expect, test} from 'vitest'
import {Audit} from '../../../../src/agent/policy/audit.ts'
import type {EndpointSets} from '../../../../src/agent/reconcile/datapath-door.ts'
import type {EndpointRow} from '../../../../src/agent/state/rows.ts'
import {createTables} from '../../../../src/agent/state/tables.ts'
import {identity} from '../../../../src/model/identity.ts'

function world() {
  const tables = createTables()
  const log: string[] = []
  const state = {nodeWide: false}
  const audit: Audit = new Audit({
    tables,
    nodeWide: () => state.nodeWide,
    endpointMap: {put: ({id}, sets) => void log.push(`${id} ${sets.audit === true ? 'audits' : 'enforces'}`)},
    setsOf: (row): EndpointSets => ({ingress: 16, egress: 17, audit: audit.audits(row)}),
    putHost: () => void log.push('host'),
    moveEpoch: () => void log.push('epoch'),
    remember: async ({id, audit: own}) => void log.push(`remember ${id} ${own}`),
  })
  for (const id of [1, 2]) tables.endpoints.upsert({id, identity: identity(1000 + id)} as EndpointRow)
  return {tables, audit, log, state}
}

test('the node’s word turns every endpoint, and flows are judged again after that', () => {
  const {audit, log, state} = world()

  audit.follow()
  expect(log).toEqual([])
  state.nodeWide = true
  audit.follow()

  expect(log).toEqual(['1 audits', '2 audits', 'host', 'epoch'])
})

test('an endpoint’s own word beats the node’s, both ways, and is kept', async () => {
  const {tables, audit, log, state} = world()

  await audit.set(tables.endpoints.get('1')!, true)
  expect(log).toEqual(['1 audits', 'epoch', 'remember 1 true'])
  await audit.set(tables.endpoints.get('2')!, false)
  state.nodeWide = true
  log.length = 0
  audit.follow()

  expect(log).toEqual(['1 audits', '2 enforces', 'host', 'epoch'])
})
