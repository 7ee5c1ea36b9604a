import type {Namespace} from '../../api/gen/observer.ts'
import type {EventPump} from '../observe/event-pump.ts'
import type {FlowBuilder} from '../observe/flow-builder.ts'

const hourNs = 3_600_000_000_000

/** Namespaces of the ends of the flows of the last hour. */
export function seenNamespaces(pump: EventPump, builder: FlowBuilder, cluster: string): Namespace[] {
  const {store} = pump
  const found = new Map<string, Namespace>()
  const looked = new Set<string>()
  const newest = store.size === 0 ? 0 : store.times[store.slot(store.next - 1)]!
  for (let sequence = store.next - 1; sequence >= store.oldest; sequence--) {
    const slot = store.slot(sequence)
    if (store.times[slot]! < newest - hourNs) break
    // who has been looked at once says the same again
    const ends = `${endText(builder, 'src', slot)} ${endText(builder, 'dst', slot)}`
    if (looked.has(ends)) continue
    looked.add(ends)
    const {source, destination} = builder.build(sequence)
    for (const end of [source, destination]) {
      if (end?.namespace === undefined || end.namespace === '') continue
      const namespace: Namespace = {cluster: end.cluster_name ?? cluster, namespace: end.namespace}
      found.set(`${namespace.cluster}/${namespace.namespace}`, namespace)
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, namespace]) => namespace)
}

function endText(builder: FlowBuilder, end: 'src' | 'dst', slot: number): string {
  return builder.columns
    .address(end)
    .map((column) => column[slot]!.toString(36))
    .join('.')
}
