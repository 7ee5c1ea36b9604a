import {afterEach, beforeEach, expect, test} from 'vitest'
import {NameFeed} from '../../../../src/agent/hubble/name-feed.ts'
import {createTables, type Tables} from '../../../../src/agent/state/tables.ts'
import type {ToWorker} from '../../../../src/hubble/server/messages.ts'
import {identity} from '../../../../src/model/identity.ts'
import {LabelSet} from '../../../../src/model/labels.ts'
import {turn} from '../reconcile-support.ts'

let tables: Tables
let feed: NameFeed
let told: ToWorker[]

beforeEach(() => {
  tables = createTables()
  told = []
  feed = new NameFeed({
    tables,
    clusterName: 'default',
    nodeName: 'node1',
    tls: false,
    family: 4,
    tell: (message) => void told.push(message),
  })
})
afterEach(() => feed.stop())

const rule = {
  cookie: 7,
  kind: 'CiliumNetworkPolicy',
  namespace: 'shop',
  name: 'web',
  uid: 'u1',
  rule: 'ingress[0]',
} as const
const web = {
  name: 'web',
  namespace: 'shop',
  kind: 'CiliumNetworkPolicy',
  labels: [
    'k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy',
    'k8s:io.cilium.k8s.policy.name=web',
    'k8s:io.cilium.k8s.policy.namespace=shop',
    'k8s:io.cilium.k8s.policy.uid=u1',
  ],
}
const policies = () => told.flatMap((message) => (message.kind === 'names' ? (message.changes.policies ?? []) : []))

test('the policy of a rule is told when the rule gets its number, and when it is gone', async () => {
  feed.start()
  tables.policyRules.upsert(rule)
  await turn()
  expect(policies()).toEqual([[7, web]])

  tables.policyRules.delete('7')
  await turn()

  expect(policies().at(-1)).toEqual([7, undefined])
})

test('a thread that starts again hears all of them', () => {
  tables.policyRules.upsert(rule)

  feed.tellAll()

  expect(policies()).toEqual([[7, web]])
})

test('nodes that are told apart by labels are told with them, and this one, too, also to a thread that starts again', async () => {
  const labels = (text: string) => LabelSet.parse([text, 'node:role=infra'])
  const identities = () =>
    new Map(told.flatMap((message) => (message.kind === 'names' ? (message.changes.identities ?? []) : [])))
  feed.start()
  tables.nodeIdentities.upsert({id: identity(0x02000001), labels: labels('reserved:remote-node')})
  tables.nodeIdentities.upsert({id: identity(1), labels: labels('reserved:host')})
  await turn()
  const first = identities()
  told.length = 0

  feed.tellAll()

  for (const seen of [first, identities()]) {
    expect(seen.get(0x02000001)).toEqual(['reserved:remote-node', 'node:role=infra'])
    expect(seen.get(1)).toEqual(['reserved:host', 'node:role=infra'])
  }
})

test('the world is told in all its forms, as metrics and filters look for its labels', () => {
  feed.tellAll()

  const identities = new Map(
    told.flatMap((message) => (message.kind === 'names' ? (message.changes.identities ?? []) : [])),
  )
  expect([2, 9, 10, 1].map((id) => identities.get(id))).toEqual([
    ['reserved:world'],
    ['reserved:world-ipv4'],
    ['reserved:world-ipv6'],
    ['reserved:host'],
  ])
})
