import {expect, test} from 'vitest'
import {orphanedEndpoints, orphanedNodes} from '../../../../src/operator/collect/orphans.ts'
import type {EndpointRow} from '../../../../src/operator/rows.ts'
import {ciliumNodeRow, nodeRow, podRow} from '../rows.ts'

const none = new Set<string>()
const endpoint: EndpointRow = {
  namespace: 'default',
  name: 'web',
  uid: 'cep-1',
  resourceVersion: '1',
  identity: 1000,
  podUid: 'pod-1',
}

test('an endpoint whose pod runs stays', () => {
  const answer = orphanedEndpoints([endpoint], () => podRow({uid: 'pod-1'}), new Set(['cep-1']))

  expect(answer).toEqual({remove: [], suspects: none})
})

test.each([
  ['does not exist', undefined],
  ['has ended', podRow({uid: 'pod-1', ended: true})],
  ['is another one of the same name', podRow({uid: 'pod-2'})],
])('an endpoint whose pod %s goes the second time it is found so', (_, pod) => {
  const first = orphanedEndpoints([endpoint], () => pod, none)
  const second = orphanedEndpoints([endpoint], () => pod, first.suspects)

  expect(first.remove).toEqual([])
  expect(second.remove).toEqual([endpoint])
})

test('an endpoint without an owner belongs to the pod of its name', () => {
  const {suspects} = orphanedEndpoints([{...endpoint, podUid: undefined}], () => podRow({uid: 'pod-9'}), none)

  expect(suspects.size).toBe(0)
})

test('an endpoint that was made anew in between is suspected anew', () => {
  const first = orphanedEndpoints([endpoint], () => undefined, none)
  const again = orphanedEndpoints([{...endpoint, uid: 'cep-2'}], () => undefined, first.suspects)

  expect(again).toEqual({remove: [], suspects: new Set(['cep-2'])})
})

test('a CiliumNode without its Node goes the second time, one that is annotated stays', () => {
  const gone = ciliumNodeRow({name: 'gone', uid: 'a'})
  const kept = ciliumNodeRow({name: 'kept', uid: 'b', keep: true})
  const living = ciliumNodeRow({name: 'living', uid: 'c'})
  const nodes = (name: string) => (name === 'living' ? nodeRow({name}) : undefined)

  const first = orphanedNodes([gone, kept, living], nodes, none)
  const second = orphanedNodes([gone, kept, living], nodes, first.suspects)

  expect(first.remove).toEqual([])
  expect(second.remove).toEqual([gone])
})
