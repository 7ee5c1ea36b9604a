/** Services → what `toServices` needs of them. */
import type {Service} from '../../k8s/resources.ts'
import type {PolicyServiceRow} from '../policy/rows.ts'
import {texts} from './object.ts'

export function policyServiceRow({metadata, spec}: Service): PolicyServiceRow {
  const selector = texts((spec as {selector?: Readonly<Record<string, unknown>>} | undefined)?.selector)
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    labels: texts(metadata?.labels),
    selector: Object.keys(selector).length === 0 ? undefined : selector,
  }
}
