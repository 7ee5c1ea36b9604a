import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi} from 'vitest'
import {allKinds} from '../../../src/operator/crd/all.ts'
import {schemaVersionLabel} from '../../../src/operator/crd/kind.ts'
import {type KubernetesApi, startKubernetesApi} from '../../support/kubernetes-api.ts'
import {type OperatorProcess, startOperator, stopOperators} from './operator-process.ts'

const soon = {timeout: 60_000, interval: 100}
const ciliumApi = '/apis/cilium.io/v2'
const leasePath = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cilium-operator-resource-lock'

let api: KubernetesApi

beforeAll(async () => {
  api = await startKubernetesApi()
  // the first operator of all brings the definitions; the tests below find them there
  const operator = await startOperator(api)
  await vi.waitFor(async () => expect(await leader()).not.toBe(''), soon)
  expect(await operator.stop()).toBe(0)
})

afterAll(async () => {
  await stopOperators()
  await api?.stop()
})

beforeEach(async () => {
  await api.call('DELETE', leasePath) // a killed leader holds it for seconds
  const collections = [
    `${ciliumApi}/ciliumnodes`,
    `${ciliumApi}/ciliumidentities`,
    `${ciliumApi}/namespaces/default/ciliumendpoints`,
    '/api/v1/nodes',
    '/api/v1/namespaces/default/pods',
    '/api/v1/namespaces/kube-system/pods',
  ]
  for (const path of collections) {
    await api.call('DELETE', `${path}?gracePeriodSeconds=0`)
    await vi.waitFor(async () => expect((await api.call('GET', path)).body.items).toEqual([]), soon)
  }
})

afterEach(() => stopOperators())

describe('definitions', () => {
  test('all of them are established once an operator has started', async () => {
    for (const {plural} of allKinds) {
      const {body} = await definition(plural)
      expect(body.status.conditions).toContainEqual(expect.objectContaining({type: 'Established', status: 'True'}))
    }
  })

  test('an older one is updated, its foreign version kept; a newer one is left alone', async () => {
    const old = (await definition('ciliumcidrgroups')).body
    const [version] = old.spec.versions
    old.metadata.labels[schemaVersionLabel] = '1.0.0'
    old.spec.versions = [version, {...version, name: 'v9', storage: false, additionalPrinterColumns: undefined}]
    expect((await api.call('PUT', definitionPath('ciliumcidrgroups'), old)).status).toBe(200)
    const newer = {metadata: {labels: {[schemaVersionLabel]: '9.0.0'}}}
    await api.call('PATCH', definitionPath('ciliumnodeconfigs'), newer, 'application/merge-patch+json')

    const operator = await startOperator(api)
    await vi.waitFor(async () => {
      const {body} = await definition('ciliumcidrgroups')
      expect(body.metadata.labels[schemaVersionLabel]).not.toBe('1.0.0')
      expect(body.spec.versions.map(({name}: {name: string}) => name)).toEqual(['v2', 'v2alpha1', 'v9'])
    }, soon)
    await vi.waitFor(async () => expect(await leader()).not.toBe(''), soon)

    expect((await definition('ciliumnodeconfigs')).body.metadata.labels[schemaVersionLabel]).toBe('9.0.0')
    expect(operator.log()).toContain('definition updated')
  })

  test('with skip-crd-creation a definition that is missing is waited for, and then named', async () => {
    await api.call('DELETE', definitionPath('ciliumlocalredirectpolicies'))
    const flags = {'skip-crd-creation': 'true', 'crd-wait-timeout': '1s'}
    const operator = await startOperator(api, flags)

    await vi.waitFor(() => expect(operator.child.exitCode).toBe(1), soon)

    expect(operator.log()).toContain('ciliumlocalredirectpolicies.cilium.io')
    expect(operator.log()).toContain('CRD_NOT_ESTABLISHED')
    // whoever comes next brings it back
    await startOperator(api)
    await vi.waitFor(async () => expect((await definition('ciliumlocalredirectpolicies')).status).toBe(200), soon)
  })
})

describe('pod CIDRs', () => {
  test('each node gets one prefix per family, outside the addresses of nodes and services', async () => {
    await addNode('a', '10.0.0.9')
    await addCiliumNode('a')
    await startOperator(api, {'cluster-pool-ipv4-cidr': '10.0.0.0/16 10.96.0.0/16'})

    expect(await podCidrsOf('a')).toEqual(['10.0.1.0/24', 'fd00::/120'])
    await addCiliumNode('b')
    expect(await podCidrsOf('b')).toEqual(['10.0.2.0/24', 'fd00::100/120'])
  })

  test('the range of the services is known from the cluster and never given out', async () => {
    await addCiliumNode('a')
    await startOperator(api, {'enable-ipv6': 'false', 'cluster-pool-ipv4-cidr': '10.96.0.0/16'})

    await vi.waitFor(async () => {
      const {body} = await api.call('GET', `${ciliumApi}/ciliumnodes/a`)
      expect(body.spec.ipam?.podCIDRs).toBeUndefined()
      expect(body.status.ipam['operator-status'].error).toContain('service range')
    }, soon)
  })

  test('a restarted operator learns what nodes have, and a killed one loses nothing', async () => {
    for (const name of ['a', 'b', 'c']) await addCiliumNode(name)
    const first = await startOperator(api)
    const before = [await podCidrsOf('a'), await podCidrsOf('b'), await podCidrsOf('c')]
    await first.stop('SIGKILL')
    await api.call('DELETE', `${ciliumApi}/ciliumnodes/b`)
    await addCiliumNode('d')

    await startOperator(api)

    expect(await podCidrsOf('d')).toEqual(before[1])
    expect([await podCidrsOf('a'), await podCidrsOf('c')]).toEqual([before[0], before[2]])
  })

  test('a pool that is used up is reported on the node, which is served when a prefix is free', async () => {
    for (const name of ['a', 'b', 'c']) await addCiliumNode(name)
    await startOperator(api, {
      'enable-ipv6': 'false',
      'cluster-pool-ipv4-cidr': '10.0.0.0/23',
    })
    const waiting = await vi.waitFor(async () => {
      const {body} = await api.call('GET', `${ciliumApi}/ciliumnodes`)
      const found = body.items.filter((node: {spec: {ipam?: object}}) => node.spec.ipam === undefined)
      expect(found).toHaveLength(1)
      expect(found[0].status.ipam['operator-status'].error).toContain('no IPv4 pod CIDR is left: 10.0.0.0/23')
      return found[0].metadata.name as string
    }, soon)

    const other = ['a', 'b', 'c'].find((name) => name !== waiting)!
    const freed = await podCidrsOf(other)
    await api.call('DELETE', `${ciliumApi}/ciliumnodes/${other}`)

    expect(await podCidrsOf(waiting)).toEqual(freed)
    await vi.waitFor(async () => {
      const {body} = await api.call('GET', `${ciliumApi}/ciliumnodes/${waiting}`)
      expect(body.status.ipam['operator-status'].error).toBeUndefined()
    }, soon)
  })

  test('prefixes that somebody removed come back', async () => {
    await addCiliumNode('a')
    await startOperator(api)
    const before = await podCidrsOf('a')

    await api.call('PATCH', `${ciliumApi}/ciliumnodes/a`, {spec: {ipam: null}}, 'application/merge-patch+json')

    expect(await podCidrsOf('a')).toEqual(before)
  })

  test('a hundred nodes at once get a hundred different prefixes', async () => {
    await startOperator(api)
    const names = Array.from({length: 100}, (_, index) => `node-${index}`)
    await Promise.all(names.map((name) => addCiliumNode(name)))

    const all = await Promise.all(names.map((name) => podCidrsOf(name)))

    expect(new Set(all.flat()).size).toBe(200)
  })

  test('with ipam=kubernetes nothing is given out', async () => {
    await addCiliumNode('a')
    const operator = await startOperator(api, {ipam: 'kubernetes'})
    await vi.waitFor(
      async () => expect(await metric(operator, 'controllers_group_runs_total')).toBeGreaterThan(0),
      soon,
    )

    const {body} = await api.call('GET', `${ciliumApi}/ciliumnodes/a`)
    expect(body.spec).toEqual({})
  })
})

describe('addresses of load balancers', () => {
  const pools = `${ciliumApi}/ciliumloadbalancerippools`
  const services = '/api/v1/namespaces/default/services'
  const names = ['lb-a', 'lb-b']

  afterEach(async () => {
    for (const name of names) await api.call('DELETE', `${services}/${name}`)
    await api.call('DELETE', pools)
    await vi.waitFor(async () => expect((await api.call('GET', pools)).body.items).toEqual([]), soon)
  })

  async function addPool(name: string, cidr: string): Promise<void> {
    const body = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumLoadBalancerIPPool',
      metadata: {name},
      spec: {blocks: [{cidr}]},
    }
    expect((await api.call('POST', pools, body)).status).toBe(201)
  }

  async function addService(name: string, port: number): Promise<void> {
    const body = {metadata: {name}, spec: {type: 'LoadBalancer', ports: [{port}]}}
    expect((await api.call('POST', services, body)).status).toBe(201)
  }

  async function statusOf(name: string) {
    const {body} = await api.call('GET', `${services}/${name}`)
    const {loadBalancer, conditions = []} = body.status
    const found = conditions.find(({type}: {type: string}) => type === 'cilium.io/IPAMRequestSatisfied')
    return {ips: (loadBalancer.ingress ?? []).map(({ip}: {ip: string}) => ip), reason: found?.reason}
  }

  test('services get them, one that finds none is told, and is served when a pool has some', async () => {
    await addPool('small', '203.0.113.9/32')
    await addService('lb-a', 80)
    await startOperator(api)
    await vi.waitFor(
      async () => expect(await statusOf('lb-a')).toEqual({ips: ['203.0.113.9'], reason: 'satisfied'}),
      soon,
    )
    await addService('lb-b', 80)
    await vi.waitFor(async () => expect(await statusOf('lb-b')).toEqual({ips: [], reason: 'out_of_ips'}), soon)

    await addPool('tiny', '203.0.113.20/32')

    await vi.waitFor(async () => expect((await statusOf('lb-b')).ips).toEqual(['203.0.113.20']), soon)
    await vi.waitFor(async () => {
      const {body} = await api.call('GET', `${pools}/tiny`)
      const messages = body.status.conditions.map(({type, message}: {type: string; message: string}) => [type, message])
      expect(Object.fromEntries(messages)).toEqual({
        'cilium.io/PoolConflict': '',
        'cilium.io/IPsTotal': '1',
        'cilium.io/IPsAvailable': '0',
        'cilium.io/IPsUsed': '1',
      })
    }, soon)
  })

  test('a restarted operator leaves them where they are, and takes them back from a service of another type', async () => {
    await addPool('small', '203.0.113.0/24')
    const first = await startOperator(api)
    await addService('lb-b', 80)
    await vi.waitFor(async () => expect((await statusOf('lb-b')).ips).toEqual(['203.0.113.0']), soon)
    await first.stop('SIGKILL')
    await addService('lb-a', 80)
    await startOperator(api)
    await vi.waitFor(async () => expect((await statusOf('lb-a')).ips).toEqual(['203.0.113.1']), soon)
    expect((await statusOf('lb-b')).ips).toEqual(['203.0.113.0'])

    await api.call('PATCH', `${services}/lb-b`, {spec: {type: 'ClusterIP'}}, 'application/merge-patch+json')

    await vi.waitFor(async () => expect(await statusOf('lb-b')).toEqual({ips: [], reason: undefined}), soon)
  })
})

describe('nodes', () => {
  const taint = {key: 'node.cilium.io/agent-not-ready', effect: 'NoSchedule'}

  test('a node whose agent is not ready is tainted, and freed and declared up when it is', async () => {
    await addNode('a', '192.0.2.1', [{key: 'example.com/gpu', effect: 'NoSchedule'}])
    await addPod('kube-system', 'agent', 'a', {labels: {'k8s-app': 'cilium'}})
    await startOperator(api)
    await vi.waitFor(async () => expect((await node('a')).spec.taints).toContainEqual(taint), soon)

    await setReady('kube-system', 'agent')

    await vi.waitFor(async () => {
      const {spec, status} = await node('a')
      expect(spec.taints.map(({key}: {key: string}) => key)).toContain('example.com/gpu')
      expect(spec.taints).not.toContainEqual(expect.objectContaining({key: taint.key}))
      expect(status.conditions).toContainEqual(
        expect.objectContaining({
          type: 'NetworkUnavailable',
          status: 'False',
          reason: 'CiliumIsUp',
          message: 'Cilium is running on this node',
        }),
      )
    }, soon)
  })

  test('a node without an agent is left as it is', async () => {
    await addNode('a', '192.0.2.1', [{...taint, effect: 'NoExecute', value: 'true'}])
    const operator = await startOperator(api)
    await vi.waitFor(
      async () => expect(await metric(operator, 'controllers_group_runs_total')).toBeGreaterThan(3),
      soon,
    )

    expect((await node('a')).spec.taints).toContainEqual(expect.objectContaining({key: taint.key, effect: 'NoExecute'}))
  })
})

describe('garbage', () => {
  test('a CiliumNode goes after its Node, unless it is annotated to stay', async () => {
    await addNode('living', '192.0.2.1')
    await addCiliumNode('living')
    await addCiliumNode('gone')
    await addCiliumNode('kept', {'cilium.io/do-not-gc': 'true'})
    await startOperator(api, {'nodes-gc-interval': '1s'})

    await vi.waitFor(async () => {
      const {body} = await api.call('GET', `${ciliumApi}/ciliumnodes`)
      expect(body.items.map(({metadata}: {metadata: {name: string}}) => metadata.name)).toEqual(['kept', 'living'])
    }, soon)
  })

  test('an endpoint goes after its pod, and with a pod that has ended', async () => {
    await addPod('default', 'web', 'a')
    await addPod('default', 'job', 'a', {phase: 'Succeeded'})
    for (const name of ['web', 'job', 'gone']) await addEndpoint(name, 1000)
    const operator = await startOperator(api)

    await vi.waitFor(async () => {
      const {body} = await api.call('GET', `${ciliumApi}/namespaces/default/ciliumendpoints`)
      expect(body.items.map(({metadata}: {metadata: {name: string}}) => metadata.name)).toEqual(['web'])
    }, soon)
    expect(await metric(operator, 'endpoint_gc_objects')).toBe(2)
  })

  test('an identity goes when it has had no endpoint for long; one that is in use never', async () => {
    await addPod('default', 'web', 'a')
    await addEndpoint('web', 1000)
    await addIdentity(1000, {'k8s:app': 'web'})
    await addIdentity(2000, {'k8s:app': 'gone'})
    await addIdentity(3000, {'k8s:app': 'web'})
    await startOperator(api)
    await vi.waitFor(async () => {
      const {body} = await api.call('GET', `${ciliumApi}/ciliumidentities/2000`)
      expect(body.metadata.annotations).toHaveProperty(['io.cilium.heartbeat'])
    }, soon)

    await vi.waitFor(async () => expect(await identities()).toEqual(['1000']), soon)
    const {body} = await api.call('GET', `${ciliumApi}/ciliumidentities/1000`)
    expect(body.metadata.annotations).toBeUndefined()
  })

  test('an identity that is taken into use again loses its mark and stays', async () => {
    await addIdentity(2000, {'k8s:app': 'back'})
    await startOperator(api, {'identity-gc-interval': '3s', 'identity-heartbeat-timeout': '3s'})
    const marked = async () => (await api.call('GET', `${ciliumApi}/ciliumidentities/2000`)).body.metadata.annotations
    await vi.waitFor(async () => expect(await marked()).toHaveProperty(['io.cilium.heartbeat']), soon)

    await addPod('default', 'back', 'a')
    await addEndpoint('back', 2000)

    await vi.waitFor(async () => expect(await marked()).toBeUndefined(), soon)
    expect(await identities()).toEqual(['2000'])
  })
})

describe('pods that came before the agent', () => {
  test('are restarted where the selector names them, and left alone where it does not', async () => {
    await addPod('kube-system', 'agent', 'a', {labels: {'k8s-app': 'cilium'}})
    await setReady('kube-system', 'agent')
    const early = {startTime: '2026-01-01T00:00:00Z'}
    await addPod('kube-system', 'dns', 'a', {labels: {'k8s-app': 'kube-dns'}, status: early})
    await addPod('kube-system', 'other', 'a', {status: early})
    const operator = await startOperator(api, {'unmanaged-pod-watcher-interval': '1s'})
    const leaves = async (name: string) => {
      const {body} = await api.call('GET', `/api/v1/namespaces/kube-system/pods/${name}`)
      return body.metadata.deletionTimestamp !== undefined
    }

    await vi.waitFor(async () => expect(await leaves('dns')).toBe(true), {timeout: 60_000, interval: 500})

    expect(await leaves('other')).toBe(false)
    expect(operator.log()).toContain('pod outside the network restarted')
  })
})

describe('election', () => {
  test('one of two replicas leads; when it is killed the other goes on without giving a prefix twice', async () => {
    const first = await startOperator(api)
    await vi.waitFor(() => expect(first.log()).toContain('msg=leading'), soon)
    const second = await startOperator(api)
    await addCiliumNode('a')
    const before = await podCidrsOf('a')
    expect(second.log()).not.toContain('msg=leading')

    await first.stop('SIGKILL')
    await addCiliumNode('b')

    const after = await podCidrsOf('b')
    expect(second.log()).toContain('msg=leading')
    expect(after).not.toEqual(before)
    expect(await podCidrsOf('a')).toEqual(before)
  })

  test('a replica that ends in good order hands over at once', async () => {
    const first = await startOperator(api, {'leader-election-lease-duration': '60s'})
    await vi.waitFor(() => expect(first.log()).toContain('msg=leading'), soon)
    const second = await startOperator(api, {'leader-election-lease-duration': '60s'})

    expect(await first.stop()).toBe(0)

    await vi.waitFor(() => expect(second.log()).toContain('msg=leading'), {timeout: 30_000, interval: 50})
  })
})

describe('while the API server does not answer', () => {
  afterEach(() => api.wake())

  test('the leader stops leading, says so to its probe, stays alive, and goes on afterwards', async () => {
    const operator = await startOperator(api)
    await addCiliumNode('a')
    const before = await podCidrsOf('a')

    api.hang()
    await vi.waitFor(() => expect(operator.log()).toContain('leadership lost'), soon)
    expect((await fetch(operator.health)).status).toBe(500)
    expect((await fetch(operator.health.replace('healthz', 'livez'))).status).toBe(200)
    api.wake()

    await addCiliumNode('b')
    expect(await podCidrsOf('b')).not.toEqual(before)
    expect(await podCidrsOf('a')).toEqual(before)
    expect(operator.child.exitCode).toBeNull()
  })
})

describe('the process', () => {
  test('answers its probes', async () => {
    const operator = await startOperator(api)

    await vi.waitFor(async () => {
      const response = await fetch(operator.health)
      expect([response.status, await response.text()]).toEqual([200, 'ok'])
    }, soon)
  })

  test('says what is wrong with its configuration and ends', async () => {
    const operator = await startOperator(api, {'cluster-pool-ipv4-cidr': '10.0.0.0/25'})

    await vi.waitFor(() => expect(operator.child.exitCode).toBe(1), soon)
    expect(operator.log()).toContain('OPERATOR_CONFIG_CONFLICT')
    expect(operator.log()).toContain('try: ')
  })

  test('logs nothing above info in a healthy cluster', async () => {
    await addNode('a', '192.0.2.1')
    await addCiliumNode('a')
    const operator = await startOperator(api)
    await podCidrsOf('a')
    await operator.stop()

    expect(operator.log()).not.toMatch(/level=(warn|error)/)
  })
})

async function addNode(name: string, address: string, taints: readonly object[] = []): Promise<void> {
  await api.call('POST', '/api/v1/nodes', {apiVersion: 'v1', kind: 'Node', metadata: {name}, spec: {taints}})
  const status = {addresses: [{type: 'InternalIP', address}]}
  await api.call('PATCH', `/api/v1/nodes/${name}/status`, {status}, 'application/merge-patch+json')
}

async function addCiliumNode(name: string, annotations: Record<string, string> = {}): Promise<void> {
  const {status} = await api.call('POST', `${ciliumApi}/ciliumnodes`, {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNode',
    metadata: {name, annotations},
    spec: {},
  })
  expect(status).toBe(201)
}

async function addPod(
  namespace: string,
  name: string,
  nodeName: string,
  {
    labels = {},
    phase = 'Running',
    status = {},
  }: {labels?: Record<string, string>; phase?: string; status?: object} = {},
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const created = await api.call('POST', path, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {name, labels},
    spec: {nodeName, containers: [{name: 'c', image: 'x'}]},
  })
  expect(created.status, created.body.message).toBe(201)
  await api.call('PATCH', `${path}/${name}/status`, {status: {phase, ...status}}, 'application/merge-patch+json')
}

async function setReady(namespace: string, name: string): Promise<void> {
  const status = {conditions: [{type: 'Ready', status: 'True'}]}
  await api.call(
    'PATCH',
    `/api/v1/namespaces/${namespace}/pods/${name}/status`,
    {status},
    'application/merge-patch+json',
  )
}

async function addEndpoint(name: string, identity: number): Promise<void> {
  const {status} = await api.call('POST', `${ciliumApi}/namespaces/default/ciliumendpoints`, {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumEndpoint',
    metadata: {name},
    status: {id: 1, state: 'ready', identity: {id: identity}, networking: {addressing: [{ipv4: '10.0.0.1'}]}},
  })
  expect(status).toBe(201)
}

async function addIdentity(id: number, labels: Record<string, string>): Promise<void> {
  const {status} = await api.call('POST', `${ciliumApi}/ciliumidentities`, {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumIdentity',
    metadata: {name: String(id)},
    'security-labels': labels,
  })
  expect(status).toBe(201)
}

function podCidrsOf(name: string): Promise<readonly string[]> {
  return vi.waitFor(async () => {
    const {body} = await api.call('GET', `${ciliumApi}/ciliumnodes/${name}`)
    expect(body.spec.ipam?.podCIDRs?.length, JSON.stringify(body.status)).toBeGreaterThan(0)
    return body.spec.ipam.podCIDRs
  }, soon)
}

async function node(name: string) {
  return (await api.call('GET', `/api/v1/nodes/${name}`)).body
}

async function identities(): Promise<readonly string[]> {
  const {body} = await api.call('GET', `${ciliumApi}/ciliumidentities`)
  return body.items.map(({metadata}: {metadata: {name: string}}) => metadata.name)
}

async function leader(): Promise<string> {
  return (await api.call('GET', leasePath)).body.spec?.holderIdentity ?? ''
}

function definitionPath(plural: string): string {
  return `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${plural}.cilium.io`
}

function definition(plural: string) {
  return api.call('GET', definitionPath(plural))
}

/** The sum of a metric's values. */
async function metric(operator: OperatorProcess, name: string): Promise<number> {
  const text = await (await fetch(operator.metrics)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(`cilium_operator_${name}`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
