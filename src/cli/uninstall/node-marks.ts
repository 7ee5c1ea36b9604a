/** What we write on Node objects, and its removal. */

import {objects} from '../../k8s/objects.ts'
import type {Node} from '../../k8s/resources.ts'
import {resources} from '../../k8s/resources.ts'
import type {ClusterAccess} from '../install/cluster-access.ts'

const ourAnnotation = /^(network\.cilium\.io\/|io\.cilium\.network\.)/
const ourTaint = /^node\.cilium\.io\//
const ourFinalizer = /(^|\.)cilium\.io(\/|$)/

/** Names of nodes that carry marks of ours: annotations, taints, finalizers, the condition that says we serve them. */
export async function markedNodes(access: ClusterAccess): Promise<readonly string[]> {
  const nodes = await access.list<Node>('/api/v1/nodes')
  return nodes.filter(isMarked).map(({metadata}) => metadata.name)
}

/** Takes the marks away. A node that is gone has none. */
export async function unmarkNode(access: ClusterAccess, name: string, signal: AbortSignal): Promise<void> {
  const nodes = objects<Node>(access.client, resources.nodes)
  const node = await nodes.find({name}, {signal})
  if (node === undefined || !isMarked(node)) return
  if (hasMetadataMarks(node)) await nodes.modify({name}, withoutMarks, {signal})
  if (hasCondition(node)) await nodes.modify({name}, withoutCondition, {signal, subresource: 'status'})
}

function isMarked(node: Node): boolean {
  return hasMetadataMarks(node) || hasCondition(node)
}

function hasMetadataMarks({metadata, spec}: Node): boolean {
  return (
    Object.keys(metadata.annotations ?? {}).some((key) => ourAnnotation.test(key)) ||
    (metadata.finalizers ?? []).some((key) => ourFinalizer.test(key)) ||
    (spec?.taints ?? []).some(({key}) => ourTaint.test(key))
  )
}

function hasCondition({status}: Node): boolean {
  return (status?.conditions ?? []).some(isOurCondition)
}

function isOurCondition({type, reason}: {readonly type: string; readonly reason?: string}): boolean {
  return type === 'NetworkUnavailable' && reason?.startsWith('Cilium') === true
}

function withoutMarks(node: Node): Node {
  const {annotations = {}, finalizers, ...metadata} = node.metadata
  const kept = Object.fromEntries(Object.entries(annotations).filter(([key]) => !ourAnnotation.test(key)))
  const taints = (node.spec?.taints ?? []).filter(({key}) => !ourTaint.test(key))
  return {
    ...node,
    metadata: {
      ...metadata,
      annotations: kept,
      ...(finalizers === undefined ? {} : {finalizers: finalizers.filter((key) => !ourFinalizer.test(key))}),
    },
    spec: {...node.spec, taints},
  }
}

function withoutCondition(node: Node): Node {
  const conditions = (node.status?.conditions ?? []).filter((condition) => !isOurCondition(condition))
  return {...node, status: {...node.status, conditions}}
}
