import {expect, test} from 'vitest'
import {workloadOf} from '../../../../src/agent/reflect/workload.ts'

const owned = (kind: string, name: string, labels = {}) =>
  workloadOf({name: 'web-x', labels, ownerReferences: [{kind, name, controller: true}]})

test.each([
  ['ReplicaSet', 'web-5d8f', {'pod-template-hash': '5d8f'}, {name: 'web', kind: 'Deployment'}],
  ['ReplicaSet', 'web', {}, {name: 'web', kind: 'ReplicaSet'}],
  ['Job', 'backup-28000000', {}, {name: 'backup', kind: 'CronJob'}],
  ['Job', 'backup-once', {}, {name: 'backup-once', kind: 'Job'}],
  ['DaemonSet', 'log', {}, {name: 'log', kind: 'DaemonSet'}],
  ['Node', 'node1', {}, {name: 'web-x', kind: 'Pod'}],
])('a pod of %s %s', (kind, name, labels, workload) => {
  expect(owned(kind, name, labels)).toEqual(workload)
})

test('a pod without a controller is its own workload', () => {
  const metadata = {name: 'alone', ownerReferences: [{kind: 'ReplicaSet', name: 'other'}]}
  expect(workloadOf(metadata)).toEqual({name: 'alone', kind: 'Pod'})
})
