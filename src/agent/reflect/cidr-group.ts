/** CiliumCIDRGroups → rows. A prefix that cannot be read belongs to no group. */
import {Cidr} from '../../model/cidr.ts'
import type {CidrGroupRow} from '../policy/rows.ts'
import {list, type Metadata, texts} from './object.ts'
import {short} from './service.ts'

export interface CidrGroupObject {
  readonly metadata?: Metadata
  readonly spec?: {readonly externalCIDRs?: readonly unknown[] | null}
}

export function cidrGroupRow({metadata, spec}: CidrGroupObject): CidrGroupRow {
  const found = list(spec?.externalCIDRs).map((text) => ({
    text,
    cidr: typeof text === 'string' ? Cidr.parseOrHost(text) : undefined,
  }))
  return {
    name: metadata?.name ?? '',
    labels: texts(metadata?.labels),
    cidrs: found.map(({cidr}) => cidr).filter((cidr) => cidr !== undefined),
    problems: found.flatMap(({text, cidr}, index) =>
      cidr === undefined ? [{path: `spec.externalCIDRs[${index}]`, reason: `not a prefix: ${short(text)}`}] : [],
    ),
  }
}
