import {isIP} from 'node:net'
import type {Identity, IPListEntry} from '../../api/models.ts'
import {type Row, table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {listIdentities} from './identity.ts'

export type AddressEntries = readonly IPListEntry[]

export interface AddressReport {
  readonly entries: AddressEntries
  /** labels by identity number; undefined when numbers were asked for */
  readonly identities: ReadonlyMap<number, Identity> | undefined
}

/** Addresses that the agent knows with their identity; with a prefix, only those inside it. */
export async function listAddresses(
  agent: AgentOptions,
  options: {readonly numeric: boolean; readonly cidr?: string},
): Promise<AddressReport> {
  const prefix = options.cidr
  const entries = await askAgent<readonly IPListEntry[] | null>(agent, '/ip', {
    query: {cidr: prefix === undefined || prefix.includes('/') ? prefix : `${prefix}/${isIP(prefix) === 6 ? 128 : 32}`},
    notFound: {what: `an address in ${prefix}`, advice: '"cilium-dbg ip list" shows those there are'},
  })
  const sorted = [...(entries ?? [])].sort((a, b) => (a.cidr < b.cidr ? -1 : 1))
  if (options.numeric) return {entries: sorted, identities: undefined}
  const identities = await listIdentities(agent, [])
  return {entries: sorted, identities: new Map(identities.map((identity) => [identity.id ?? 0, identity]))}
}

export function addressTable({entries, identities}: AddressReport, {verbose}: {readonly verbose: boolean}): string {
  const header = ['IP', 'IDENTITY', 'SOURCE', ...(verbose ? ['HOST', 'ENCRYPT_KEY'] : [])]
  return table([header, ...entries.flatMap((entry) => addressRows(entry, identities, verbose))])
}

function addressRows(entry: IPListEntry, identities: AddressReport['identities'], verbose: boolean): Row[] {
  const {cidr, identity, metadata, hostIP, encryptKey} = entry
  const labels = [...(identities?.get(identity)?.labels ?? [])].sort().map(clean)
  const [first = String(identity), ...others] = labels
  const more = verbose ? [clean(hostIP ?? ''), String(encryptKey ?? 0)] : []
  return [
    [clean(cidr), first, clean(metadata?.source ?? ''), ...more],
    ...others.map((label) => ['', label, '', ...(verbose ? ['', ''] : [])]),
  ]
}
