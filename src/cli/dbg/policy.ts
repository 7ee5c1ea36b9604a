import {setTimeout as sleep} from 'node:timers/promises'
import type {Endpoint, Policy} from '../../api/models.ts'
import {fail} from '../../runtime/errors.ts'
import {type Row, table} from '../render/table.ts'
import {clean, cleanLines} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {POLICY_WAIT_TIMEOUT} from './errors.ts'

export type {Policy}

/** The policy rules that the agent holds, with the number that counts their changes. */
export async function getPolicy(agent: AgentOptions): Promise<Policy> {
  return askAgent(agent, '/policy')
}

export function policyText({policy, revision}: Policy): string {
  return `${cleanLines(policy ?? '[]')}\nRevision: ${revision ?? 0}\n`
}

/** A selector that policies use, with the identities it selects: SelectorIdentityMapping of the agent's API. */
export interface SelectorUse {
  readonly selector?: string
  readonly identities?: readonly number[] | null
  readonly users?: number
  readonly labels?: readonly (readonly PolicyLabel[])[] | null
}

interface PolicyLabel {
  readonly key?: string
  readonly source?: string
  readonly value?: string
}

/** @param subjects the selectors of whom policies are for, in place of those of peers */
export async function getSelectors(
  agent: AgentOptions,
  {subjects}: {readonly subjects: boolean},
): Promise<SelectorUse[]> {
  return (
    (await askAgent<SelectorUse[] | null>(agent, subjects ? '/policy/subject-selectors' : '/policy/selectors')) ?? []
  )
}

/** One row per identity, as the original prints it. @param limit identities shown of each selector */
export function selectorText(selectors: readonly SelectorUse[], limit: number): string {
  const rows: Row[] = [['SELECTOR', 'LABELS', 'USERS', 'IDENTITIES']]
  for (const {selector = '', users = 0, identities, labels} of selectors) {
    const [first = '', ...more] = shown(identities ?? [], limit)
    rows.push([clean(selector), clean(nameOfSelector(labels ?? [])), String(users), first])
    for (const id of more) rows.push(['', '', '', id])
  }
  return table(rows)
}

function shown(identities: readonly number[], limit: number): string[] {
  const texts = identities.slice(0, limit).map(String)
  return identities.length > limit ? [...texts, `and ${identities.length - limit} more`] : texts
}

/** Which policy uses it: namespace and name of the first. */
function nameOfSelector(labels: readonly (readonly PolicyLabel[])[]): string {
  const [first] = labels
  const value = (key: string) => first?.find((label) => label.key === key)?.value
  const name = value('io.cilium.k8s.policy.name')
  const namespace = value('io.cilium.k8s.policy.namespace')
  return name === undefined ? '' : namespace === undefined ? name : `${namespace}/${name}`
}

export interface PolicyWait {
  readonly revision: number
  readonly timeoutMs: number
}

/**
 * Waits until the policies up to this revision hold at every endpoint.
 *
 * @throws POLICY_WAIT_TIMEOUT
 */
export async function waitForRevision(agent: AgentOptions, {revision, timeoutMs}: PolicyWait): Promise<void> {
  const until = Date.now() + timeoutMs
  for (;;) {
    const behind = await endpointsBehind(agent, revision)
    if (behind.length === 0) return
    if (Date.now() >= until) fail(POLICY_WAIT_TIMEOUT, {revision, endpoints: behind.join(', ')})
    await sleep(waitStepMs, undefined, {signal: agent.signal})
  }
}

const waitStepMs = 250

/** Endpoints that have an identity and an older policy. */
async function endpointsBehind(agent: AgentOptions, revision: number): Promise<number[]> {
  const all = (await askAgent<readonly Endpoint[] | null>(agent, '/endpoint')) ?? []
  return all
    .filter(({status}) => status?.identity !== undefined)
    .filter(({status}) => (status?.policy?.realized?.['policy-revision'] ?? 0) < revision)
    .map(({id}) => id ?? 0)
}
