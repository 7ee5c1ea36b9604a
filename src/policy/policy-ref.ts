/** Which object a policy is, and what is said of all of it. */
import {type Fields, join, type ObjectReader, own, show} from './object-reader.ts'
import {type DenyResponse, denyResponses, type PolicyKind, type PolicyRef} from './rule.ts'

/** Says what the senders of packets are told that the policy denies. */
export const denyResponseAnnotation = 'policy.cilium.io/deny-response'

/** Reads the metadata; namespaced kinds need a namespace, for it is the limit of what they may affect. */
export function policyRef(kind: PolicyKind, object: unknown, read: ObjectReader): PolicyRef {
  const metadata = read.object(own(read.object(object, '') ?? {}, 'metadata'), 'metadata') ?? {}
  const name = read.string(metadata, 'name', 'metadata') ?? ''
  const namespace = read.string(metadata, 'namespace', 'metadata') ?? ''
  const clusterwide = kind === 'CiliumClusterwideNetworkPolicy'
  if (name === '') read.refuse(join('metadata', 'name'), 'is missing')
  if (!clusterwide && namespace === '') read.refuse(join('metadata', 'namespace'), 'is missing')
  const uid = read.string(metadata, 'uid', 'metadata') ?? ''
  const denyResponse = readDenyResponse(metadata, read)
  return {
    ...{kind, namespace: clusterwide ? '' : namespace, name, uid},
    ...(denyResponse === undefined ? {} : {denyResponse}),
  }
}

function readDenyResponse(metadata: Fields, read: ObjectReader): DenyResponse | undefined {
  const annotations = read.object(own(metadata, 'annotations'), 'metadata.annotations') ?? {}
  const value = own(annotations, denyResponseAnnotation)
  if (value === undefined) return undefined
  const known = denyResponses.find((one) => one === value)
  if (known === undefined) {
    read.refuse(
      `metadata.annotations[${denyResponseAnnotation}]`,
      `must be one of ${denyResponses.join(', ')}, not ${show(value)}`,
    )
  }
  return known
}
