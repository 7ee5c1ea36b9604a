/** A flow as the table and its details show it. */
import type {Endpoint, Flow} from '../../api/gen/flow.ts'
import {VerdictEnum} from '../../api/gen/flow.ts'
import {enumName} from '../../api/wire/json.ts'
import {dropText, explain, identityText, summaryText, typeText} from '../flow/flow-text.ts'
import {nodeOf, outcomeOf, protocolOf} from './flow-ends.ts'
import {policyNames} from './policy-names.ts'
import {shown} from './shown-text.ts'
import type {FlowRow, RowEnd} from './wire.ts'

const labelsMax = 64

/** @param sequence of the flow in its stream: an id for those without one */
export function flowRow(flow: Flow, sequence: number): FlowRow {
  const {verdict = 0, traffic_direction: direction = 0} = flow
  const outcome = outcomeOf(flow) ?? 'forwarded'
  const failed = outcome === 'denied' || outcome === 'dropped'
  const [cause = '', command = ''] = (explain(flow) ?? '').split('; look further: ')
  return {
    id: flow.uuid === undefined || flow.uuid === '' ? `${sequence}` : shown(flow.uuid),
    timeMs: Number((flow.time ?? 0n) / 1_000_000n),
    outcome,
    verdict: enumName(VerdictEnum, verdict) ?? String(verdict),
    source: rowEnd(flow, 'source'),
    destination: rowEnd(flow, 'destination'),
    protocol: protocolOf(flow),
    type: shown(typeText(flow)),
    summary: shown(summaryText(flow)),
    reason: failed ? shown(cause || dropText(flow.drop_reason_desc || (flow.drop_reason ?? 0))) : '',
    advice: failed ? shown(command) : '',
    policies: policyNames(flow),
    direction: direction === 1 ? 'ingress' : direction === 2 ? 'egress' : '',
    reply: flow.is_reply === true,
    node: shown(flow.node_name ?? ''),
    interface: shown(flow.interface?.name ?? ''),
  }
}

function rowEnd(flow: Flow, side: 'source' | 'destination'): RowEnd {
  const end: Endpoint = flow[side] ?? {}
  const node = nodeOf(end)
  const transport = flow.l4?.TCP ?? flow.l4?.UDP ?? flow.l4?.SCTP
  const service = side === 'source' ? flow.source_service : flow.destination_service
  const dns = (side === 'source' ? flow.source_names : flow.destination_names) ?? []
  const names =
    service?.name === undefined || service.name === '' ? dns : [`${service.namespace ?? ''}/${service.name}`, ...dns]
  return {
    node: node.id,
    name: node.name,
    namespace: node.namespace,
    pod: shown(end.pod_name ?? ''),
    ip: shown(flow.IP?.[side] ?? ''),
    port: (side === 'source' ? transport?.source_port : transport?.destination_port) ?? 0,
    identity: end.identity ?? 0,
    identityText: identityText(end.identity ?? 0),
    labels: (end.labels ?? []).slice(0, labelsMax).map(shown),
    names: names.slice(0, labelsMax).map(shown),
  }
}
