/** What the named entities of Cilium policies mean, in labels. */
import {derivedKeys} from '../model/labels.ts'
import {matchAll, type Selector} from '../model/selector.ts'
import {keyExists, keyIs, type PolicyOptions} from './options.ts'
import type {Peer} from './rule.ts'

const reserved = (...names: readonly string[]): Selector[] =>
  names.map((name) => matchAll([keyExists(name, 'reserved')]))

const world = ['world', 'world-ipv4', 'world-ipv6']
const oneByOne = [
  ...['host', 'remote-node', 'health', 'init', 'ingress', 'unmanaged', 'kube-apiserver'],
  ...['world-ipv4', 'world-ipv6'],
]
/** what belongs to a cluster without being an endpoint of a pod */
const ofCluster = ['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver']

/** The peers of an entity: none for `none`. @returns undefined when there is no such entity */
export function entityPeers(entity: unknown, options: PolicyOptions): Peer[] | undefined {
  if (typeof entity !== 'string') return undefined
  if (entity === 'all') return [{kind: 'all'}]
  if (entity === 'none') return []
  if (entity === 'world') return labels(reserved(...world))
  if (oneByOne.includes(entity)) return labels(reserved(entity))
  if (entity === 'cluster')
    return labels([...reserved(...ofCluster), matchAll([keyIs(derivedKeys.cluster, options.cluster)])])
  if (entity === 'cluster-mesh') return labels([...reserved(...ofCluster), matchAll([keyExists(derivedKeys.cluster)])])
  return undefined
}

function labels(selectors: readonly Selector[]): Peer[] {
  return selectors.map((selector) => ({kind: 'labels', selector}))
}
