/** Which object a policy is. */
import {join, type ObjectReader, own} from './object-reader.ts'
import type {PolicyKind, PolicyRef} from './rule.ts'

/** Reads the metadata; namespaced kinds need a namespace, for it is the limit of what they may affect. */
export function policyRef(kind: PolicyKind, object: unknown, read: ObjectReader): PolicyRef {
  const metadata = read.object(own(read.object(object, '') ?? {}, 'metadata'), 'metadata') ?? {}
  const name = read.string(metadata, 'name', 'metadata') ?? ''
  const namespace = read.string(metadata, 'namespace', 'metadata') ?? ''
  const clusterwide = kind === 'CiliumClusterwideNetworkPolicy'
  if (name === '') read.refuse(join('metadata', 'name'), 'is missing')
  if (!clusterwide && namespace === '') read.refuse(join('metadata', 'namespace'), 'is missing')
  const uid = read.string(metadata, 'uid', 'metadata') ?? ''
  return {kind, namespace: clusterwide ? '' : namespace, name, uid}
}
