/** The Observer service of one node. */
import type {ServerUnaryCall, ServerWritableStream, sendUnaryData, UntypedHandleCall} from '@grpc/grpc-js'
import {status} from '@grpc/grpc-js'
import type * as api from '../../api/gen/observer.ts'
import {compileMask} from '../flow/field-mask.ts'
import type {EventPump} from '../observe/event-pump.ts'
import type {FlowBuilder} from '../observe/flow-builder.ts'
import {FlowQuery} from '../observe/flow-query.ts'
import type {AgentEvents} from './agent-events.ts'
import {refuse, send, stream, versionHeader} from './grpc-call.ts'
import {seenNamespaces} from './namespaces.ts'

export interface ObserverOptions {
  readonly pump: EventPump
  readonly builder: FlowBuilder
  readonly agentEvents: AgentEvents
  /** `cluster/node` */
  readonly nodeName: string
  readonly clusterName: string
  readonly version: string
}

type Unary<Q, R> = (call: ServerUnaryCall<Q, R>, done: sendUnaryData<R>) => void
type Streaming<Q, R> = (call: ServerWritableStream<Q, R>) => void

export function observerHandlers(options: ObserverOptions): Record<string, UntypedHandleCall> {
  const {pump, builder, agentEvents, nodeName, version} = options
  const started = process.hrtime.bigint()
  const header = () => versionHeader('hubble-server-version', version)

  const getFlows: Streaming<api.GetFlowsRequest, api.GetFlowsResponse> = (call) =>
    stream(call, async (signal) => {
      const {request} = call
      if (request.first === true && request.follow === true) {
        throw refuse(status.INVALID_ARGUMENT, 'first and follow cannot be used together')
      }
      const mask = compileMask(request.field_mask)
      const query = new FlowQuery({pump, builder, nodeName}, request)
      call.sendMetadata(header())
      for await (const batch of query.batches(signal)) {
        for (const response of batch) {
          const shown =
            mask === undefined || response.flow === undefined ? response : {...response, flow: mask(response.flow)}
          await send(call, shown, signal)
          if (signal.aborted) return
        }
      }
    })

  const getAgentEvents: Streaming<api.GetAgentEventsRequest, api.GetAgentEventsResponse> = (call) =>
    stream(call, async (signal) => {
      const {number = 0n, first = false, follow = false, since, until} = call.request
      if (first && follow) throw refuse(status.INVALID_ARGUMENT, 'first and follow cannot be used together')
      call.sendMetadata(header())
      const queue: api.GetAgentEventsResponse[] = []
      const response = ({time, event}: (typeof agentEvents.recent)[number]) => ({
        agent_event: event,
        node_name: nodeName,
        time,
      })
      let wake = () => {}
      const unfollow = follow
        ? agentEvents.follow((one) => {
            // one that does not read is not waited for
            if (queue.length < 1024) queue.push(response(one))
            wake()
          })
        : () => {}
      try {
        const wanted = agentEvents.recent.filter(
          ({time}) => (since === undefined || time >= since) && (until === undefined || follow || time <= until),
        )
        const count = number === 0n ? wanted.length : Number(number)
        const shown =
          number === 0n && follow && since === undefined ? [] : first ? wanted.slice(0, count) : wanted.slice(-count)
        for (const one of shown) await send(call, response(one), signal)
        signal.addEventListener('abort', () => wake(), {once: true})
        while (follow && !signal.aborted) {
          const next = queue.shift()
          if (next !== undefined) await send(call, next, signal)
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        unfollow()
      }
    })

  // the programs write no debug messages: there is nothing to tell, now or later
  const getDebugEvents: Streaming<api.GetDebugEventsRequest, api.GetDebugEventsResponse> = (call) =>
    stream(call, async (signal) => {
      call.sendMetadata(header())
      if (call.request.follow !== true) return
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), {once: true}))
    })

  const getNodes: Unary<api.GetNodesRequest, api.GetNodesResponse> = (_, done) =>
    done(refuse(status.UNIMPLEMENTED, 'nodes are known to the relay: ask hubble-relay'))

  const getNamespaces: Unary<api.GetNamespacesRequest, api.GetNamespacesResponse> = (call, done) => {
    call.sendMetadata(header())
    done(null, {namespaces: seenNamespaces(pump, builder, options.clusterName)})
  }

  const serverStatus: Unary<api.ServerStatusRequest, api.ServerStatusResponse> = (call, done) => {
    call.sendMetadata(header())
    done(null, {
      num_flows: BigInt(pump.store.size),
      max_flows: BigInt(pump.store.capacity),
      seen_flows: BigInt(pump.store.next),
      uptime_ns: process.hrtime.bigint() - started,
      version,
      flows_rate: pump.rate,
    })
  }

  return {
    GetFlows: getFlows as UntypedHandleCall,
    GetAgentEvents: getAgentEvents as UntypedHandleCall,
    GetDebugEvents: getDebugEvents as UntypedHandleCall,
    GetNodes: getNodes as UntypedHandleCall,
    GetNamespaces: getNamespaces as UntypedHandleCall,
    ServerStatus: serverStatus as UntypedHandleCall,
  }
}
