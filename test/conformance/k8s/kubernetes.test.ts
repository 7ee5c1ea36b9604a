/** Our client against a real kube-apiserver and etcd. */
import {readFileSync} from 'node:fs'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import type {ApiError} from '../../../src/k8s/api-error.ts'
import {connectKube, KubeClient} from '../../../src/k8s/client.ts'
import {type Credentials, findCredentials} from '../../../src/k8s/credentials.ts'
import {Discovery, serverVersion} from '../../../src/k8s/discovery.ts'
import {EventRecorder} from '../../../src/k8s/event-recorder.ts'
import {execOutput} from '../../../src/k8s/exec.ts'
import {LeaderElection} from '../../../src/k8s/leader-election.ts'
import {podLogText} from '../../../src/k8s/logs.ts'
import {type Objects, objects} from '../../../src/k8s/objects.ts'
import {Reflector, type ReflectorOptions} from '../../../src/k8s/reflector.ts'
import {
  type ConfigMap,
  type CustomResourceDefinition,
  type Lease,
  type Node,
  resources,
  type Service,
} from '../../../src/k8s/resources.ts'
import {eventually} from '../../support/eventually.ts'
import {type KubernetesApi, startKubernetesApi} from '../../support/kubernetes-api.ts'
import {startTcpRelay} from '../../support/tcp-relay.ts'

let api: KubernetesApi
let client: KubeClient
let credentials: Credentials
let maps: Objects<ConfigMap>
const opened: {close(): void}[] = []

beforeAll(async () => {
  api = await startKubernetesApi()
  credentials = await findCredentials({path: api.kubeconfig})
  client = await connectKube({path: api.kubeconfig})
  maps = objects<ConfigMap>(client, resources.configMaps)
})
afterAll(async () => {
  for (const one of opened) one.close()
  client?.close()
  await api?.stop()
})

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: ApiError) => error,
  )

let spaces = 0
async function newNamespace(): Promise<string> {
  const name = `space-${++spaces}`
  await objects(client, resources.namespaces).create({metadata: {name}})
  return name
}

const serverPort = () => Number(credentials.servers[0]!.port)

/** A client whose connections pass a relay that a test can cut or freeze. */
async function throughRelay() {
  const relay = await startTcpRelay(serverPort())
  const client = new KubeClient(
    {...credentials, servers: [new URL(`https://127.0.0.1:${relay.port}`)]},
    {pingEveryMs: 200, pingTimeoutMs: 500},
  )
  opened.push(client)
  return {relay, client}
}

function follow(namespace: string, options: Partial<ReflectorOptions<ConfigMap, string>> = {}) {
  const world = new Map<string, string>()
  const told: string[] = []
  const reflector = new Reflector<ConfigMap, string>({
    client,
    resource: resources.configMaps,
    namespace,
    labelSelector: 'followed=yes',
    trim: (map) => map.data?.['value'] ?? '',
    onEvents(events) {
      for (const event of events) {
        if (event.type === 'upsert') world.set(event.key, event.object)
        else world.delete(event.key)
        told.push(event.type === 'upsert' ? `${event.key}=${event.object}` : `-${event.key}`)
      }
    },
    ...options,
  })
  reflector.start()
  return {reflector, world, told}
}

const write = (namespace: string, name: string, value: string, labels: Record<string, string> = {followed: 'yes'}) =>
  maps.apply({metadata: {namespace, name, labels}, data: {value}}, {fieldManager: 'test'})

/** TCP connections of this process to the API server. */
function connections(): number {
  const port = serverPort().toString(16).toUpperCase().padStart(4, '0')
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n')
  return rows.filter((row) => row.includes(`0100007F:${port} 01 `)).length
}

describe('connections', () => {
  test('the server is asked over one connection, however many watches there are', async () => {
    await serverVersion(client)
    const before = connections()
    const abort = new AbortController()
    await Promise.all(
      Array.from({length: 30}, () =>
        client.stream({path: '/api/v1/configmaps', query: {watch: true}, signal: abort.signal}),
      ),
    )
    expect(connections()).toBe(before)
    abort.abort()
  })

  test('a wrong token and a user without rights have codes that say so', async () => {
    const stranger = new KubeClient({...credentials, headers: async () => ({authorization: 'Bearer nonsense'})})
    const nobody = await connectKube({path: api.kubeconfig, impersonate: {user: 'jane', groups: ['guests']}})
    opened.push(stranger, nobody)
    expect((await failure(objects(stranger, resources.pods).listAll())).code).toBe('K8S_UNAUTHORIZED')
    const forbidden = await failure(objects(nobody, resources.pods).listAll({namespace: 'default'}))
    expect(forbidden.code).toBe('K8S_FORBIDDEN')
    expect(forbidden.message).toMatch(/list pods default.*User "jane" cannot list resource "pods"/)
  })
})

describe('objects', () => {
  test('create, conflict, patch and delete behave as the code expects', async () => {
    const namespace = await newNamespace()
    const at = {namespace, name: 'a'}
    const first = await maps.create({metadata: at, data: {x: '1'}})
    expect((await failure(maps.create({metadata: at}))).code).toBe('K8S_ALREADY_EXISTS')
    await maps.replace({...first, data: {x: '2'}})
    expect((await failure(maps.replace({...first, data: {x: '3'}}))).code).toBe('K8S_CONFLICT')
    expect((await maps.mergePatch(at, {data: {x: null, y: '1'}})).data).toEqual({y: '1'})
    expect((await failure(maps.jsonPatch(at, [{op: 'test', path: '/data/y', value: '2'}]))).code).toBe('K8S_INVALID')
    expect((await maps.modify(at, (map) => ({...map, data: {z: '1'}}))).data).toEqual({z: '1'})
    expect((await failure(maps.delete(at, {uid: 'another'}))).code).toBe('K8S_CONFLICT')
    expect([await maps.delete(at), await maps.delete(at), await maps.find(at)]).toEqual([true, false, undefined])
  })

  test('an object that is not valid names its fields', async () => {
    const bad = {metadata: {namespace: 'default', name: 'bad'}, spec: {ports: [{port: 70_000}]}}
    const error = await failure(objects<Service>(client, resources.services).create(bad))
    expect([error.code, error.problems[0]?.path]).toEqual(['K8S_INVALID', 'spec.ports[0].port'])
  })

  test('a dry run checks strictly and stores nothing', async () => {
    const object = {metadata: {namespace: 'default', name: 'dry'}, dta: {}}
    expect((await failure(maps.create(object as never, {dryRun: true}))).code).toBe('K8S_BAD_REQUEST')
    expect((await maps.create({metadata: object.metadata}, {dryRun: true})).metadata.name).toBe('dry')
    expect(await maps.find(object.metadata)).toBeUndefined()
  })

  test('server-side apply lets go of what is not applied any more and refuses to take over', async () => {
    const namespace = await newNamespace()
    const apply = (data: Record<string, string>, fieldManager: string, force = false) =>
      maps.apply({metadata: {namespace, name: 'a'}, data}, {fieldManager, force})
    await apply({a: '1', b: '1'}, 'one')
    await apply({a: '1', c: '1'}, 'two')
    expect((await apply({a: '1'}, 'one')).data).toEqual({a: '1', c: '1'})
    const conflict = await failure(apply({c: '2'}, 'one'))
    expect([conflict.code, conflict.message]).toEqual(['K8S_CONFLICT', expect.stringContaining('conflict with "two"')])
    expect((await apply({c: '2'}, 'one', true)).data).toEqual({a: '1', c: '2'})
  })

  test('conditions are merged by type in the status of a node', async () => {
    const nodes = objects<Node>(client, resources.nodes)
    await nodes.create({metadata: {name: 'n1'}})
    const condition = (type: string) => ({status: {conditions: [{type, status: 'False', reason: 'Test'}]}})
    await nodes.strategicPatch({name: 'n1'}, condition('Ready'), {subresource: 'status'})
    const node = await nodes.strategicPatch({name: 'n1'}, condition('NetworkUnavailable'), {subresource: 'status'})
    expect(node.status?.conditions?.map(({type}) => type).sort()).toEqual(['NetworkUnavailable', 'Ready'])
  })

  test('kinds are discovered, also those of a CRD', async () => {
    const discovery = new Discovery(client)
    expect(await discovery.find('apps/v1', 'DaemonSet')).toEqual(resources.daemonSets)
    expect((await failure(discovery.find('example.io/v1', 'Thing'))).code).toBe('K8S_KIND_UNKNOWN')
    const schema = {openAPIV3Schema: {type: 'object', 'x-kubernetes-preserve-unknown-fields': true}}
    await objects<CustomResourceDefinition>(client, resources.customResourceDefinitions).create({
      metadata: {name: 'things.example.io'},
      spec: {
        group: 'example.io',
        scope: 'Cluster',
        names: {plural: 'things', kind: 'Thing'},
        versions: [{name: 'v1', served: true, storage: true, schema} as never],
      },
    })
    await eventually(async () => {
      discovery.forget()
      return (await discovery.resources('example.io/v1')).length > 0
    }, 20_000)
    const things = objects(client, await discovery.find('example.io/v1', 'Thing'))
    await eventually(() => things.create({metadata: {name: 't'}}).then(() => true))
    expect((await things.listAll()).map((thing) => thing.metadata.name)).toEqual(['t'])
  })

  test('a pod that is not there: logs and exec say so', async () => {
    const nobody = {namespace: 'default', pod: 'nobody'}
    expect((await failure(podLogText(client, nobody))).code).toBe('K8S_NOT_FOUND')
    expect((await failure(execOutput(client, {...nobody, command: ['true']}))).code).toBe('K8S_NOT_FOUND')
  })

  test('events are accepted, repetitions counted', async () => {
    const namespace = await newNamespace()
    const recorder = new EventRecorder({client, component: 'test', host: 'n1'})
    const subject = {apiVersion: 'v1', kind: 'Pod', name: 'web', namespace, uid: 'u'}
    for (let i = 0; i < 3; i++) {
      recorder.record(subject, {type: 'Warning', reason: 'NoAddress', message: 'none is free'})
      await recorder.drain()
    }
    const events = await objects(client, resources.events).listAll({namespace})
    expect([events.map((event) => (event as {count?: number}).count), recorder.droppedCount]).toEqual([[3], 0])
  })
})

describe('following', () => {
  test('pages, changes, and objects that leave the selection', async () => {
    const namespace = await newNamespace()
    for (let i = 0; i < 25; i++) await write(namespace, `m${i}`, 'old')
    const {reflector, world} = follow(namespace, {pageSize: 10})
    await eventually(() => world.size === 25 && reflector.health.state === 'watching')
    await write(namespace, 'm3', 'new')
    await write(namespace, 'm4', 'old', {followed: 'no'})
    await maps.delete({namespace, name: 'm5'})
    await write(namespace, 'm99', 'added')
    await eventually(() => world.size === 24 && world.get(`${namespace}/m99`) === 'added')
    expect(world.get(`${namespace}/m3`)).toBe('new')
    expect(reflector.health.lists).toBe(1)
    await reflector.stop()
  })

  test('metadata alone', async () => {
    const namespace = await newNamespace()
    await write(namespace, 'a', 'secret')
    const seen: unknown[] = []
    const {reflector} = follow(namespace, {
      metadataOnly: true,
      trim: (map) => {
        seen.push(map.data)
        return map.metadata.name
      },
    })
    await eventually(() => reflector.health.state === 'watching')
    await write(namespace, 'b', 'secret')
    await eventually(() => seen.length === 2)
    expect(seen).toEqual([undefined, undefined])
    await reflector.stop()
  })

  test('a cut connection is resumed from where it was: nothing is missed, nothing told twice', async () => {
    const namespace = await newNamespace()
    const {relay, client: relayed} = await throughRelay()
    const {reflector, told} = follow(namespace, {client: relayed})
    await eventually(() => reflector.health.state === 'watching')
    const expected: string[] = []
    for (let i = 0; i < 10; i++) {
      await write(namespace, `m${i}`, 'x')
      expected.push(`${namespace}/m${i}=x`)
      if (i % 3 === 0) relay.cut()
    }
    await eventually(() => told.length >= 10, 20_000)
    expect(told).toEqual(expected)
    expect(reflector.health.lists).toBe(1)
    await reflector.stop()
    await relay.close()
  })

  test('a network that silently loses everything is noticed', async () => {
    const namespace = await newNamespace()
    const {relay, client: relayed} = await throughRelay()
    const {reflector, told} = follow(namespace, {client: relayed})
    await eventually(() => reflector.health.state === 'watching')
    relay.freeze()
    await write(namespace, 'a', 'x')
    await eventually(() => told.length === 1, 20_000)
    expect(reflector.health.watches).toBeGreaterThan(1)
    await reflector.stop()
    await relay.close()
  })

  test('bookmarks keep a quiet watch young', async () => {
    const namespace = await newNamespace()
    const {reflector} = follow(namespace, {watchSeconds: () => 4})
    await eventually(() => reflector.health.state === 'watching')
    const before = Number(reflector.health.resourceVersion)
    const {metadata} = await write(namespace, 'other', 'x', {followed: 'no'})
    await eventually(() => Number(reflector.health.resourceVersion) >= Number(metadata.resourceVersion), 20_000)
    expect(Number(reflector.health.resourceVersion)).toBeGreaterThan(before)
    expect(reflector.health.lists).toBe(1)
    await reflector.stop()
  })

  test('after a restart and a compaction the differences alone are told', async () => {
    const namespace = await newNamespace()
    await write(namespace, 'stays', 'x')
    await write(namespace, 'goes', 'x')
    const {relay, client: relayed} = await throughRelay()
    const {reflector, told, world} = follow(namespace, {client: relayed})
    await eventually(() => reflector.health.state === 'watching' && world.size === 2)
    told.length = 0
    const resume = relay.refuse()
    await write(namespace, 'comes', 'x')
    await maps.delete({namespace, name: 'goes'})
    await api.compact()
    await api.restart()
    resume()
    await eventually(() => told.length === 2, 60_000)
    await eventually(() => reflector.health.state === 'watching', 20_000)
    expect(told.sort()).toEqual([`${namespace}/comes=x`, `-${namespace}/goes`].sort())
    expect(reflector.health.lists).toBeGreaterThan(1)
    await reflector.stop()
    await relay.close()
  })

  test('a list that is compacted away between two pages is complete all the same', async () => {
    const namespace = await newNamespace()
    for (let i = 0; i < 6; i++) await write(namespace, `m${i}`, 'x')
    let pages = 0
    const slow = Object.create(client) as KubeClient
    slow.json = async <T>(request: Parameters<KubeClient['json']>[0]): Promise<T> => {
      const answer = await client.json<T>(request)
      if (++pages === 1) {
        await write(namespace, 'm1', 'changed')
        await api.compact()
        await new Promise((resolve) => setTimeout(resolve, 1000))
      }
      return answer
    }
    const {reflector, world} = follow(namespace, {client: slow, pageSize: 2})
    await eventually(() => world.size === 6 && reflector.health.synced, 20_000)
    await eventually(() => world.get(`${namespace}/m1`) === 'changed')
    await reflector.stop()
  })
})

describe('leases', () => {
  test('the leader dies silently, the next takes over when the lease has run out, and only then', async () => {
    const namespace = await newNamespace()
    const {relay, client: relayed} = await throughRelay()
    const leads: string[] = []
    const candidate = (identity: string, through: KubeClient) =>
      new LeaderElection({
        client: through,
        namespace,
        name: 'lease',
        identity,
        leaseMs: 3000,
        renewDeadlineMs: 2000,
        retryMs: 300,
        lead: (signal) =>
          new Promise((resolve) => {
            leads.push(`+${identity}`)
            signal.addEventListener('abort', () => {
              leads.push(`-${identity}`)
              resolve()
            })
          }),
      })
    const first = candidate('a', relayed)
    first.start()
    await eventually(() => first.isLeader)
    const second = candidate('b', client)
    second.start()
    await eventually(() => second.leader === 'a')
    relay.refuse()
    await eventually(() => second.isLeader, 20_000)
    expect(leads).toEqual(['+a', '-a', '+b'])
    const lease = await objects<Lease>(client, resources.leases).get({namespace, name: 'lease'})
    expect(lease.spec).toMatchObject({holderIdentity: 'b', leaseTransitions: 1})
    await Promise.all([first.stop(), second.stop()])
    const released = await objects<Lease>(client, resources.leases).get({namespace, name: 'lease'})
    expect(released.spec?.holderIdentity ?? '').toBe('')
    await relay.close()
  })
})
