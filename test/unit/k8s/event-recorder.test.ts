import {afterEach, beforeEach, expect, test} from 'vitest'
import type {KubeClient} from '../../../src/k8s/client.ts'
import {EventRecorder} from '../../../src/k8s/event-recorder.ts'
import {resources} from '../../../src/k8s/resources.ts'
import {type ApiServer, startApiServer} from '../../support/api/api-server.ts'
import {FakeClock} from '../../support/fake-clock.ts'

let server: ApiServer
let client: KubeClient
let clock: FakeClock
let recorder: EventRecorder
beforeEach(async () => {
  server = await startApiServer()
  client = server.connect()
  clock = new FakeClock()
  recorder = new EventRecorder({client, component: 'cilium-agent', host: 'n1', clock})
})
afterEach(async () => {
  client.close()
  await server.stop()
})

const pod = (name: string) => ({apiVersion: 'v1', kind: 'Pod', name, namespace: 'shop', uid: `uid-${name}`})
const failed = {type: 'Warning', reason: 'NoAddress', message: 'no address is free'} as const

// biome-ignore lint/suspicious/noExplicitAny: the fields of an Event
const events = (): any[] => server.all(resources.events)

test('an event says what happened to whom and who says so', async () => {
  recorder.record(pod('web'), failed)
  await recorder.drain()
  expect(events()).toEqual([
    expect.objectContaining({
      metadata: expect.objectContaining({namespace: 'shop', name: expect.stringMatching(/^web\.[0-9a-f]{16}$/)}),
      involvedObject: pod('web'),
      ...failed,
      count: 1,
      firstTimestamp: '2030-01-01T00:00:00Z',
      source: {component: 'cilium-agent', host: 'n1'},
    }),
  ])
})

test('repetitions are one event with a count', async () => {
  for (let i = 0; i < 5; i++) {
    recorder.record(pod('web'), failed)
    await clock.advance(1000)
  }
  recorder.record(pod('web'), {...failed, message: 'another reason'})
  await recorder.drain()
  expect(
    events()
      .map((event) => [event.message, event.count, event.lastTimestamp])
      .sort(),
  ).toEqual([
    ['another reason', 1, '2030-01-01T00:00:05Z'],
    ['no address is free', 5, '2030-01-01T00:00:04Z'],
  ])
})

test('an event whose object has expired is made anew', async () => {
  recorder.record(pod('web'), failed)
  await recorder.drain()
  server.remove(resources.events, `shop/${events()[0].metadata.name}`)
  recorder.record(pod('web'), failed)
  await recorder.drain()
  expect(events().map((event) => event.count)).toEqual([1])
})

test('one object cannot flood the cluster, and others are not kept from speaking', async () => {
  for (let i = 0; i < 100; i++) recorder.record(pod('noisy'), {...failed, message: `reason ${i}`})
  recorder.record(pod('quiet'), failed)
  await recorder.drain()
  expect(events()).toHaveLength(26)
  expect(recorder.droppedCount).toBe(75)
  await clock.advance(300_000)
  recorder.record(pod('noisy'), failed)
  await recorder.drain()
  expect(events()).toHaveLength(27)
})

test('what waits is bounded while the server is slow', async () => {
  server.inject({}, {delayMs: 1})
  for (let i = 0; i < 5000; i++) recorder.record(pod(`p${i}`), failed)
  expect(recorder.droppedCount).toBeGreaterThan(3990)
})

test('a refusal loses the event and nothing else', async () => {
  server.inject({times: 1}, {status: 403, reason: 'Forbidden'})
  recorder.record(pod('a'), failed)
  recorder.record(pod('b'), failed)
  await recorder.drain()
  expect(events().map((event) => event.involvedObject.name)).toEqual(['b'])
  expect(recorder.droppedCount).toBe(1)
})

test('secrets and control characters do not get into events, and cluster-wide objects have theirs in default', async () => {
  const node = {apiVersion: 'v1', kind: 'Node', name: 'N1'}
  recorder.record(node, {...failed, message: 'Bearer abcdefghijkl\u001b[31m'})
  await recorder.drain()
  expect(events()[0].message).toBe('Bearer <redacted>\\x1b[31m')
  expect(events()[0].metadata.namespace).toBe('default')
})
