import {expect, test} from 'vitest'
import {registerLabelSources} from '../../../../src/agent/identity/label-sources.ts'
import {createTables} from '../../../../src/agent/state/tables.ts'
import {builtInIdentities, identity} from '../../../../src/model/identity.ts'
import {LabelSet} from '../../../../src/model/labels.ts'
import {MetricRegistry} from '../../../../src/runtime/metrics.ts'
import {turn} from '../reconcile-support.ts'

test('identities are counted by the sources of their labels, each once for a source', async () => {
  const registry = new MetricRegistry()
  const tables = createTables()
  registerLabelSources(registry, tables)
  const counts = async () =>
    Object.fromEntries((await registry.samples()).map(({labels, value}) => [labels['source'], value]))
  const reserved = builtInIdentities.length
  expect(await counts()).toEqual({reserved})

  tables.identities.upsert({id: identity(1000), labels: LabelSet.parse(['k8s:a=1', 'k8s:b=2', 'cni:c=3'])})
  tables.identities.upsert({id: identity(1001), labels: LabelSet.parse(['k8s:a=2'])})
  tables.nodeIdentities.upsert({id: identity(1), labels: LabelSet.parse(['reserved:host', 'node:role=x'])})
  await turn()
  expect(await counts()).toEqual({reserved, k8s: 2, cni: 1, node: 1})

  tables.identities.delete('1000')
  tables.nodeIdentities.upsert({id: identity(1), labels: LabelSet.parse(['reserved:host'])})
  await turn()
  expect(await counts()).toEqual({reserved, k8s: 1, cni: 0, node: 0})
})
