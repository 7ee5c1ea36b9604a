/** Describes this node to the others: its CiliumNode, and annotations of the Node when asked for. */
import {k8sErrors} from '../../k8s/errors.ts'
import type {Objects} from '../../k8s/objects.ts'
import type {CiliumNode, Node} from '../../k8s/resources.ts'
import {hasCode} from '../../runtime/errors.ts'
import type {Reconciler} from '../../runtime/reconciler.ts'
import type {OwnNodeRow} from '../state/rows.ts'

export interface CiliumNodeOptions {
  readonly ciliumNodes: Objects<CiliumNode>
  readonly nodes: Objects<Node>
  /** ipam=kubernetes: we say which ranges the node has; otherwise the operator does, and its fields stay */
  readonly writesPodCidrs: boolean
  readonly annotate: boolean
}

export function ciliumNodeReconciler(options: CiliumNodeOptions): Reconciler<OwnNodeRow> {
  const {ciliumNodes, nodes, annotate} = options
  return {
    async update(row) {
      const wanted = objectOf(row, options)
      const {addresses, health, bootid} = wanted.spec!
      try {
        await ciliumNodes.create(wanted)
      } catch (thrown) {
        if (!hasCode(thrown, k8sErrors.K8S_ALREADY_EXISTS)) throw thrown
        const {ownerReferences} = wanted.metadata
        const labels = row.labels && replacing(row.labels, (await ciliumNodes.get({name: row.name})).metadata.labels)
        await ciliumNodes.mergePatch(
          {name: row.name},
          {
            metadata: {
              ...(labels === undefined ? {} : {labels}),
              ...(ownerReferences === undefined ? {} : {ownerReferences}),
            },
            spec: {addresses, bootid, health, ...(options.writesPodCidrs ? {ipam: wanted.spec!.ipam} : {})},
          },
        )
      }
      if (annotate) await nodes.mergePatch({name: row.name}, {metadata: {annotations: annotationsOf(row)}})
    },
    remove() {
      // the object goes with its Node, or by the operator: other nodes still need it while this agent is away
    },
  }
}

type Labels = Readonly<Record<string, string>>

/** A merge patch: a label that the node has no more would go on letting it in elsewhere. */
function replacing(wanted: Labels, there: Labels = {}): Record<string, string | null> {
  const gone = Object.keys(there).filter((key) => !Object.hasOwn(wanted, key))
  return {...wanted, ...Object.fromEntries(gone.map((key) => [key, null]))}
}

function objectOf(row: OwnNodeRow, options: CiliumNodeOptions): CiliumNode {
  const health = byFamily(row.healthIps)
  return {
    metadata: {
      name: row.name,
      ...(row.labels === undefined ? {} : {labels: row.labels}),
      ...(row.uid === '' ? {} : {ownerReferences: [{apiVersion: 'v1', kind: 'Node', name: row.name, uid: row.uid}]}),
    },
    spec: {
      bootid: row.bootId,
      addresses: [
        ...row.internalIps.map((ip) => ({type: 'InternalIP', ip: String(ip)})),
        ...row.externalIps.map((ip) => ({type: 'ExternalIP', ip: String(ip)})),
        ...row.routerIps.map((ip) => ({type: 'CiliumInternalIP', ip: String(ip)})),
      ],
      health,
      ipam: options.writesPodCidrs ? {podCIDRs: row.podCidrs.map(String)} : {},
    },
  }
}

function annotationsOf(row: OwnNodeRow): Record<string, string> {
  const annotations: Record<string, string> = {}
  for (const cidr of row.podCidrs) annotations[`network.cilium.io/ipv${cidr.family}-pod-cidr`] ??= String(cidr)
  for (const ip of row.routerIps) annotations[`network.cilium.io/ipv${ip.family}-cilium-host`] ??= String(ip)
  for (const ip of row.healthIps) annotations[`network.cilium.io/ipv${ip.family}-health-ip`] ??= String(ip)
  return annotations
}

function byFamily(ips: OwnNodeRow['healthIps']): {ipv4?: string; ipv6?: string} {
  const find = (family: 4 | 6) => ips.find((ip) => ip.family === family)?.toString()
  const [ipv4, ipv6] = [find(4), find(6)]
  return {...(ipv4 === undefined ? {} : {ipv4}), ...(ipv6 === undefined ? {} : {ipv6})}
}
