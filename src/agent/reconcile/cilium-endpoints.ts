/** Tells other nodes of this node's pods: a CiliumEndpoint each. */
import {k8sErrors} from '../../k8s/errors.ts'
import type {Objects} from '../../k8s/objects.ts'
import type {CiliumEndpoint} from '../../k8s/resources.ts'
import type {Ip} from '../../model/ip.ts'
import {hasCode} from '../../runtime/errors.ts'
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {EndpointRow, PodRow, RemoteEndpointRow} from '../state/rows.ts'

export interface CiliumEndpointsOptions {
  readonly objects: Objects<CiliumEndpoint>
  readonly podOf: (row: EndpointRow) => PodRow | undefined
  /** address of this node that tunnels to it have */
  readonly nodeIp: () => Ip | undefined
  /** CiliumEndpoints of all nodes as the API server has them */
  readonly known: () => Iterable<RemoteEndpointRow>
  readonly enforcing: (row: EndpointRow) => {readonly ingress: boolean; readonly egress: boolean}
}

/**
 * Why writing is safe at any time: the object belongs to the pod with our container id. One of an older pod of the same
 * name is taken over; one that a newer pod on another node has written is left alone when ours goes.
 */
export function ciliumEndpointReconciler(options: CiliumEndpointsOptions): Reconciler<EndpointRow> {
  const {objects} = options
  return {
    async update(row) {
      if (row.kind !== 'pod' || row.pod === '' || row.identity === undefined) return
      const wanted = objectOf(row, options)
      try {
        await objects.create(wanted)
      } catch (thrown) {
        if (!hasCode(thrown, k8sErrors.K8S_ALREADY_EXISTS)) throw thrown
        const {ownerReferences, labels} = wanted.metadata
        await objects.mergePatch(refOf(row), {metadata: {ownerReferences, labels}, status: wanted.status})
      }
    },
    async remove(row) {
      if (row.kind !== 'pod' || row.pod === '') return
      const found = await objects.find(refOf(row))
      if (found?.status?.['external-identifiers']?.['container-id'] !== row.containerId) return
      const uid = found.metadata.uid
      await objects.delete(refOf(row), uid === undefined ? {} : {uid})
    },
    async prune(rows) {
      const ours = options.nodeIp()
      if (ours === undefined) return
      const wanted = new Set(rows.map((row) => `${row.namespace}/${row.pod}`))
      for (const known of [...options.known()]) {
        if (known.nodeIp?.equals(ours) !== true || wanted.has(`${known.namespace}/${known.name}`)) continue
        await objects.delete({namespace: known.namespace, name: known.name}, {uid: known.uid})
      }
    },
  }
}

function refOf(row: EndpointRow): {readonly namespace: string; readonly name: string} {
  return {namespace: row.namespace, name: row.pod}
}

function objectOf(row: EndpointRow, options: CiliumEndpointsOptions): CiliumEndpoint {
  const pod = options.podOf(row)
  const uid = row.podUid || pod?.uid
  const nodeIp = options.nodeIp()
  const {ingress, egress} = options.enforcing(row)
  const policy = (enforcing: boolean) => ({enforcing, state: enforcing ? 'enforcing' : 'disabled'})
  return {
    metadata: {
      namespace: row.namespace,
      name: row.pod,
      labels: pod?.labels ?? {},
      ...(uid === undefined || uid === ''
        ? {}
        : {ownerReferences: [{apiVersion: 'v1', kind: 'Pod', name: row.pod, uid}]}),
    },
    status: {
      id: row.id,
      state: row.state,
      identity: {id: row.identity!, labels: row.labels?.toStrings() ?? []},
      networking: {
        addressing: [
          {
            ...(row.ipv4 === undefined ? {} : {ipv4: String(row.ipv4)}),
            ...(row.ipv6 === undefined ? {} : {ipv6: String(row.ipv6)}),
          },
        ],
        ...(nodeIp === undefined ? {} : {node: String(nodeIp)}),
      },
      policy: {ingress: policy(ingress), egress: policy(egress)},
      'external-identifiers': {
        'container-id': row.containerId,
        'cni-attachment-id': `${row.containerId}:${row.ifname}`,
        'k8s-namespace': row.namespace,
        'k8s-pod-name': row.pod,
        'pod-name': `${row.namespace}/${row.pod}`,
      },
      'named-ports': (pod?.namedPorts ?? []).map(({name, port, protocol}) => ({name, port, protocol})),
    },
  }
}
