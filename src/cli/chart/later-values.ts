/** Values of Cilium that the chart knows and does not offer: its own table, which Helm users meet too. */
import type {Chart} from './chart.ts'
import {renderDefine} from './render.ts'
import {fromYaml} from './template/go-yaml.ts'
import type {Value} from './template/value.ts'

/** Path → values that ask for nothing and are accepted; sorted by path. */
export function laterValues(chart: Chart): ReadonlyMap<string, readonly Value[]> {
  const table = fromYaml(renderDefine(chart, 'cilium.later'))
  return new Map(
    Object.keys(table)
      .sort()
      .map((path) => [path, table[path] as Value[]]),
  )
}
