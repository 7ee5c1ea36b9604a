import type {Policy} from '../../api/models.ts'
import {cleanLines} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'

export type {Policy}

/** The policy rules that the agent holds, with the number that counts their changes. */
export async function getPolicy(agent: AgentOptions): Promise<Policy> {
  return askAgent(agent, '/policy')
}

export function policyText({policy, revision}: Policy): string {
  return `${cleanLines(policy ?? '[]')}\nRevision: ${revision ?? 0}\n`
}
