/** What reflectors read of every Kubernetes object. All of it may be missing: nothing that users write is trusted. */
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'

export interface Metadata {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  readonly labels?: Readonly<Record<string, string>> | null
  readonly annotations?: Readonly<Record<string, string>> | null
  readonly deletionTimestamp?: string
  readonly ownerReferences?:
    | readonly {
        readonly uid?: string
        readonly kind?: string
        readonly name?: string
        readonly controller?: boolean
      }[]
    | null
}

/** The entries whose value is a text; anything else is left out. */
export function texts(record: Readonly<Record<string, unknown>> | null | undefined): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [key, value] of Object.entries(record ?? {})) if (typeof value === 'string') kept[key] = value
  return kept
}

/** A list, whatever was there instead. */
export function list<T>(value: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]).filter((one) => one !== null && one !== undefined) : []
}

/** Those of the values that are addresses. */
export function ips(values: readonly unknown[]): Ip[] {
  return values
    .map((value) => (typeof value === 'string' ? Ip.parse(value) : undefined))
    .filter((ip) => ip !== undefined)
}

/** Those of the values that are prefixes. */
export function cidrs(values: readonly unknown[]): Cidr[] {
  return values
    .map((value) => (typeof value === 'string' ? Cidr.parse(value) : undefined))
    .filter((cidr) => cidr !== undefined)
}
