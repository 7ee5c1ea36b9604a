import {expect, test} from 'vitest'
import {enforce} from '../../../../src/cli/connectivity/enforce.ts'
import type {KubernetesObject, TestCluster} from '../../../../src/cli/connectivity/test-cluster.ts'
import {fine, peer} from './fake-context.ts'

const policy: KubernetesObject = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: {name: 'p', namespace: 'cilium-test-1'},
}

/** A cluster whose agents know what is applied after being asked a few times, and enforce it one look later. */
function lateCluster(late: number, problems?: readonly object[]) {
  const applied = new Set<string>()
  const log: string[] = []
  let asked = 0
  const cluster = {
    apply: async ({metadata}: KubernetesObject) => {
      applied.add(metadata.name)
      asked = 0
      log.push(`apply ${metadata.name}`)
    },
    delete: async ({name}: {name: string}) => {
      applied.delete(name)
      log.push(`delete ${name}`)
    },
  } as unknown as TestCluster
  const agent = peer('cilium-a', 'n1', 101, async (command) => {
    expect(command[0]).toBe('curl')
    const separator = command[command.indexOf('-w') + 1]!
    const held = asked++ >= late ? [...applied] : []
    const enforced = asked > late + 1
    const rules = held.map((name) => ({
      kind: 'CiliumNetworkPolicy',
      metadata: {name, namespace: 'cilium-test-1'},
      ...(problems === undefined ? {} : {problems}),
    }))
    const endpoints = [
      {id: 1, status: {identity: {id: 1000}, policy: {realized: {'policy-revision': enforced ? 7 : 6}}}},
      {id: 2, status: {}},
    ]
    if (enforced) log.push(`enforced ${held.join()}`)
    const answers = [{policy: JSON.stringify(rules), revision: 7}, endpoints]
    return {...fine, stdout: answers.map((one) => JSON.stringify(one) + separator).join('')}
  })
  return {cluster, agent, log}
}

test('policies are waited for on every agent, and taken away again', async () => {
  const {cluster, agent, log} = lateCluster(2)
  const {signal} = new AbortController()

  {
    await using _inForce = await enforce(cluster, {policies: [policy], agents: [agent], signal})
    expect(log).toEqual(['delete p', 'enforced ', 'apply p', 'enforced p'])
  }

  expect(log.slice(4)).toEqual(['delete p', 'enforced '])
})

test('a policy that agents find invalid is told at once, and taken away', async () => {
  const {cluster, agent, log} = lateCluster(0, [{path: 'spec.ingress[0]', reason: 'is wrong'}])
  const {signal} = new AbortController()

  await expect(enforce(cluster, {policies: [policy], agents: [agent], signal})).rejects.toMatchObject({
    code: 'TEST_POLICY_LATE',
    message: expect.stringContaining('spec.ingress[0]: is wrong'),
  })
  expect(log.slice(-2)).toEqual(['delete p', 'enforced '])
})
