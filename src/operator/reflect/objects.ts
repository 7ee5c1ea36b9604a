/** Kubernetes objects → rows. Nothing that users wrote is trusted; what is missing becomes empty. */
import type {CiliumEndpoint, CiliumIdentity, CiliumNode, Node, Pod} from '../../k8s/resources.ts'
import {heartbeatAnnotation} from '../../model/identity.ts'
import {Ip} from '../../model/ip.ts'
import type {CiliumNodeRow, EndpointRow, IdentityRow, NodeRow, PodRow} from '../rows.ts'

const keepAnnotation = 'cilium.io/do-not-gc'
const agentLabel = {key: 'k8s-app', value: 'cilium'}

export function nodeRow({metadata, spec, status}: Node): NodeRow {
  const network = list(status?.conditions).find(({type}) => type === 'NetworkUnavailable')
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    addresses: list(status?.addresses)
      .filter(({type}) => type === 'InternalIP' || type === 'ExternalIP')
      .map(({address}) => Ip.parse(address))
      .filter((ip) => ip !== undefined),
    taints: list(spec?.taints),
    network: network === undefined ? undefined : {status: network.status, reason: network.reason ?? ''},
  }
}

export function ciliumNodeRow({metadata, spec, status}: CiliumNode): CiliumNodeRow {
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    created: metadata.creationTimestamp ?? '',
    podCidrs: list(spec?.ipam?.podCIDRs).map(String),
    error: status?.ipam?.['operator-status']?.error ?? '',
    keep: metadata.annotations?.[keepAnnotation] !== undefined,
  }
}

/** The part of a pod that few others read. */
export type StartedPod = Pod & {readonly status?: {readonly startTime?: string}}

/** @param agentNamespace where our agents run */
export function podRow({metadata, spec, status}: StartedPod, agentNamespace: string): PodRow {
  const labels = metadata.labels ?? {}
  const started = Date.parse(status?.startTime ?? '')
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    node: spec?.nodeName ?? '',
    ended: status?.phase === 'Succeeded' || status?.phase === 'Failed',
    ready: list(status?.conditions).some(({type, status}) => type === 'Ready' && status === 'True'),
    hostNetwork: spec?.hostNetwork === true,
    terminating: metadata.deletionTimestamp !== undefined,
    startedMs: Number.isNaN(started) ? undefined : started,
    agent: metadata.namespace === agentNamespace && labels[agentLabel.key] === agentLabel.value,
  }
}

export function endpointRow({metadata, status}: CiliumEndpoint): EndpointRow {
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    identity: status?.identity?.id,
    podUid: list(metadata.ownerReferences).find(({kind}) => kind === 'Pod')?.uid,
  }
}

export function identityRow(object: CiliumIdentity): IdentityRow {
  const {metadata} = object
  const marked = Date.parse(metadata.annotations?.[heartbeatAnnotation] ?? '')
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    id: /^[1-9]\d{0,7}$/.test(metadata.name) ? Number(metadata.name) : undefined,
    labels: JSON.stringify(Object.entries(object['security-labels'] ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))),
    markedMs: Number.isNaN(marked) ? undefined : marked,
  }
}

function list<T>(value: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : []
}
