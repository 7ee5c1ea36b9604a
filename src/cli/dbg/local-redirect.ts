import type {LRPSpec} from '../../api/models.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'

export type LocalRedirects = readonly LRPSpec[]

export async function listLocalRedirects(agent: AgentOptions): Promise<LocalRedirects> {
  return (await askAgent<LocalRedirects | null>(agent, '/lrp')) ?? []
}

/** One row a policy, its frontends below it. */
export function localRedirectTable(policies: LocalRedirects): string {
  const rows = policies.flatMap((policy) => {
    const mappings = (policy['frontend-mappings'] ?? []).map((mapping) => {
      const {ip = '', port = 0, protocol = ''} = mapping['frontend-address'] ?? {}
      const backends = (mapping.backends ?? []).map((backend) => {
        const {ip, port} = backend['backend-address']
        return `${endText(ip, port ?? 0)} (${backend['pod-id']})`
      })
      return `|${endText(ip, port)}/${protocol.toUpperCase()} -> ${backends.join(', ')},`
    })
    const head = [policy.namespace, policy.name, policy['frontend-type'], policy['service-id']]
    return [head.map((text) => clean(text ?? '')), ...mappings.map((text) => ['', '', '', clean(text)])]
  })
  return table([['LRP namespace', 'LRP name', 'FrontendType', 'Matching Service'], ...rows])
}

function endText(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}
