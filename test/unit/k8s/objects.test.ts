import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import type {ApiError} from '../../../src/k8s/api-error.ts'
import type {KubeClient} from '../../../src/k8s/client.ts'
import {Discovery, serverVersion} from '../../../src/k8s/discovery.ts'
import {podLog, podLogText} from '../../../src/k8s/logs.ts'
import {type Objects, objects} from '../../../src/k8s/objects.ts'
import {
  apiVersionOf,
  type CiliumNode,
  type ConfigMap,
  type Node,
  objectKey,
  pathOf,
  resources,
} from '../../../src/k8s/resources.ts'
import type {CiliumError} from '../../../src/runtime/errors.ts'
import {type ApiServer, startApiServer} from '../../support/api/api-server.ts'

let server: ApiServer
let client: KubeClient
let maps: Objects<ConfigMap>
let nodes: Objects<CiliumNode>

beforeEach(async () => {
  server = await startApiServer()
  client = server.connect()
  maps = objects<ConfigMap>(client, resources.configMaps)
  nodes = objects<CiliumNode>(client, resources.ciliumNodes)
})
afterEach(async () => {
  client.close()
  await server.stop()
})

const at = {namespace: 'shop', name: 'a'}
const make = (data: Record<string, string> = {}) => maps.create({metadata: at, data})
const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: ApiError) => error,
  )

describe('paths', () => {
  test('groups, namespaces, names and subresources', () => {
    expect(pathOf(resources.pods)).toBe('/api/v1/pods')
    expect(pathOf(resources.pods, {namespace: 'a', name: 'b', subresource: 'log'})).toBe(
      '/api/v1/namespaces/a/pods/b/log',
    )
    expect(pathOf(resources.ciliumNodes, {namespace: 'ignored', name: 'n'})).toBe('/apis/cilium.io/v2/ciliumnodes/n')
    expect(apiVersionOf(resources.ciliumNodes)).toBe('cilium.io/v2')
    expect(apiVersionOf(resources.pods)).toBe('v1')
  })

  test('a name cannot leave its place in the path', () => {
    expect(pathOf(resources.pods, {namespace: '../../x', name: 'a/b?c'})).toBe(
      '/api/v1/namespaces/..%2F..%2Fx/pods/a%2Fb%3Fc',
    )
  })
})

describe('reading', () => {
  test('an object, or none', async () => {
    await make({x: '1'})
    expect((await maps.get(at)).data).toEqual({x: '1'})
    expect(await maps.find({...at, name: 'b'})).toBeUndefined()
    expect((await failure(maps.get({...at, name: 'b'}))).message).toBe(
      'not found: get configmaps shop/b: configmaps "b" not found',
    )
  })

  test('lists come in pages, from one namespace or all, selected', async () => {
    for (let i = 0; i < 7; i++) {
      server.put(resources.configMaps, {
        metadata: {name: `m${i}`, namespace: i < 5 ? 'shop' : 'other', labels: {odd: String(i % 2)}},
      })
    }
    const names: string[] = []
    for await (const map of maps.list({pageSize: 3})) names.push(objectKey(map))
    expect(names).toHaveLength(7)
    expect((await maps.listAll({namespace: 'shop', labelSelector: 'odd=1'})).map(objectKey)).toEqual([
      'shop/m1',
      'shop/m3',
    ])
    expect(await maps.listAll({fieldSelector: 'metadata.name=m6'})).toHaveLength(1)
  })

  test('a list that expires half-way is read again', async () => {
    for (let i = 0; i < 4; i++) server.put(resources.configMaps, {metadata: {name: `m${i}`, namespace: 'shop'}})
    server.inject({path: /configmaps/, times: 1}, {delayMs: 1})
    const listing = maps.listAll({pageSize: 2})
    await server.store.version
    server.inject({path: /configmaps/, times: 1}, {status: 410, reason: 'Expired'})
    expect(await listing).toHaveLength(4)
  })
})

describe('writing', () => {
  test('create, replace and the conflict of two writers', async () => {
    const first = await make({x: '1'})
    expect((await failure(make())).code).toBe('K8S_ALREADY_EXISTS')
    await maps.replace({...first, data: {x: '2'}})
    const error = await failure(maps.replace({...first, data: {x: '3'}}))
    expect([error.code, (await maps.get(at)).data]).toEqual(['K8S_CONFLICT', {x: '2'}])
  })

  test('modify repeats until nobody else wrote in between', async () => {
    await make({n: '0'})
    const add = () => maps.modify(at, (map) => ({...map, data: {n: String(Number(map.data?.['n']) + 1)}}))
    await Promise.all([add(), add(), add()])
    expect((await maps.get(at)).data).toEqual({n: '3'})
    const {resourceVersion} = (await maps.modify(at, () => undefined)).metadata
    expect(resourceVersion).toBe((await maps.get(at)).metadata.resourceVersion)
  })

  test('the patches', async () => {
    await make({a: '1', b: '2'})
    expect((await maps.mergePatch(at, {data: {a: null, c: '3'}})).data).toEqual({b: '2', c: '3'})
    expect(
      (
        await maps.jsonPatch(at, [
          {op: 'test', path: '/data/b', value: '2'},
          {op: 'replace', path: '/data/b', value: '9'},
        ])
      ).data?.['b'],
    ).toBe('9')
    const failed = await failure(maps.jsonPatch(at, [{op: 'test', path: '/data/b', value: '2'}]))
    expect(failed.code).toBe('K8S_INVALID')
    server.put<Node>(resources.nodes, {metadata: {name: 'n'}, status: {conditions: [{type: 'Ready', status: 'True'}]}})
    const patched = await objects<Node>(client, resources.nodes).strategicPatch(
      {name: 'n'},
      {status: {conditions: [{type: 'NetworkUnavailable', status: 'False'}]}},
      {subresource: 'status'},
    )
    expect(patched.status?.conditions?.map((condition) => condition.type)).toEqual(['Ready', 'NetworkUnavailable'])
  })

  test('status and the rest are written apart', async () => {
    await nodes.create({metadata: {name: 'n'}, spec: {ipam: {podCIDRs: ['10.0.0.0/24']}}, status: {ipam: {}}})
    const created = await nodes.get({name: 'n'})
    expect(created.status).toBeUndefined()
    const written = await nodes.replace({...created, spec: {}, status: {ipam: {used: {}}}}, {subresource: 'status'})
    expect([written.spec, written.status]).toEqual([created.spec, {ipam: {used: {}}}])
    expect((await nodes.mergePatch({name: 'n'}, {status: {ipam: null}})).status).toEqual({ipam: {used: {}}})
  })

  test('server-side apply makes, changes, lets go and refuses to take over', async () => {
    const applied = (data: Record<string, string>, fieldManager: string, force = false) =>
      maps.apply({metadata: at, data}, {fieldManager, force})
    await applied({a: '1', b: '1'}, 'cilium')
    await applied({a: '1', c: '1'}, 'other')
    expect((await applied({a: '1'}, 'cilium')).data).toEqual({a: '1', c: '1'})
    const conflict = await failure(applied({c: '2'}, 'cilium'))
    expect([conflict.code, conflict.message]).toEqual([
      'K8S_CONFLICT',
      expect.stringContaining('conflict with "other": data.c'),
    ])
    expect((await applied({c: '2'}, 'cilium', true)).data).toEqual({a: '1', c: '2'})
    expect(server.requests.at(-1)?.headers['content-type']).toBe('application/apply-patch+yaml')
  })

  test('a dry run leaves no trace', async () => {
    await maps.create({metadata: at}, {dryRun: true})
    expect(await maps.find(at)).toBeUndefined()
    await make({a: '1'})
    await maps.mergePatch(at, {data: {a: '2'}}, {dryRun: true, fieldManager: 'me'})
    expect((await maps.get(at)).data).toEqual({a: '1'})
  })

  test('delete says whether there was something, and keeps to its preconditions', async () => {
    const {metadata} = await make()
    expect((await failure(maps.delete(at, {uid: 'another'}))).code).toBe('K8S_CONFLICT')
    expect((await failure(maps.delete(at, {resourceVersion: '1'}))).code).toBe('K8S_CONFLICT')
    expect(await maps.delete(at, {dryRun: true})).toBe(true)
    expect(await maps.delete(at, {uid: metadata.uid!, propagation: 'Foreground', gracePeriodSeconds: 0})).toBe(true)
    expect(await maps.delete(at)).toBe(false)
  })

  test('an object with a finalizer goes when the finalizer does', async () => {
    await maps.create({metadata: {...at, finalizers: ['x/y']}})
    await maps.delete(at)
    expect((await maps.get(at)).metadata.deletionTimestamp).toBeDefined()
    await maps.mergePatch(at, {metadata: {finalizers: null}})
    expect(await maps.find(at)).toBeUndefined()
  })
})

describe('a server in trouble', () => {
  test.each([
    ['is overloaded', {status: 429, retryAfter: 0} as const],
    ['fails', {status: 500} as const],
    ['cuts the connection', 'reset' as const],
  ])('one that %s for a moment is asked again', async (_, action) => {
    await make({a: '1'})
    server.inject({times: 2}, action)
    expect((await maps.mergePatch(at, {data: {a: '2'}})).data).toEqual({a: '2'})
  })

  test('it is not asked for ever', async () => {
    server.inject({}, {status: 503, retryAfter: 0})
    expect((await failure(maps.get(at))).code).toBe('K8S_SERVER_ERROR')
    expect(server.requests).toHaveLength(5)
  })

  test('a create that got no answer is not repeated: it may have been done', async () => {
    server.inject({times: 1}, 'reset')
    const error: CiliumError = await failure(make())
    expect([error.code, server.requests.length]).toEqual(['K8S_UNREACHABLE', 1])
  })

  test('what is wrong with the request is not repeated', async () => {
    expect((await failure(maps.create({metadata: {namespace: 'shop'}}))).problems).toEqual([
      {path: 'metadata.name', problem: 'Required value: name or generateName is required'},
    ])
    expect(server.requests).toHaveLength(1)
  })
})

describe('discovery', () => {
  test('kinds are found, also those registered later', async () => {
    const discovery = new Discovery(client)
    expect(await discovery.find('cilium.io/v2', 'CiliumNode')).toEqual({...resources.ciliumNodes})
    expect((await failure(discovery.find('example.io/v1', 'Thing'))).message).toBe(
      'the cluster does not know the kind Thing of example.io/v1',
    )
    await objects(client, resources.customResourceDefinitions).create({
      metadata: {name: 'things.example.io'},
      spec: {
        group: 'example.io',
        scope: 'Namespaced',
        names: {plural: 'things', kind: 'Thing'},
        versions: [{name: 'v1', served: true, storage: true}],
      },
    } as never)
    discovery.forget()
    const thing = await discovery.find('example.io/v1', 'Thing')
    await objects(client, thing).create({metadata: {name: 't', namespace: 'x'}})
    expect((await objects(client, thing).listAll()).map(objectKey)).toEqual(['x/t'])
    expect((await discovery.resources('v1')).length).toBeGreaterThan(5)
  })

  test('a failure is not remembered', async () => {
    const discovery = new Discovery(client)
    server.inject({times: 1}, {status: 403, reason: 'Forbidden'})
    expect((await failure(discovery.resources('v1'))).code).toBe('K8S_FORBIDDEN')
    expect((await discovery.find('v1', 'Pod')).plural).toBe('pods')
  })

  test('the version of the server', async () => {
    expect((await serverVersion(client)).gitVersion).toBe('v1.34.0-test')
  })
})

describe('logs', () => {
  test('are read as text or in pieces', async () => {
    server.logs.set('shop/web', 'one\ntwo\n')
    expect(
      await podLogText(client, {namespace: 'shop', pod: 'web', container: 'c', tailLines: 10, previous: true}),
    ).toBe('one\ntwo\n')
    expect(String(server.requests[0]?.query)).toBe('container=c&previous=true&tailLines=10&limitBytes=10485760')
    const pieces: Buffer[] = []
    for await (const piece of podLog(client, {namespace: 'shop', pod: 'web', follow: true})) pieces.push(piece)
    expect(String(Buffer.concat(pieces))).toBe('one\ntwo\n')
  })

  test('refusals name the pod', async () => {
    server.inject({}, {status: 404, reason: 'NotFound', message: 'pods "web" not found'})
    expect((await failure(podLogText(client, {namespace: 'shop', pod: 'web'}))).message).toContain(
      'read the log of shop/web',
    )
  })
})
