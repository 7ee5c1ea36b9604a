import {expect, test} from 'vitest'
import {enforce} from '../../../../src/cli/connectivity/enforce.ts'
import type {KubernetesObject, TestCluster} from '../../../../src/cli/connectivity/test-cluster.ts'
import {fine, peer} from './fake-context.ts'

const policy: KubernetesObject = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: {name: 'p', namespace: 'cilium-test-1'},
}

/** A cluster whose agents take what is applied after being asked a few times. */
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
    if (command[2] === 'wait') {
      log.push(`wait ${command[3]}`)
      return fine
    }
    const held = asked++ >= late ? [...applied] : []
    const rules = held.map((name) => ({
      kind: 'CiliumNetworkPolicy',
      metadata: {name, namespace: 'cilium-test-1'},
      ...(problems === undefined ? {} : {problems}),
    }))
    return {...fine, stdout: JSON.stringify({policy: JSON.stringify(rules), revision: 7})}
  })
  return {cluster, agent, log}
}

test('policies are waited for on every agent, and taken away again', async () => {
  const {cluster, agent, log} = lateCluster(2)
  const {signal} = new AbortController()

  {
    await using _inForce = await enforce(cluster, {policies: [policy], agents: [agent], signal})
    expect(log).toEqual(['delete p', 'wait 7', 'apply p', 'wait 7'])
  }

  expect(log.slice(4)).toEqual(['delete p', 'wait 7'])
})

test('a policy that agents find invalid is told at once, and taken away', async () => {
  const {cluster, agent, log} = lateCluster(0, [{path: 'spec.ingress[0]', reason: 'is wrong'}])
  const {signal} = new AbortController()

  await expect(enforce(cluster, {policies: [policy], agents: [agent], signal})).rejects.toMatchObject({
    code: 'TEST_POLICY_LATE',
    message: expect.stringContaining('spec.ingress[0]: is wrong'),
  })
  expect(log.at(-2)).toBe('delete p')
})
