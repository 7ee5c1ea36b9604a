/**
 * A relay with fifty nodes (NODES=n for others) that are real servers with stores of their own: how long it takes to
 * answer, how many flows a second it merges, and how late a flow of one node is when somebody follows all.
 */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Client, credentials} from '@grpc/grpc-js'
import {type GetFlowsRequest, type GetFlowsResponse, ObserverService} from '../../src/api/gen/observer.ts'
import {Nodes} from '../../src/hubble/relay/nodes.ts'
import {relayHandlers} from '../../src/hubble/relay/observer.ts'
import {closeGrpcServer, listenOnUnixSocket} from '../../src/hubble/server/listen.ts'
import {NodeServer} from '../../src/hubble/server/node-server.ts'
import {createLog} from '../../src/runtime/log.ts'
import {MemorySink} from '../../src/runtime/log-sink.ts'
import {Ring} from '../unit/hubble/ring.ts'
import type {BenchRow} from './rows.ts'
import {spread} from './spread.ts'

const count = Number(process.env['NODES'] ?? 50)
const flowsEach = 4095
/** of each node, in one answer */
const asked = Number(process.env['FLOWS'] ?? 400)
const rounds = 3
const lateRounds = 10

export default async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hubble-relay-'))
  const socketOf = (name: string) => join(folder, `${name}.sock`)
  const names = Array.from({length: count}, (_, index) => `n${index}`)
  const peers = names.map((name) => ({
    name: `lab/${name}`,
    address: `unix://${socketOf(name)}`,
    tlsName: undefined,
  }))
  const rings: Ring[] = []
  const servers: NodeServer[] = []
  for (const name of names) {
    const ring = new Ring()
    const unused = {pinRoot: '', monitorPath: '', listenAddress: '', tls: undefined, exports: [], flowLogsPath: ''}
    const socketPath = socketOf(name)
    const server = new NodeServer(
      {clusterName: 'lab', nodeName: name, version: '1.0.0', capacity: flowsEach, socketPath, ...unused},
      ring,
    )
    await server.start()
    server.hear({kind: 'peers', peers})
    ring.write(...Array.from({length: flowsEach}, (_, index) => ({dport: index})))
    rings.push(ring)
    servers.push(server)
  }
  const nodes = new Nodes({
    clusterName: 'lab',
    peerService: peers[0]!.address,
    files: undefined,
    dialTimeoutMs: 5_000,
    retryTimeoutMs: 1_000,
    settleMs: 10_000,
    log: createLog({level: 'error', format: 'logfmt', sink: new MemorySink()}),
  })
  nodes.start()
  const options = {nodes, version: '1.0.0', sortBufferLength: 100, sortBufferDrainMs: 1000}
  const relay = await listenOnUnixSocket(socketOf('relay'), [
    {definition: ObserverService, handlers: relayHandlers(options)},
  ])
  const client = new Client(`unix://${socketOf('relay')}`, credentials.createInsecure())
  const ask = (request: GetFlowsRequest) => {
    const {path, requestSerialize, responseDeserialize} = ObserverService.GetFlows
    return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
  }
  const all = async (request: GetFlowsRequest) => {
    const started = performance.now()
    let flows = 0
    for await (const one of ask(request)) if ((one as GetFlowsResponse).flow !== undefined) flows++
    return {flows, ms: performance.now() - started}
  }
  try {
    while (nodes.connected.length < count) await new Promise((resolve) => setTimeout(resolve, 50))
    const last: number[] = []
    const merged: number[] = []
    for (let round = 0; round <= rounds; round++) {
      const few = await all({number: 20n})
      const many = await all({number: BigInt(asked)})
      if (many.flows !== count * asked) throw new Error(`${many.flows} flows of ${count * asked} came`)
      if (round === 0) continue
      last.push(few.ms)
      merged.push(many.flows / (many.ms / 1000))
    }
    const late = await lateness(ask({follow: true}), rings)
    return [
      {name: `the last 20 flows of ${count} nodes`, unit: 'ms', ...spread(last)},
      {name: `flows of ${count} nodes merged`, unit: '1/s', ...spread(merged), note: 'nodes and relay in one process'},
      {name: `a flow of one of ${count} nodes is told to a follower after`, unit: 'ms', ...spread(late)},
    ]
  } finally {
    client.close()
    closeGrpcServer(relay)
    nodes.stop()
    for (const server of servers) await server.stop()
    rmSync(folder, {recursive: true, force: true})
  }
}

async function lateness(
  call: ReturnType<Client['makeServerStreamRequest']>,
  rings: readonly Ring[],
): Promise<number[]> {
  const values: number[] = []
  let heard: () => void = () => {}
  call.on('error', () => {})
  call.on('data', (one: GetFlowsResponse) => {
    if (one.flow !== undefined) heard()
  })
  await new Promise((resolve) => call.once('metadata', resolve))
  // each node has to have been asked before it has something to tell
  await new Promise((resolve) => setTimeout(resolve, 1000))
  for (let round = 0; round < lateRounds; round++) {
    const next = new Promise<void>((resolve) => (heard = resolve))
    const started = performance.now()
    rings[round % rings.length]!.write({dport: 1})
    await next
    values.push(performance.now() - started)
  }
  call.cancel()
  return values
}
