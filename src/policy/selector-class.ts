/** What kind of peers a selector is about, for counting: as the entities mean them. */
import {formatSelector, type Selector} from '../model/selector.ts'
import {entityPeers} from './entities.ts'
import type {PolicyOptions} from './options.ts'

/** `fqdn`: names, of which nothing is known without the proxy */
export const selectorClasses = ['fqdn', 'cluster', 'world', 'other'] as const
export type SelectorClass = (typeof selectorClasses)[number]

/** Tells the class of selectors of a cluster with these options. */
export function selectorClassifier(options: PolicyOptions): (selector: Selector) => SelectorClass {
  const textsOf = (...entities: readonly string[]) =>
    new Set(
      entities
        .flatMap((entity) => entityPeers(entity, options) ?? [])
        .flatMap((peer) => (peer.kind === 'labels' ? [formatSelector(peer.selector)] : [])),
    )
  const [world, cluster] = [textsOf('world'), textsOf('cluster', 'cluster-mesh')]
  return (selector) => {
    const text = formatSelector(selector)
    return world.has(text) ? 'world' : cluster.has(text) ? 'cluster' : 'other'
  }
}
