/** What is to be counted: `name[:option[=value][;option…]]`, as in `drop:sourceContext=pod|ip;labelsContext=traffic_direction`. */
import {fail} from '../../runtime/errors.ts'
import {HUBBLE_METRIC_INVALID} from './errors.ts'

export interface MetricSpec {
  readonly name: string
  /** by name in lower case; an option without a value is `true` */
  readonly options: ReadonlyMap<string, string>
}

/** @throws HUBBLE_METRIC_INVALID */
export function parseMetricSpec(text: string): MetricSpec {
  const [, name, rest = ''] = /^([A-Za-z0-9-]+)(?::(.*))?$/s.exec(text.trim()) ?? []
  if (name === undefined) return fail(HUBBLE_METRIC_INVALID, {spec: text.slice(0, 100), detail: 'it has no name'})
  const options = new Map<string, string>()
  for (const part of rest.split(/[;,](?=[A-Za-z]+(?:=|;|$))|;/).map((one) => one.trim())) {
    if (part === '') continue
    const [option = '', value = 'true'] = part.split(/=(.*)/s, 2)
    options.set(option.toLowerCase(), value)
  }
  return {name, options}
}
