import {expect, test} from 'vitest'
import {chartFolder} from '../../../../scripts/values-source.ts'
import {loadChart} from '../../../../src/cli/chart/chart.ts'
import {renderChart} from '../../../../src/cli/chart/render.ts'
import {toPlain, tree} from '../../../../src/cli/chart/template/value.ts'
import {withDefaults} from '../../../../src/cli/chart/values.ts'
import type {AnyObject} from '../../../../src/cli/install/cluster-access.ts'
import {cleanupDaemonSet} from '../../../../src/cli/uninstall/node-cleanup.ts'

const chart = await loadChart(chartFolder)
const {manifests} = renderChart(chart, withDefaults(tree(), chart.values).values, {
  releaseName: 'cilium',
  namespace: 'kube-system',
  revision: 1,
  isUpgrade: false,
  kubernetesVersion: 'v1.34.0',
})
const agent = toPlain(manifests.find(({object}) => object['kind'] === 'DaemonSet')!.object) as AnyObject

// biome-ignore lint/suspicious/noExplicitAny: a manifest is looked into
const cleanup = cleanupDaemonSet(agent) as any
// biome-ignore lint/suspicious/noExplicitAny: a manifest is looked into
const own = agent as any
const {spec} = cleanup.spec.template

test('cleans with the agent’s image, rights and mounts, then sleeps', () => {
  const [clean] = spec.initContainers
  const [agentContainer] = own.spec.template.spec.containers

  expect(clean).toMatchObject({
    image: agentContainer.image,
    command: ['cilium-agent', 'cleanup', '--config-dir=/tmp/cilium/config-map', '--force'],
    securityContext: agentContainer.securityContext,
  })
  expect(clean.volumeMounts).toEqual([
    ...agentContainer.volumeMounts.filter(({name}: {name: string}) => name !== 'hubble-tls'),
    {name: 'cni-path', mountPath: '/host/opt/cni/bin'},
  ])
  expect(spec.containers.map((one: {command: string[]}) => one.command)).toEqual([['sleep', 'infinity']])
})

test('runs on all nodes that the agent ran on, all at once, without asking the API server', () => {
  expect(spec).toMatchObject({
    hostNetwork: true,
    tolerations: [{operator: 'Exists'}],
    automountServiceAccountToken: false,
  })
  expect(spec.nodeSelector).toEqual(own.spec.template.spec.nodeSelector)
  expect(spec.serviceAccountName).toBeUndefined()
  expect(cleanup.spec.updateStrategy.rollingUpdate).toEqual({maxUnavailable: '100%'})
})

test('has no certificates: the folder of the state that they lie in goes', () => {
  expect(own.spec.template.spec.volumes.map(({name}: {name: string}) => name)).toContain('hubble-tls')
  expect(spec.volumes.map(({name}: {name: string}) => name)).not.toContain('hubble-tls')
  expect(JSON.stringify(spec)).not.toContain('hubble-server-certs')
})

test('is not taken for an agent', () => {
  expect(cleanup.metadata).toMatchObject({name: 'cilium-cleanup', namespace: 'kube-system'})
  expect(cleanup.spec.template.metadata.labels['k8s-app']).toBe('cilium-cleanup')
})

test('keeps no affinity that would hold it off the nodes', () => {
  expect(spec.affinity).toBeUndefined()
})
