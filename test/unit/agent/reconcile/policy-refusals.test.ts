import {expect, test} from 'vitest'
import type {PolicyRow} from '../../../../src/agent/policy/rows.ts'
import {type Condition, RefusalReports, withEnforcement} from '../../../../src/agent/reconcile/policy-refusals.ts'
import {createTables} from '../../../../src/agent/state/tables.ts'
import {silentLog} from '../../../../src/runtime/log.ts'
import {FakeClock} from '../../../support/fake-clock.ts'

const key = 'CiliumNetworkPolicy shop/web'
const tooMany = {reason: 'NoRoom', message: 'too many rules'} as const

function world(conditions: readonly Condition[] = [], kind: PolicyRow['kind'] = 'CiliumNetworkPolicy') {
  const clock = new FakeClock()
  const {policies} = createTables()
  policies.upsert({kind, namespace: 'shop', name: 'web', uid: 'u'} as PolicyRow)
  const state = {conditions, faster: 0, events: [] as string[], writes: 0}
  const reports = new RefusalReports({
    policies,
    statuses: {
      // as the real one answers for kinds without a status
      read: async (row) => (row.kind === 'NetworkPolicy' ? undefined : {version: '1', conditions: state.conditions}),
      write: async (_row, _version, next) => {
        state.writes++
        if (state.faster-- > 0) return false
        state.conditions = next
        return true
      },
    },
    events: {
      record: ({kind, name}, {reason, message}) => void state.events.push(`${kind} ${name} ${reason} ${message}`),
    },
    nodeName: 'n1',
    clock,
    log: silentLog,
  })
  return {clock, reports, state}
}

const enforced = (conditions: readonly Condition[]) =>
  conditions.filter(({type}) => type === 'Enforced').map(({status, message}) => `${status} ${message}`)

test('a policy that does not fit gets an event and a condition, once, and another when it does', async () => {
  const {reports, state} = world([{type: 'Valid', status: 'True'}])

  for (let pass = 0; pass < 3; pass++) {
    reports.tell(new Map([[key, tooMany]]))
    await reports.whenIdle()
  }
  expect(state.events).toEqual([
    'CiliumNetworkPolicy web PolicyNotEnforced not in force on node n1, what was in force stays: too many rules',
  ])
  expect(state.writes).toBe(1)
  expect(enforced(state.conditions)).toEqual(['False node n1: too many rules'])

  reports.tell(new Map())
  await reports.whenIdle()
  expect(enforced(state.conditions)).toEqual(['True node n1: in force again'])
  expect(state.conditions).toContainEqual({type: 'Valid', status: 'True'})
})

test('where somebody else was faster it is tried again', async () => {
  const {clock, reports, state} = world()
  state.faster = 1

  reports.tell(new Map([[key, tooMany]]))
  await reports.whenIdle()
  expect(enforced(state.conditions)).toEqual([])
  await clock.advance(5_000)
  await reports.whenIdle()

  expect(enforced(state.conditions)).toEqual(['False node n1: too many rules'])
})

test('what a life before has said is taken back, what another node says stays', async () => {
  const own = world([{type: 'Enforced', status: 'False', message: 'node n1: too many rules'}])
  own.reports.tell(new Map())
  await own.reports.whenIdle()
  expect(enforced(own.state.conditions)).toEqual(['True node n1: in force again'])

  const other = world([{type: 'Enforced', status: 'False', message: 'node n2: too many rules'}])
  other.reports.tell(new Map())
  await other.reports.whenIdle()
  expect(other.state.writes).toBe(0)
})

test('the time of a condition is that of its last change', () => {
  const first = withEnforcement([], {
    nodeName: 'n1',
    refusal: {reason: 'NoRoom', message: 'a'},
    now: '2026-01-01T00:00:00Z',
  })!
  const second = withEnforcement(first, {
    nodeName: 'n2',
    refusal: {reason: 'NotConfirmed', message: 'b'},
    now: '2026-01-02T00:00:00Z',
  })!

  expect(second).toMatchObject([
    {status: 'False', reason: 'NotConfirmed', message: 'node n2: b', lastTransitionTime: '2026-01-01T00:00:00Z'},
  ])
  expect(
    withEnforcement(second, {
      nodeName: 'n2',
      refusal: {reason: 'NotConfirmed', message: 'b'},
      now: '2026-01-03T00:00:00Z',
    }),
  ).toBeUndefined()
})

test('a NetworkPolicy has no status: its event is all there is', async () => {
  const {reports, state} = world([], 'NetworkPolicy')

  reports.tell(new Map([['NetworkPolicy shop/web', tooMany]]))
  await reports.whenIdle()

  expect(state.events).toHaveLength(1)
  expect(state.writes).toBe(0)
})
