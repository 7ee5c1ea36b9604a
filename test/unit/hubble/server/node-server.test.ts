import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Client, credentials, type ServiceError, status} from '@grpc/grpc-js'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type HealthCheckRequest, HealthService} from '../../../../src/api/gen/health.ts'
import {
  type GetFlowsRequest,
  type GetFlowsResponse,
  ObserverService,
  type ServerStatusResponse,
} from '../../../../src/api/gen/observer.ts'
import {type ChangeNotification, PeerService} from '../../../../src/api/gen/peer.ts'
import {NodeServer} from '../../../../src/hubble/server/node-server.ts'
import {Ring} from '../ring.ts'

const folder = mkdtempSync(join(tmpdir(), 'hubble-'))
const socketPath = join(folder, 'hubble.sock')
let ring: Ring
let server: NodeServer
let client: Client

beforeEach(async () => {
  ring = new Ring()
  server = new NodeServer(
    {
      clusterName: 'lab',
      nodeName: 'n1',
      version: '1.2.3',
      capacity: 63,
      pinRoot: '',
      socketPath,
      monitorPath: join(folder, 'monitor.sock'),
      listenAddress: '',
      tls: undefined,
      exports: [],
      flowLogsPath: '',
      metrics: {specs: [], address: ''},
    },
    ring,
  )
  await server.start()
  client = new Client(`unix://${socketPath}`, credentials.createInsecure())
})

afterEach(() => {
  client.close()
  server.stop()
  rmSync(folder, {recursive: true, force: true})
})

function open(request: GetFlowsRequest) {
  const {path, requestSerialize, responseDeserialize} = ObserverService.GetFlows
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
}

async function flows(request: GetFlowsRequest): Promise<GetFlowsResponse[]> {
  const found: GetFlowsResponse[] = []
  for await (const one of open(request)) found.push(one as GetFlowsResponse)
  return found
}

function unary<Q, R>(
  {
    path,
    requestSerialize,
    responseDeserialize,
  }: {
    path: string
    requestSerialize: (value: Q) => Buffer
    responseDeserialize: (bytes: Buffer) => R
  },
  request: Q,
): Promise<R> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, value) =>
      error === null ? resolve(value!) : reject(error),
    )
  })
}

async function seen(count: number): Promise<void> {
  await expect.poll(() => server.counts.seen).toBe(count)
}

const ports = (responses: readonly GetFlowsResponse[]) => responses.map(({flow}) => flow?.l4?.TCP?.destination_port)

test('the last flows come oldest first, with names', async () => {
  server.hear({
    kind: 'names',
    changes: {
      endpoints: [['10.0.1.5', {namespace: 'shop', podName: 'web-0', labels: [], workloads: [], clusterName: 'lab'}]],
      identities: [[1234, ['k8s:app=web']]],
      services: [['10.0.2.7:3/6', {name: 'api', namespace: 'shop'}]],
    },
  })
  ring.write({dport: 1}, {dport: 2}, {dport: 3, srcIdentity: 1234, tcpFlags: 2, srcEndpoint: 7})
  await seen(3)

  const last = await flows({number: 2n})

  expect(ports(last)).toEqual([2, 3])
  expect(last[1]!.flow).toMatchObject({
    node_name: 'lab/n1',
    verdict: 1,
    source: {ID: 7, identity: 1234, namespace: 'shop', pod_name: 'web-0', labels: ['k8s:app=web'], cluster_name: 'lab'},
    destination_service: {name: 'api', namespace: 'shop'},
    Summary: 'TCP Flags: SYN',
    is_reply: false,
    traffic_direction: 2,
    trace_observation_point: 101,
    emitter: {name: 'Hubble', version: '1.2.3'},
  })
})

test('the first flows, all flows and wanted flows are those that were asked for', async () => {
  ring.write(...Array.from({length: 10}, (_, index) => ({dport: index + 1})))
  await seen(10)

  expect(ports(await flows({number: 3n, first: true}))).toEqual([1, 2, 3])
  expect(await flows({number: 2n ** 64n - 1n})).toHaveLength(10)
  expect(ports(await flows({number: 1n, whitelist: [{destination_port: ['4', '5']}]}))).toEqual([5])
  expect(ports(await flows({blacklist: [{source_ip: ['10.0.0.0/8']}]}))).toEqual([])
})

test('a follower gets what comes after it, and only that', async () => {
  ring.write({dport: 1})
  await seen(1)
  const call = open({follow: true})
  await new Promise((resolve) => call.once('metadata', resolve))
  const next = new Promise<GetFlowsResponse>((resolve) => call.once('data', resolve))
  call.on('error', () => {})

  ring.write({dport: 2})

  expect(ports([await next])).toEqual([2])
  call.cancel()
})

test('a follower is told how many events the rings lost', async () => {
  const call = open({follow: true})
  call.on('error', () => {})
  const next = new Promise<GetFlowsResponse>((resolve) => call.once('data', resolve))

  ring.lost = 5

  expect((await next).lost_events).toMatchObject({source: 1, num_events_lost: 5n})
  call.cancel()
})

test('times bound what is shown', async () => {
  ring.write({dport: 1})
  await seen(1)
  const now = BigInt(Date.now()) * 1_000_000n

  expect(await flows({since: now - 60_000_000_000n})).toHaveLength(1)
  expect(await flows({since: now + 60_000_000_000n})).toHaveLength(0)
  expect(await flows({until: now - 60_000_000_000n})).toHaveLength(0)
})

test('a mask leaves the fields that it names', async () => {
  ring.write({dport: 1, srcIdentity: 9})
  await seen(1)

  const [only] = await flows({number: 1n, field_mask: ['source.identity', 'Type']})

  expect(only!.flow).toEqual({source: {identity: 9}, Type: 1})
  await expect(flows({field_mask: ['nothing']})).rejects.toMatchObject({code: status.INVALID_ARGUMENT})
})

test.each<[GetFlowsRequest]>([[{first: true, follow: true}], [{whitelist: [{source_ip: ['x']}]}]])(
  'the request %o is refused',
  async (request) => {
    await expect(flows(request)).rejects.toMatchObject({code: status.INVALID_ARGUMENT} satisfies Partial<ServiceError>)
  },
)

test('the status counts, and the health is asked under its own name', async () => {
  ring.write({}, {})
  await seen(2)

  const answer = await unary<object, ServerStatusResponse>(ObserverService.ServerStatus, {})

  expect(answer).toMatchObject({num_flows: 2n, max_flows: 63n, seen_flows: 2n, version: '1.2.3'})
  const check = (service: string) => unary<HealthCheckRequest, object>(HealthService.Check, {service})
  expect(await check('hubble.server.Observer')).toEqual({status: 1})
  await expect(check('other')).rejects.toMatchObject({code: status.NOT_FOUND})
  await expect(unary(ObserverService.GetNodes, {})).rejects.toMatchObject({code: status.UNIMPLEMENTED})
})

test('peers come first as they are, then as they change', async () => {
  const peer = (name: string, address: string) => ({name, address, tlsName: undefined})
  server.hear({kind: 'peers', peers: [peer('a', '10.0.0.1')]})
  const {path, requestSerialize, responseDeserialize} = PeerService.Notify
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {})
  call.on('error', () => {})
  const changes: ChangeNotification[] = []
  call.on('data', (change) => changes.push(change))
  await expect.poll(() => changes.length).toBe(1)

  server.hear({kind: 'peers', peers: [peer('a', '10.0.0.2'), peer('b', 'fd00::2')]})
  server.hear({kind: 'peers', peers: [peer('b', 'fd00::2')]})

  await expect.poll(() => changes.map(({name, type}) => `${name}${type}`)).toEqual(['a1', 'a3', 'b1', 'a2'])
  call.cancel()
})

test('an overtaken reader is told by how much', async () => {
  ring.write(...Array.from({length: 100}, (_, index) => ({dport: index})))
  await seen(100)

  const all = await flows({number: 1000n})

  expect(ports(all).filter((port) => port !== undefined)).toHaveLength(63)
})
