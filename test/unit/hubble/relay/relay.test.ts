import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Client, credentials, type Server, type ServiceError, status} from '@grpc/grpc-js'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {
  type GetFlowsRequest,
  type GetFlowsResponse,
  type GetNodesResponse,
  ObserverService,
  type ServerStatusResponse,
} from '../../../../src/api/gen/observer.ts'
import {NodeState} from '../../../../src/api/gen/relay.ts'
import {Nodes} from '../../../../src/hubble/relay/nodes.ts'
import {relayHandlers} from '../../../../src/hubble/relay/observer.ts'
import {closeGrpcServer, listenOnUnixSocket} from '../../../../src/hubble/server/listen.ts'
import {NodeServer} from '../../../../src/hubble/server/node-server.ts'
import {createLog} from '../../../../src/runtime/log.ts'
import {MemorySink} from '../../../../src/runtime/log-sink.ts'
import {Ring} from '../ring.ts'

const names = ['a', 'b', 'c'] as const
type Name = (typeof names)[number]
const folder = mkdtempSync(join(tmpdir(), 'hubble-relay-'))
/** a busy machine takes its time */
const patience = {timeout: 30_000}
const socketOf = (name: string) => join(folder, `${name}.sock`)
const rings = new Map<Name, Ring>()
const servers = new Map<Name, NodeServer>()
let nodes: Nodes
let relay: Server
let client: Client

/** `told`: of whom its peer service tells */
async function startNode(name: Name, told: readonly Name[] = names): Promise<void> {
  const ring = new Ring()
  const server = new NodeServer(
    {
      clusterName: 'lab',
      nodeName: name,
      version: '1',
      capacity: 255,
      pinRoot: '',
      socketPath: socketOf(name),
      monitorPath: '',
      listenAddress: '',
      tls: undefined,
      exports: [],
      flowLogsPath: '',
      metrics: {specs: [], address: ''},
    },
    ring,
  )
  await server.start()
  server.hear({kind: 'peers', peers: peers(told)})
  rings.set(name, ring)
  servers.set(name, server)
}

const peers = (some: readonly string[]) =>
  some.map((name) => ({name: `lab/${name}`, address: `unix://${socketOf(name)}`, tlsName: undefined}))

beforeEach(async () => {
  for (const name of names) await startNode(name)
  nodes = new Nodes({
    clusterName: 'lab',
    peerService: `unix://${socketOf('a')}`,
    files: undefined,
    dialTimeoutMs: 5_000,
    retryTimeoutMs: 1_000,
    settleMs: 300,
    log: createLog({level: 'error', format: 'logfmt', sink: new MemorySink()}),
  })
  nodes.start()
  const options = {nodes, version: '9', sortBufferLength: 100, sortBufferDrainMs: 50}
  relay = await listenOnUnixSocket(socketOf('relay'), [{definition: ObserverService, handlers: relayHandlers(options)}])
  client = new Client(`unix://${socketOf('relay')}`, credentials.createInsecure())
  await expect.poll(() => nodes.connected.length, patience).toBe(3)
})

afterEach(() => {
  client.close()
  closeGrpcServer(relay)
  nodes.stop()
  for (const server of servers.values()) server.stop()
  servers.clear()
  rmSync(folder, {recursive: true, force: true})
})

function open(request: GetFlowsRequest) {
  const {path, requestSerialize, responseDeserialize} = ObserverService.GetFlows
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
}

async function answers(request: GetFlowsRequest): Promise<GetFlowsResponse[]> {
  const found: GetFlowsResponse[] = []
  for await (const one of open(request)) found.push(one as GetFlowsResponse)
  return found
}

function ask<R>({path, responseDeserialize}: {path: string; responseDeserialize: (bytes: Buffer) => R}): Promise<R> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      () => Buffer.alloc(0),
      responseDeserialize,
      {},
      (error, value) => (error === null ? resolve(value!) : reject(error)),
    )
  })
}

const port = ({flow}: GetFlowsResponse) => flow?.l4?.TCP?.destination_port
const written = (name: Name, count: number) => expect.poll(() => servers.get(name)!.counts.seen, patience).toBe(count)

test('flows of all nodes come in the order of their times, behind word of who is connected', async () => {
  const at = process.hrtime.bigint()
  for (let step = 0n; step < 9n; step++) {
    rings.get(names[Number(step % 3n)]!)!.write({time: at + step * 1_000_000n, dport: Number(step) + 1})
  }
  for (const name of names) await written(name, 3)

  const [head, ...flows] = await answers({})

  expect(head!.node_status).toEqual({
    state_change: NodeState.NODE_CONNECTED,
    node_names: ['lab/a', 'lab/b', 'lab/c'],
  })
  expect(flows.map(port)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(flows.map(({node_name: node}) => node)).toEqual(
    ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c'].map((n) => `lab/${n}`),
  )
})

test('a node that is gone is told as unavailable, and the others answer', async () => {
  servers.get('c')!.stop()
  rings.get('a')!.write({dport: 1})
  await written('a', 1)
  await expect.poll(() => nodes.connected.length, patience).toBe(2)

  const [connected, away, ...flows] = await answers({})

  expect(connected!.node_status?.node_names).toEqual(['lab/a', 'lab/b'])
  expect(away!.node_status).toEqual({state_change: NodeState.NODE_UNAVAILABLE, node_names: ['lab/c']})
  expect(flows.map(port)).toEqual([1])
  const {nodes: listed = []} = await ask<GetNodesResponse>(ObserverService.GetNodes)
  expect(listed.map(({name, state}) => [name, state])).toEqual([
    ['lab/a', NodeState.NODE_CONNECTED],
    ['lab/b', NodeState.NODE_CONNECTED],
    ['lab/c', NodeState.NODE_UNAVAILABLE],
  ])
})

test('the status adds up, and names who is away', async () => {
  rings.get('a')!.write({}, {})
  rings.get('b')!.write({})
  await written('a', 2)
  await written('b', 1)
  servers.get('c')!.stop()
  await expect.poll(() => nodes.connected.length, patience).toBe(2)

  expect(await ask<ServerStatusResponse>(ObserverService.ServerStatus)).toMatchObject({
    num_flows: 3n,
    max_flows: 510n,
    seen_flows: 3n,
    version: '9',
    num_connected_nodes: 2,
    num_unavailable_nodes: 1,
    unavailable_nodes: ['lab/c'],
  })
})

test('who follows is told of a node that goes and hears it again when it is back', async () => {
  const call = open({follow: true})
  const heard: GetFlowsResponse[] = []
  call.on('data', (one: GetFlowsResponse) => heard.push(one))
  call.on('error', () => {})
  await expect.poll(() => heard.length, patience).toBe(1)
  servers.get('b')!.stop()
  await expect.poll(() => nodes.connected.length, patience).toBe(2)
  await startNode('b')
  const again = () =>
    heard.some(({node_status: s}) => s?.state_change === NodeState.NODE_CONNECTED && s.node_names?.join() === 'lab/b')
  await expect.poll(again, patience).toBe(true)

  // what it writes now is heard: its server may take a moment to be asked
  await expect
    .poll(() => {
      rings.get('b')!.write({dport: 77})
      return heard.some((one) => port(one) === 77)
    }, patience)
    .toBe(true)
  call.cancel()
}, 40_000)

test('a node that went while the peer service was away is forgotten, one that answers is not', async () => {
  servers.get('a')!.stop()
  servers.get('c')!.stop()
  await expect.poll(() => nodes.connected.map(({name}) => name), patience).toEqual(['lab/b'])

  await startNode('a', ['a'])

  await expect.poll(() => nodes.all.map(({name}) => name), patience).toEqual(['lab/a', 'lab/b'])
  await expect.poll(() => nodes.connected.length, patience).toBe(2)
})

test('what nodes refuse the relay refuses, and what only nodes know it does not know', async () => {
  const refused = answers({whitelist: [{source_pod: ['']}]}).catch((thrown: ServiceError) => thrown.code)
  expect(await refused).toBe(status.INVALID_ARGUMENT)
  expect(await answers({first: true, follow: true}).catch((thrown: ServiceError) => thrown.code)).toBe(
    status.INVALID_ARGUMENT,
  )
  const {path, requestSerialize, responseDeserialize} = ObserverService.GetAgentEvents
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {})
  const code = await new Promise((resolve) => call.on('error', (error: ServiceError) => resolve(error.code)).resume())
  expect(code).toBe(status.UNIMPLEMENTED)
})
