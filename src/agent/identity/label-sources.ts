/** Counts identities by the sources of their labels (`cilium_identity_label_sources`), as they come and go. */
import {builtInIdentities, reservedIdentities, reservedLabels} from '../../model/identity.ts'
import type {LabelSet} from '../../model/labels.ts'
import type {MetricRegistry} from '../../runtime/metrics.ts'
import type {Tables} from '../state/tables.ts'

export function registerLabelSources(
  registry: MetricRegistry,
  {identities, nodeIdentities}: Pick<Tables, 'identities' | 'nodeIdentities'>,
): void {
  const gauge = registry.gauge({
    name: 'cilium_identity_label_sources',
    help: 'identities that have a label of this source',
    labels: ['source'],
  })
  const count = (labels: LabelSet | undefined, step: 1 | -1) => {
    for (const source of sourcesOf(labels)) gauge.labels(source).inc(step)
  }
  const host = reservedLabels(reservedIdentities.host)
  for (const id of builtInIdentities) count(reservedLabels(id), 1)
  for (const table of [identities, nodeIdentities]) {
    table.subscribe((changes) => {
      for (const {row, old} of changes) {
        // what this node's own identity says in full stands in place of its built-in labels
        if ((row ?? old)!.id === reservedIdentities.host) {
          count(old?.labels ?? host, -1)
          count(row?.labels ?? host, 1)
          continue
        }
        count(old?.labels, -1)
        count(row?.labels, 1)
      }
    })
  }
}

function sourcesOf(labels: LabelSet | undefined): ReadonlySet<string> {
  return new Set(Array.from(labels ?? [], ({source}) => source))
}
