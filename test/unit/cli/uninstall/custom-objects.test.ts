import {expect, test} from 'vitest'
import {parseAllDocuments} from 'yaml'
import type {AnyObject} from '../../../../src/cli/install/cluster-access.ts'
import {exportText} from '../../../../src/cli/uninstall/custom-objects.ts'

test('objects are written as kubectl takes them: without what the server added', () => {
  const object = {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: {
      name: 'a',
      namespace: 'b',
      uid: '1',
      resourceVersion: '2',
      generation: 3,
      creationTimestamp: 'now',
      managedFields: [],
      finalizers: ['x.cilium.io'],
      labels: {l: '1'},
      annotations: {'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'yes'},
    },
    spec: {endpointSelector: {}},
    status: {conditions: []},
  } as unknown as AnyObject

  const documents = parseAllDocuments(exportText([object, {...object, metadata: {name: 'c'}}])).map((one) => one.toJS())

  expect(documents).toEqual([
    {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: {name: 'a', namespace: 'b', labels: {l: '1'}, annotations: {mine: 'yes'}},
      spec: {endpointSelector: {}},
    },
    {apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: {name: 'c'}, spec: {endpointSelector: {}}},
  ])
})
