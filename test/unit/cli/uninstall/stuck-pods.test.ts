import {describe, expect, test} from 'vitest'
import type {AnyObject} from '../../../../src/cli/install/cluster-access.ts'
import {findStuckPods} from '../../../../src/cli/uninstall/stuck-pods.ts'
import type {Pod} from '../../../../src/k8s/resources.ts'

interface Given {
  readonly name: string
  readonly owner?: readonly [kind: string, name: string]
  readonly hash?: string
  readonly hostNetwork?: boolean
  readonly phase?: string
  readonly nodeName?: string | undefined
}

function pod({name, owner, hash, hostNetwork = false, phase = 'Running', nodeName = 'node1'}: Given): Pod {
  return {
    metadata: {
      name,
      namespace: 'app',
      ...(hash && {labels: {'pod-template-hash': hash}}),
      ...(owner && {ownerReferences: [{apiVersion: 'v1', kind: owner[0], name: owner[1], uid: '1', controller: true}]}),
    },
    spec: {hostNetwork, ...(nodeName === '' ? {} : {nodeName})},
    status: {phase},
  }
}

const endpoint = (name: string) => ({kind: 'CiliumEndpoint', metadata: {name, namespace: 'app'}}) as AnyObject

describe('pods that lose their network', () => {
  test('are named with what starts their owner anew', () => {
    const pods = [
      pod({name: 'web-5d4-b', owner: ['ReplicaSet', 'web-5d4'], hash: '5d4'}),
      pod({name: 'web-5d4-a', owner: ['ReplicaSet', 'web-5d4'], hash: '5d4'}),
      pod({name: 'db-0', owner: ['StatefulSet', 'db']}),
      pod({name: 'agent-x', owner: ['DaemonSet', 'agent']}),
      pod({name: 'bare'}),
      pod({name: 'rs-1', owner: ['ReplicaSet', 'rs']}),
    ]

    expect(findStuckPods(pods, undefined)).toEqual([
      {command: 'kubectl -n app rollout restart daemonset/agent', pods: ['app/agent-x']},
      {command: 'kubectl -n app delete pod bare', pods: ['app/bare']},
      {command: 'kubectl -n app rollout restart statefulset/db', pods: ['app/db-0']},
      {command: 'kubectl -n app delete pod rs-1', pods: ['app/rs-1']},
      {command: 'kubectl -n app rollout restart deployment/web', pods: ['app/web-5d4-a', 'app/web-5d4-b']},
    ])
  })

  test('are those with an endpoint, where there is a list', () => {
    expect(
      findStuckPods([pod({name: 'ours'}), pod({name: 'other'})], [endpoint('ours')]).map(({pods}) => pods),
    ).toEqual([['app/ours']])
  })

  test.each([
    ['use their node’s network', {hostNetwork: true}],
    ['have ended', {phase: 'Succeeded'}],
    ['run nowhere yet', {nodeName: ''}],
  ])('are none of those that %s', (_, given) => {
    expect(findStuckPods([pod({name: 'a', ...given})], undefined)).toEqual([])
  })
})
