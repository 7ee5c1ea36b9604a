import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {decodeRelease, type ReleaseSecret} from '../../../src/cli/chart/release.ts'
import {type KubeObject, resources} from '../../../src/k8s/resources.ts'
import {eventually} from '../../support/eventually.ts'
import {putRelease, type TestCluster, testCluster} from '../support/cluster.ts'
import {runProgram} from '../support/program.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await testCluster()
  cluster.server.put(resources.nodes, {metadata: {name: 'node1'}})
})
afterEach(() => cluster[Symbol.asyncDispose]())

const deployment = (name: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: kube-system}
spec: {replicas: 1}
`
const templates = {
  'relay.yaml': `{{- if .Values.hubble.relay.enabled }}${deployment('hubble-relay')}{{- end }}`,
  'ui.yaml': `{{- if .Values.hubble.ui.enabled }}${deployment('hubble-ui')}{{- end }}`,
  'agent.yaml': deployment('cilium-operator'),
}
const defaults = {hubble: {enabled: true, relay: {enabled: false}, ui: {enabled: false}}}

const deployments = () =>
  cluster.server
    .all<KubeObject>(resources.deployments)
    .map(({metadata}) => metadata.name)
    .sort()

async function newestValues(): Promise<unknown> {
  const secrets = cluster.server.all<KubeObject & ReleaseSecret>(resources.secrets, 'kube-system')
  const releases = await Promise.all(secrets.map(decodeRelease))
  return releases.sort((a, b) => b.version - a.version)[0]?.config
}

describe('hubble enable', () => {
  test('adds the relay, keeps other values, and says so', async () => {
    await putRelease(cluster.server, templates, defaults, {debug: {enabled: true}})

    const {stdout, exitCode} = await runProgram('cilium', ['hubble', 'enable'], {env: cluster.env})

    expect(stdout).toBe('hubble-relay is on, hubble-ui is off (revision 2)\nlook at flows: hubble observe -P\n')
    expect(exitCode).toBe(0)
    expect(deployments()).toEqual(['cilium-operator', 'hubble-relay'])
    expect(await newestValues()).toEqual({
      debug: {enabled: true},
      hubble: {relay: {enabled: true}, ui: {enabled: false}},
    })
  })

  test('--ui adds the user interface, and disable takes both away', async () => {
    await putRelease(cluster.server, templates, defaults, {})

    await runProgram('cilium', ['hubble', 'enable', '--ui'], {env: cluster.env})
    const both = deployments()
    const {stdout} = await runProgram('cilium', ['hubble', 'disable', '--wait'], {env: cluster.env})

    expect(both).toEqual(['cilium-operator', 'hubble-relay', 'hubble-ui'])
    expect(stdout).toBe('hubble-relay is off, hubble-ui is off (revision 3)\n')
    expect(deployments()).toEqual(['cilium-operator'])
  })

  test('records flows again where they were switched off, with a restart', async () => {
    await putRelease(cluster.server, templates, defaults, {hubble: {enabled: false}})

    const {stdout} = await runProgram('cilium', ['hubble', 'enable', '-o', 'json'], {env: cluster.env})

    expect(JSON.parse(stdout)).toEqual({relay: true, ui: false, revision: 2, restarted: true})
    expect(await newestValues()).toMatchObject({hubble: {enabled: true}})
    const operator = cluster.server.get<KubeObject>(resources.deployments, 'kube-system/cilium-operator')
    expect(JSON.stringify(operator)).toContain('kubectl.kubernetes.io/restartedAt')
  })

  test('--wait waits for pods that can be used', async () => {
    await putRelease(cluster.server, templates, defaults, {})

    const run = runProgram('cilium', ['hubble', 'enable', '--wait'], {env: cluster.env})
    await eventually(() => deployments().includes('hubble-relay'))
    const relay = cluster.server.get<KubeObject>(resources.deployments, 'kube-system/hubble-relay')!
    const ready = {observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1}
    cluster.server.put(resources.deployments, {...relay, ...({status: ready} as object)})

    expect((await run).exitCode).toBe(0)
  })

  test('--wait gives up with what is missing', async () => {
    await putRelease(cluster.server, templates, defaults, {})

    const {stdout, exitCode} = await runProgram('cilium', ['hubble', 'enable', '--wait', '--wait-duration', '1s'], {
      env: cluster.env,
    })

    expect(exitCode).toBe(3)
    expect(stdout).toContain('gave up waiting for hubble-relay: see "cilium status"')
  })

  test('without an installation it says what to do', async () => {
    const {stderr, exitCode} = await runProgram('cilium', ['hubble', 'enable'], {env: cluster.env})

    expect(exitCode).toBe(1)
    expect(stderr).toContain('error INSTALL_NOT_FOUND')
  })
})
