/** The names that the outside's DNS server knows. Pure. */
import {outsideAddresses} from '../plan.ts'

export interface HostRecord {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

const host = (...which: (keyof typeof outsideAddresses)[]): HostRecord => ({
  ipv4: which.map((one) => outsideAddresses[one].ipv4),
  ipv6: which.map((one) => outsideAddresses[one].ipv6),
})

/** By name in lower case without the last dot. A name that begins with `*.` stands for every name below. */
export const zone: ReadonlyMap<string, HostRecord> = new Map([
  ['outside.lab', host('main')],
  ['*.outside.lab', host('main')],
  ['other.lab', host('other')],
  ['*.other.lab', host('other')],
  ['both.lab', host('main', 'other')],
  ['one.one.one.one', host('one')],
  ['k8s.io', host('other')],
  ['cilium.io', host('main')],
])

/** Other names for hosts of the zone. */
export const aliases: ReadonlyMap<string, string> = new Map([['alias.lab', 'www.outside.lab']])

export type Found =
  | {readonly kind: 'host'; readonly record: HostRecord}
  | {readonly kind: 'alias'; readonly target: string}
  | {readonly kind: 'none'}

/** @param name in any case, with or without the last dot */
export function lookUp(name: string): Found {
  const wanted = name.toLowerCase().replace(/\.$/, '')
  const target = aliases.get(wanted)
  if (target !== undefined) return {kind: 'alias', target}
  const labels = wanted.split('.')
  const tries = [wanted, ...labels.slice(1).map((_, i) => `*.${labels.slice(i + 1).join('.')}`)]
  for (const one of tries) {
    const record = zone.get(one)
    if (record !== undefined) return {kind: 'host', record}
  }
  return {kind: 'none'}
}
