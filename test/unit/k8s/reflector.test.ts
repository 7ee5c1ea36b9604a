import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import type {KubeClient} from '../../../src/k8s/client.ts'
import {Reflector, type ReflectorEvent, type ReflectorOptions} from '../../../src/k8s/reflector.ts'
import {type Pod, resources} from '../../../src/k8s/resources.ts'
import {createLog} from '../../../src/runtime/log.ts'
import {MemorySink} from '../../../src/runtime/log-sink.ts'
import {type ApiServer, startApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'
import {FakeClock} from '../../support/fake-clock.ts'

let server: ApiServer
let client: KubeClient
const running: Reflector<Pod, string>[] = []

beforeEach(async () => {
  server = await startApiServer()
  client = server.connect()
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((reflector) => reflector.stop()))
  client.close()
  await server.stop()
})

const pod = (name: string, nodeName = 'n1', labels: Record<string, string> = {}) => ({
  metadata: {name, namespace: 'shop', labels},
  spec: {nodeName},
})
const put = (name: string, nodeName?: string, labels?: Record<string, string>) =>
  server.put<Pod>(resources.pods, pod(name, nodeName, labels))

/** Follows pods; what it is told is kept as a picture of the world and as a list of messages. */
function follow(options: Partial<ReflectorOptions<Pod, string>> & {clock?: FakeClock} = {}) {
  const world = new Map<string, string>()
  const told: string[] = []
  const state = {synced: 0}
  const sink = new MemorySink()
  const reflector = new Reflector<Pod, string>({
    client,
    resource: resources.pods,
    trim: (object) => object.spec?.nodeName ?? '',
    onEvents(events: readonly ReflectorEvent<string>[]) {
      for (const event of events) {
        told.push(event.type === 'upsert' ? `${event.key}@${event.object}` : `-${event.key}`)
        if (event.type === 'upsert') world.set(event.key, event.object)
        else world.delete(event.key)
      }
    },
    onSynced: () => {
      state.synced++
    },
    log: createLog({sink}),
    random: () => 0.99,
    ...options,
  })
  running.push(reflector)
  reflector.start()
  return {reflector, world, told, state, lines: sink.lines}
}

const watching = (reflector: Reflector<Pod, string>) => eventually(() => reflector.health.state === 'watching')

describe('following', () => {
  test('what exists is told, then "synced", then every change', async () => {
    put('a')
    put('b')
    const {reflector, told, state} = follow()
    await watching(reflector)
    expect([told, state.synced]).toEqual([['shop/a@n1', 'shop/b@n1'], 1])
    put('c')
    put('a', 'n2')
    server.remove(resources.pods, 'shop/b')
    await eventually(() => told.length === 5)

    expect(told.slice(2)).toEqual(['shop/c@n1', 'shop/a@n2', '-shop/b'])
    expect(state.synced).toBe(1)
  })

  test('a long list comes in pages', async () => {
    for (let i = 0; i < 25; i++) put(`p${i}`)
    const {reflector, world} = follow({pageSize: 10})
    await watching(reflector)

    expect(world.size).toBe(25)
    expect(server.requests.filter((request) => request.query.get('limit') === '10')).toHaveLength(3)
  })

  test('selectors and the namespace are the server’s to apply, and an object that leaves the selection is gone', async () => {
    put('a', 'n1', {app: 'web'})
    put('b', 'n1', {app: 'db'})
    server.put<Pod>(resources.pods, {metadata: {name: 'x', namespace: 'other', labels: {app: 'web'}}})
    const {reflector, world, told} = follow({
      namespace: 'shop',
      labelSelector: 'app=web',
      fieldSelector: 'spec.nodeName=n1',
    })
    await watching(reflector)
    expect([...world.keys()]).toEqual(['shop/a'])
    put('a', 'n1', {app: 'other'})
    await eventually(() => world.size === 0)
    expect(told).toEqual(['shop/a@n1', '-shop/a'])
  })

  test('what trim does not want does not exist', async () => {
    put('a')
    put('b', 'n2')
    const {reflector, world, told} = follow({trim: (object) => (object.spec?.nodeName === 'n1' ? 'here' : undefined)})
    await watching(reflector)
    put('b', 'n1')
    put('a', 'n2')
    await eventually(() => told.length === 3)
    expect(Object.fromEntries(world)).toEqual({'shop/b': 'here'})
  })

  test('metadata alone is asked for when nothing else is needed', async () => {
    put('a')
    const seen: unknown[] = []
    const {reflector} = follow({
      metadataOnly: true,
      trim: (object) => {
        seen.push(object.spec)
        return object.metadata.name
      },
    })
    await watching(reflector)
    put('b')
    await eventually(() => seen.length === 2)
    expect(seen).toEqual([undefined, undefined])
  })
})

describe('going on', () => {
  test('a watch that the server ends is resumed without a list', async () => {
    const {reflector, told} = follow()
    await watching(reflector)
    put('a')
    await eventually(() => told.length === 1)
    server.endWatches()
    put('b')
    await eventually(() => told.length === 2)

    expect(reflector.health.lists).toBe(1)
    expect(reflector.health.watches).toBe(2)
  })

  test('bookmarks move the version on, so that a quiet watch never gets too old', async () => {
    const {reflector, told} = follow()
    await watching(reflector)
    server.put(resources.nodes, {metadata: {name: 'n1'}})
    server.compact()
    server.sendBookmarks()
    await eventually(() => reflector.health.resourceVersion === String(server.store.version))
    server.endWatches()
    put('a')
    await eventually(() => told.length === 1)
    expect(reflector.health.lists).toBe(1)
  })

  test('after "too old" only the differences are told: nothing flaps', async () => {
    put('a')
    put('b')
    put('c')
    const {reflector, told, state} = follow()
    await watching(reflector)
    told.length = 0
    await server.stop()
    put('b', 'n9')
    server.remove(resources.pods, 'shop/c')
    put('d')
    server.compact()
    await server.start()
    await eventually(() => told.length === 3)

    expect(told.sort()).toEqual(['-shop/c', 'shop/b@n9', 'shop/d@n1'])
    expect(state.synced).toBe(1)
  })

  test('a list that grows too old between two pages is read again in one piece', async () => {
    for (let i = 0; i < 5; i++) put(`p${i}`)
    server.inject({path: /pods/, watch: false, times: 1}, {delayMs: 1})
    const once = server.inject({path: /pods/, watch: false, times: 2}, {delayMs: 30})
    const {reflector, world} = follow({pageSize: 2})
    await eventually(() => server.requests.length === 1)
    await eventually(() => server.requests.some((request) => request.query.has('continue')))
    server.compact()
    await watching(reflector)
    once()
    expect(world.size).toBe(5)
    expect(reflector.health.failures).toBe(0)
  })

  test('an object replaced while nobody watched is told as the new one', async () => {
    const {reflector, told} = follow()
    put('a')
    await watching(reflector)
    await eventually(() => told.length === 1)
    await server.stop()
    server.remove(resources.pods, 'shop/a')
    put('a', 'n2')
    server.compact()
    await server.start()
    await eventually(() => told.length === 2)
    expect(told).toEqual(['shop/a@n1', 'shop/a@n2'])
  })
})

describe('when the server is in trouble', () => {
  test('hours without it: the reader keeps what it has, and catches up afterwards', async () => {
    const clock = new FakeClock()
    put('a')
    const {reflector, world, told, lines} = follow({clock})
    await watching(reflector)
    const lostAt = clock.now()
    await server.stop()
    for (let i = 0; i < 120; i++) await clock.advance(60_000)
    expect(world.size).toBe(1)
    expect(reflector.health.state).toBe('failing')
    expect(reflector.health.error?.code).toBe('K8S_UNREACHABLE')
    expect(reflector.health.freshUntil).toBe(lostAt)
    expect(reflector.health.failures).toBeGreaterThan(100)
    expect(lines.length).toBeLessThan(2 * reflector.health.failures)
    put('b')
    server.remove(resources.pods, 'shop/a')
    await server.start()
    await eventually(async () => {
      await clock.advance(1000)
      return told.length === 3
    })

    expect(Object.fromEntries(world)).toEqual({'shop/b': 'n1'})
    expect(reflector.health.error).toBeUndefined()
  })

  test('it is asked less and less often, up to every half minute', async () => {
    const clock = new FakeClock()
    server.inject({path: /pods/}, {status: 500, reason: 'InternalError'})
    follow({clock, random: () => 0})
    await eventually(() => server.requests.length === 1)
    const at: number[] = []
    for (let i = 0; i < 2000; i++) {
      const before = server.requests.length
      await clock.advance(100)
      if (server.requests.length > before) at.push(clock.monotonic())
    }
    const pauses = at.map((time, i) => time - (at[i - 1] ?? 0))
    expect(pauses.slice(0, 5)).toEqual([800, 1600, 3200, 6400, 12_800])
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000)
  })

  test.each([
    ['a refusal', {status: 403, reason: 'Forbidden'} as const, 'K8S_FORBIDDEN'],
    ['an answer that is not JSON', {text: '<html>sign in</html>'} as const, 'K8S_BAD_ANSWER'],
    ['a server that is overloaded', {status: 429, retryAfter: 1} as const, 'K8S_THROTTLED'],
    ['a connection that is cut', 'reset' as const, 'K8S_UNREACHABLE'],
  ])('%s is shown with its code and survived', async (_, action, code) => {
    put('a')
    const clear = server.inject({path: /pods/}, action)
    const {reflector, world} = follow()
    await eventually(() => reflector.health.error !== undefined)
    expect(reflector.health.error?.code).toBe(code)
    clear()
    await eventually(() => world.size === 1)
  })

  test('garbage, an unknown error and a cut line inside a watch lead to a new list and nothing else', async () => {
    const clock = new FakeClock()
    const {reflector, world, told} = follow({clock})
    await watching(reflector)
    for (const garbage of [
      'no json\n',
      '{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd is unwell"}}\n',
      '{"type":"ADDED","object":null}\n',
      '{"type":"ADDED","obj',
    ]) {
      const {watches} = reflector.health
      const before = told.length
      server.writeIntoWatches(garbage)
      server.endWatches()
      put(`p${before}`)
      await eventually(async () => {
        await clock.advance(1000)
        return told.length === before + 1 && reflector.health.watches > watches
      })
    }
    expect(world.size).toBe(4)
  })

  test('an event without metadata is passed over', async () => {
    const {reflector, told} = follow()
    await watching(reflector)
    server.writeIntoWatches('{"type":"ADDED","object":{}}\n')
    put('a')
    await eventually(() => told.length === 1)
    expect(reflector.health.lists).toBe(1)
  })

  test('a watch in which nothing happens beyond its time is given up', async () => {
    const clock = new FakeClock()
    const {reflector, told} = follow({clock, watchSeconds: () => 60})
    await watching(reflector)
    put('first')
    await eventually(() => told.length === 1)
    server.inject({watch: true, times: 1}, 'hang')
    server.endWatches()
    await eventually(() => server.requests.filter((request) => request.query.has('watch')).length === 2)
    put('a')
    await eventually(async () => {
      await clock.advance(5000)
      return told.length === 2
    })
  })

  test('a server that ends every watch at once is not asked in a tight loop', async () => {
    const clock = new FakeClock()
    server.inject({watch: true}, {text: ''})
    const {reflector} = follow({clock, random: () => 0})
    await eventually(() => reflector.health.watches === 1)
    await clock.advance(10_000)
    expect(reflector.health.watches).toBeLessThan(6)
  })
})

describe('kinds that may be missing', () => {
  const absent = {...resources.ciliumNetworkPolicies, plural: 'nothings'} as unknown as typeof resources.pods

  test('count as empty, and are looked for now and then', async () => {
    const clock = new FakeClock()
    const {reflector, state, world} = follow({resource: absent, optional: true, clock})
    await eventually(() => state.synced === 1)
    server.store.serve({...absent, hasStatus: false})
    server.put(absent, {metadata: {name: 'a', namespace: 'shop'}})
    await eventually(async () => {
      await clock.advance(10_000)
      return world.size === 1
    })
    server.store.unserve(absent)
    server.endWatches()
    await eventually(async () => {
      await clock.advance(10_000)
      return world.size === 0
    })
    expect(reflector.health.synced).toBe(true)
  })

  test('are an error when they must be there', async () => {
    const {reflector, state} = follow({resource: absent})
    await eventually(() => reflector.health.error !== undefined)
    expect([reflector.health.error?.code, state.synced]).toEqual(['K8S_NOT_FOUND', 0])
  })
})

describe('stopping', () => {
  test('nothing is told afterwards and no connection is left', async () => {
    const {reflector, told} = follow()
    await watching(reflector)
    await reflector.stop()
    put('a')
    client.close()
    await eventually(() => server.watchCount === 0 && server.connectionCount === 0)
    expect([told, reflector.health.state]).toEqual([[], 'stopped'])
  })

  test('works in the middle of a wait and of a request', async () => {
    await server.stop()
    const waiting = follow()
    await eventually(() => waiting.reflector.health.failures > 0)
    await waiting.reflector.stop()
    await server.start()
    server.inject({path: /pods/}, 'hang')
    const asking = follow()
    await eventually(() => server.requests.length > 0)
    await asking.reflector.stop()
  })
})

test('thousands of objects in a burst arrive complete and in order', async () => {
  const {reflector, world} = follow()
  await watching(reflector)
  for (let i = 0; i < 5000; i++) put(`p${i % 1000}`, `n${i}`)
  await eventually(() => world.get('shop/p999') === 'n4999')
  expect([...world.values()].every((node, i) => node === `n${4000 + i}`)).toBe(true)
})
