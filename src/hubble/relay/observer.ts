/** The Observer service of the relay: what all nodes have to say, in one answer. */

import type {sendUnaryData} from '@grpc/grpc-js'
import {
  type Metadata,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js'
import * as api from '../../api/gen/observer.ts'
import {NodeState} from '../../api/gen/relay.ts'
import {refuse, send, stream, versionHeader} from '../server/grpc-call.ts'
import {Merge} from './merge.ts'
import {type NodeError, NodeErrors} from './node-errors.ts'
import type {Nodes, RelayNode} from './nodes.ts'

export interface RelayObserverOptions {
  readonly nodes: Nodes
  readonly version: string
  readonly sortBufferLength: number
  readonly sortBufferDrainMs: number
}

type Unary<Q, R> = (call: ServerUnaryCall<Q, R>, done: sendUnaryData<R>) => void
type Streaming<Q, R> = (call: ServerWritableStream<Q, R>) => void

const unavailableMax = 10
/** how often a request that follows looks for new nodes */
const lookEveryMs = 2_000
/** of each node, at least: with fewer, each flow would wait for its own way through the network */
const waitingEach = 32
/** how long a node may take with the flows that it remembers */
const patienceMs = 5_000

export function relayHandlers(options: RelayObserverOptions): Record<string, UntypedHandleCall> {
  const {nodes, version} = options
  const started = process.hrtime.bigint()
  const header = () => versionHeader('hubble-relay-version', version)

  const getFlows: Streaming<api.GetFlowsRequest, api.GetFlowsResponse> = (call) =>
    stream(call, (signal) => relayFlows(options, call, signal, header()))

  const getNamespaces: Unary<api.GetNamespacesRequest, api.GetNamespacesResponse> = (call, done) => {
    call.sendMetadata(header())
    void askAll(nodes.connected, ({channel}) => channel.unary(api.ObserverService.GetNamespaces, {})).then(
      (answers) => {
        const found = new Map<string, api.Namespace>()
        for (const {answer} of answers)
          for (const one of answer?.namespaces ?? []) found.set(`${one.cluster}/${one.namespace}`, one)
        done(null, {namespaces: [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)})
      },
    )
  }

  const getNodes: Unary<api.GetNodesRequest, api.GetNodesResponse> = (call, done) => {
    call.sendMetadata(header())
    const {all} = nodes
    void askAll(
      all.filter(({channel}) => channel.isConnected),
      ({channel}) => channel.unary(api.ObserverService.ServerStatus, {}),
    ).then((answers) => {
      const byNode = new Map(answers.map(({node, answer}) => [node, {answer}]))
      done(null, {nodes: all.map((node) => nodeModel(node, byNode.get(node)))})
    })
  }

  const serverStatus: Unary<api.ServerStatusRequest, api.ServerStatusResponse> = (call, done) => {
    call.sendMetadata(header())
    const {all} = nodes
    const connected = all.filter(({channel}) => channel.isConnected)
    void askAll(connected, ({channel}) => channel.unary(api.ObserverService.ServerStatus, {})).then((answers) => {
      const heard = answers.flatMap(({answer}) => (answer === undefined ? [] : [answer]))
      const silent = all.filter((node) => !answers.some((one) => one.node === node && one.answer !== undefined))
      const sum = (of: (one: api.ServerStatusResponse) => bigint | undefined) =>
        heard.reduce((total, one) => total + (of(one) ?? 0n), 0n)
      done(null, {
        version,
        num_flows: sum((one) => one.num_flows),
        max_flows: sum((one) => one.max_flows),
        seen_flows: sum((one) => one.seen_flows),
        flows_rate: heard.reduce((total, one) => total + (one.flows_rate ?? 0), 0),
        uptime_ns: heard.reduce(
          (most, {uptime_ns: one = 0n}) => (one > most ? one : most),
          process.hrtime.bigint() - started,
        ),
        num_connected_nodes: heard.length,
        num_unavailable_nodes: silent.length,
        unavailable_nodes: silent.slice(0, unavailableMax).map(({name}) => name),
      })
    })
  }

  const notHere = (what: string) => (call: ServerWritableStream<unknown, unknown>) =>
    void call.emit(
      'error',
      refuse(status.UNIMPLEMENTED, `${what} are known to each node alone: ask the node's own server`),
    )

  return {
    GetFlows: getFlows as UntypedHandleCall,
    GetAgentEvents: notHere('agent events') as UntypedHandleCall,
    GetDebugEvents: notHere('debug events') as UntypedHandleCall,
    GetNodes: getNodes as UntypedHandleCall,
    GetNamespaces: getNamespaces as UntypedHandleCall,
    ServerStatus: serverStatus as UntypedHandleCall,
  }
}

async function relayFlows(
  {nodes, sortBufferLength, sortBufferDrainMs}: RelayObserverOptions,
  call: ServerWritableStream<api.GetFlowsRequest, api.GetFlowsResponse>,
  signal: AbortSignal,
  header: Metadata,
): Promise<void> {
  const {request} = call
  if (request.first === true && request.follow === true)
    throw refuse(status.INVALID_ARGUMENT, 'first and follow cannot be used together')
  call.sendMetadata(header)
  const {all} = nodes
  const connected = all.filter(({channel}) => channel.isConnected)
  const away = all.filter((node) => !connected.includes(node))
  const tell = (state: number, names: readonly string[], message?: string) =>
    send(
      call,
      {
        node_status: {state_change: state, node_names: [...names], ...(message === undefined ? {} : {message})},
        time: now(),
      },
      signal,
    )
  const namesOf = (some: readonly RelayNode[]) => some.map(({name}) => name)
  if (connected.length > 0) await tell(NodeState.NODE_CONNECTED, namesOf(connected))
  if (away.length > 0) await tell(NodeState.NODE_UNAVAILABLE, namesOf(away))

  const merge = new Merge<api.GetFlowsResponse>({
    timeOf: ({time = 0n}) => time,
    buffered: Math.max(sortBufferLength, waitingEach * connected.length),
    // what is remembered comes at once or not at all: order is worth more than a moment
    drainMs: request.follow === true ? sortBufferDrainMs : Math.max(sortBufferDrainMs, patienceMs),
    signal,
  })
  const errors = new NodeErrors((error: NodeError) => tell(NodeState.NODE_ERROR, error.names, error.message))
  const asked = new Map<string, RelayNode>()
  /** of the last flow that each node has told */
  const told = new Map<string, bigint>()
  let wrong: (Error & {code: number}) | undefined
  const ask = (node: RelayNode, what: api.GetFlowsRequest) => {
    asked.set(node.name, node)
    merge.add(node.channel.stream(api.ObserverService.GetFlows, what, signal, call.metadata.clone()), (thrown) => {
      const error = thrown as Error & {code: number; details?: string}
      // what one node refuses, all refuse: the client has to hear it
      if (error.code === status.INVALID_ARGUMENT) {
        wrong = refuse(status.INVALID_ARGUMENT, error.details ?? error.message) as typeof wrong
        merge.close()
        return
      }
      asked.delete(node.name)
      errors.add(node.name, error.details ?? error.message)
    })
  }
  for (const node of connected) ask(node, request)
  const look = () => {
    // one that comes while somebody follows has nothing old to tell; one that comes back goes on where it ended
    const {number: _, since: __, ...later} = request
    for (const node of nodes.connected) {
      if (asked.get(node.name) === node) continue
      void tell(NodeState.NODE_CONNECTED, [node.name])
      ask(node, {...later, since: (told.get(node.name) ?? now()) + 1n})
    }
    for (const [name, node] of asked) if (!nodes.all.includes(node)) asked.delete(name)
  }
  const timer = request.follow === true ? setInterval(look, lookEveryMs) : undefined
  if (timer === undefined) merge.close()
  try {
    for await (const response of merge.items()) {
      if (wrong !== undefined) break
      await send(call, response, signal)
      if (signal.aborted) return
      const {node_name: name = '', time = 0n} = response
      if (response.flow !== undefined && time > (told.get(name) ?? 0n)) told.set(name, time)
    }
    if (wrong !== undefined) throw wrong
    await errors.flush()
  } finally {
    clearInterval(timer)
    errors.end()
  }
}

function nodeModel(
  node: RelayNode,
  heard: {readonly answer: api.ServerStatusResponse | undefined} | undefined,
): api.Node {
  const {name, address, tlsName} = node
  const answer = heard?.answer
  return {
    name,
    address,
    state:
      heard === undefined
        ? NodeState.NODE_UNAVAILABLE
        : answer === undefined
          ? NodeState.NODE_ERROR
          : NodeState.NODE_CONNECTED,
    tls: {enabled: node.channel.secured, ...(tlsName === undefined ? {} : {server_name: tlsName})},
    ...(answer === undefined
      ? {}
      : {
          version: answer.version ?? '',
          uptime_ns: answer.uptime_ns ?? 0n,
          num_flows: answer.num_flows ?? 0n,
          max_flows: answer.max_flows ?? 0n,
          seen_flows: answer.seen_flows ?? 0n,
        }),
  }
}

async function askAll<R>(
  nodes: readonly RelayNode[],
  ask: (node: RelayNode) => Promise<R>,
): Promise<{node: RelayNode; answer: R | undefined}[]> {
  return Promise.all(
    nodes.map((node) =>
      ask(node).then(
        (answer) => ({node, answer}),
        () => ({node, answer: undefined}),
      ),
    ),
  )
}

function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n
}
