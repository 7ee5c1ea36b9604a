import {expect, test} from 'vitest'
import {AgentEventFeed} from '../../../../src/agent/hubble/agent-event-feed.ts'
import type {PolicyRow} from '../../../../src/agent/policy/rows.ts'
import {createTables} from '../../../../src/agent/state/tables.ts'
import {type AgentEvent, AgentEventType} from '../../../../src/api/gen/flow.ts'
import type {ToWorker} from '../../../../src/hubble/server/messages.ts'

function feed() {
  const tables = createTables()
  const told: ToWorker[] = []
  const one = new AgentEventFeed({tables, policyRevision: () => 7, now: () => 5, tell: (message) => told.push(message)})
  one.start()
  const events = () => told.flatMap((message): AgentEvent[] => (message.kind === 'agent-event' ? [message.event] : []))
  return {tables, events}
}

const policy = (content: string): PolicyRow => ({
  kind: 'NetworkPolicy',
  namespace: 'shop',
  name: 'web',
  uid: 'u1',
  generation: 1,
  resourceVersion: content,
  annotations: {},
  content,
  checked: {
    ok: true,
    policy: {
      ref: {kind: 'NetworkPolicy', namespace: 'shop', name: 'web'} as never,
      specs: [{}, {}] as never,
      unenforceable: [],
      warnings: [],
    },
  },
})

test('the start is told first', () => {
  const {events} = feed()

  expect(events()).toEqual([{type: AgentEventType.AGENT_STARTED, agent_start: {time: 5_000_000n}}])
})

test('policies are told when they come, say something else and go, and not when only their status changes', async () => {
  const {tables, events} = feed()
  const settled = () => new Promise((resolve) => setImmediate(resolve))

  tables.policies.upsert(policy('a'))
  await settled()
  tables.policies.upsert({...policy('a'), resourceVersion: 'later'})
  await settled()
  tables.policies.upsert(policy('b'))
  await settled()
  tables.policies.delete('NetworkPolicy shop/web')
  await settled()

  const update = {
    labels: [
      'k8s:io.cilium.k8s.policy.derived-from=NetworkPolicy',
      'k8s:io.cilium.k8s.policy.name=web',
      'k8s:io.cilium.k8s.policy.namespace=shop',
      'k8s:io.cilium.k8s.policy.uid=u1',
    ],
    revision: 7n,
    rule_count: 2n,
  }
  expect(events().slice(1)).toEqual([
    {type: AgentEventType.POLICY_UPDATED, policy_update: update},
    {type: AgentEventType.POLICY_UPDATED, policy_update: update},
    {type: AgentEventType.POLICY_DELETED, policy_update: update},
  ])
})
