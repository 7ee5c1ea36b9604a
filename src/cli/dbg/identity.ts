import type {Identity, IdentityEndpoints} from '../../api/models.ts'
import {type Row, table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'

export type Identities = readonly Identity[]
export type IdentityUses = readonly IdentityEndpoints[]

/** Identities that the agent knows, by number; with labels, only those that carry all of them. */
export async function listIdentities(agent: AgentOptions, labels: readonly string[]): Promise<Identities> {
  const found = await askAgent<readonly Identity[] | null>(agent, '/identity', {
    ...(labels.length === 0 ? {} : {body: labels}),
    notFound: {what: `an identity with labels ${labels.join(', ')}`, advice: '"cilium-dbg identity list" shows all'},
  })
  return [...(found ?? [])].sort((a, b) => (a.id ?? 0) - (b.id ?? 0))
}

export async function getIdentity(agent: AgentOptions, id: string): Promise<Identities> {
  return [
    await askAgent<Identity>(agent, `/identity/${encodeURIComponent(id)}`, {
      notFound: {what: `identity ${id}`, advice: '"cilium-dbg identity list" shows those there are'},
    }),
  ]
}

/** Identities in use by endpoints of this node, with how many use each. */
export async function listIdentityUse(agent: AgentOptions): Promise<IdentityUses> {
  const found = (await askAgent<readonly IdentityEndpoints[] | null>(agent, '/identity/endpoints')) ?? []
  return [...found].sort((a, b) => (a.identity?.id ?? 0) - (b.identity?.id ?? 0))
}

export function identityTable(identities: readonly Identity[]): string {
  return table([['ID', 'LABELS'], ...identities.flatMap((identity) => identityRows(identity, undefined))])
}

export function identityUseTable(uses: readonly IdentityEndpoints[]): string {
  return table([
    ['ID', 'LABELS', 'REFCOUNT'],
    ...uses.flatMap(({identity, refCount}) => identityRows(identity ?? {}, String(refCount ?? 0))),
  ])
}

function identityRows({id, labels}: Identity, count: string | undefined): Row[] {
  const [first = '', ...others] = [...(labels ?? [])].sort().map(clean)
  return [
    [String(id ?? 0), first, ...(count === undefined ? [] : [count])],
    ...others.map((label) => ['', label, ...(count === undefined ? [] : [''])]),
  ]
}
