import {expect, test} from 'vitest'
import {ciliumNodeReconciler} from '../../../../src/agent/reconcile/cilium-node.ts'
import type {OwnNodeRow} from '../../../../src/agent/state/rows.ts'
import {k8sErrors} from '../../../../src/k8s/errors.ts'
import type {Objects} from '../../../../src/k8s/objects.ts'
import type {CiliumNode, Node} from '../../../../src/k8s/resources.ts'
import {CiliumError} from '../../../../src/runtime/errors.ts'

const row: OwnNodeRow = {
  ...{name: 'n1', uid: 'u', internalIps: [], externalIps: [], routerIps: [], healthIps: [], podCidrs: []},
  ...{bootId: 'boot', labels: {role: 'infra'}},
}

/** What is sent for an object that is there with these labels. */
async function patched(labels: OwnNodeRow['labels'], there: Record<string, string>): Promise<object> {
  const sent: object[] = []
  const ciliumNodes = {
    create: () => Promise.reject(new CiliumError(k8sErrors.K8S_ALREADY_EXISTS, {object: 'n1', detail: ''})),
    get: () => Promise.resolve({metadata: {name: 'n1', labels: there}}),
    mergePatch: (_: unknown, patch: object) => Promise.resolve(void sent.push(patch)),
  } as unknown as Objects<CiliumNode>
  const nodes = {} as Objects<Node>
  const reconciler = ciliumNodeReconciler({ciliumNodes, nodes, writesPodCidrs: false, annotate: false})
  await reconciler.update({...row, labels})
  return (sent[0] as {metadata: object}).metadata
}

test('a label that the Node has no more is taken away', async () => {
  const metadata = await patched({role: 'infra'}, {role: 'worker', zone: 'a'})

  expect(metadata).toMatchObject({labels: {role: 'infra', zone: null}})
})

test('while the Node is not known, the labels that others know hold', async () => {
  expect(await patched(undefined, {role: 'worker'})).not.toHaveProperty('labels')
})
