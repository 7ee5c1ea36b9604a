/** Agent events as the monitor prints them. */
import {type AgentEvent, AgentEventType} from '../../api/gen/flow.ts'
import type {MonitorNotice} from '../../api/monitor-stream.ts'

const titles: Readonly<Record<number, string>> = {
  [AgentEventType.AGENT_STARTED]: 'Cilium agent started',
  [AgentEventType.POLICY_UPDATED]: 'Policy updated',
  [AgentEventType.POLICY_DELETED]: 'Policy deleted',
  [AgentEventType.ENDPOINT_REGENERATE_SUCCESS]: 'Endpoint regenerated',
  [AgentEventType.ENDPOINT_REGENERATE_FAILURE]: 'Failed endpoint regeneration',
  [AgentEventType.ENDPOINT_CREATED]: 'Endpoint created',
  [AgentEventType.ENDPOINT_DELETED]: 'Endpoint deleted',
  [AgentEventType.IPCACHE_UPSERTED]: 'IPCache entry upserted',
  [AgentEventType.IPCACHE_DELETED]: 'IPCache entry deleted',
}

/** Title and message, with the keys that existing readers of the monitor know. */
export function agentNotice(event: AgentEvent): MonitorNotice {
  return {title: titles[event.type ?? 0] ?? 'unspecified', message: message(event)}
}

function message(event: AgentEvent): unknown {
  const {agent_start: start, policy_update: policy, endpoint_regenerate: regenerated} = event
  const {endpoint_update: endpoint, ipcache_update: ipcache, unknown} = event
  if (start !== undefined) return {time: new Date(Number((start.time ?? 0n) / 1_000_000n)).toISOString()}
  if (policy !== undefined) {
    const {labels = [], revision = 0n, rule_count: count = 0n} = policy
    return {labels, revision: Number(revision), rule_count: Number(count)}
  }
  if (regenerated !== undefined) {
    const {id = 0n, labels = [], error = ''} = regenerated
    return {id: Number(id), labels, ...(error === '' ? {} : {error})}
  }
  if (endpoint !== undefined) {
    const {id = 0n, labels = [], pod_name: pod = '', namespace = '', error = ''} = endpoint
    return {id: Number(id), labels, ...(error === '' ? {} : {error}), 'pod-name': pod, namespace}
  }
  if (ipcache !== undefined) {
    const {cidr = '', identity = 0, old_identity: old, host_ip: host = '', encrypt_key: key = 0} = ipcache
    const {namespace = '', pod_name: pod = ''} = ipcache
    return {
      cidr,
      id: identity,
      ...(old === undefined ? {} : {'old-id': old}),
      ...(host === '' ? {} : {'host-ip': host}),
      'encrypt-key': key,
      namespace,
      'pod-name': pod,
    }
  }
  return unknown ?? {}
}
