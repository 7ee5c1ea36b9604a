import {expect, test} from 'vitest'
import {findUnmanagedPods} from '../../../../src/operator/collect/unmanaged-pods.ts'
import {podRow} from '../rows.ts'

const minute = 60_000
const times = {nowMs: 10 * minute, agentReadySince: new Map([['node1', 5 * minute]]), lastRestartMs: 0}
const dns = podRow({name: 'dns', startedMs: minute})
const no = () => false

test('a pod that started before the agent and has no endpoint is restarted', () => {
  expect(findUnmanagedPods([dns], no, times)).toEqual({unmanaged: [dns], restart: dns})
})

test.each([
  ['uses the network of the host', {hostNetwork: true}],
  ['has ended', {ended: true}],
  ['is about to end', {terminating: true}],
  ['was not started', {startedMs: undefined}],
  ['was started a moment ago', {startedMs: times.nowMs - 20_000}],
  ['is on a node without a ready agent', {node: 'node2'}],
])('a pod that %s is left alone', (_, change) => {
  expect(findUnmanagedPods([{...dns, ...change}], no, times).unmanaged).toEqual([])
})

test('a pod with an endpoint is managed', () => {
  expect(findUnmanagedPods([dns], (key) => key === 'default/dns', times).unmanaged).toEqual([])
})

test('an agent that has just become ready gets time to write its endpoints', () => {
  const agentReadySince = new Map([['node1', times.nowMs - 20_000]])

  expect(findUnmanagedPods([dns], no, {...times, agentReadySince}).unmanaged).toEqual([])
})

test('pods are restarted one a minute, the oldest first', () => {
  const older = {...dns, name: 'older', startedMs: 0}

  expect(findUnmanagedPods([dns, older], no, times).restart).toBe(older)
  expect(findUnmanagedPods([dns, older], no, {...times, lastRestartMs: times.nowMs - 59_000}).restart).toBeUndefined()
})
