import type {ClusterNodeStatus, NodeAddressingElement, NodeElement} from '../../api/models.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'

export type Nodes = readonly NodeElement[]

/** Nodes of the cluster as this agent knows them, by name. */
export async function listNodes(agent: AgentOptions): Promise<Nodes> {
  const {'nodes-added': nodes} = await askAgent<ClusterNodeStatus>(agent, '/cluster/nodes')
  return [...(nodes ?? [])].sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1))
}

export function nodeTable(nodes: readonly NodeElement[]): string {
  const cells = (address: NodeAddressingElement | undefined) => [
    clean(address?.ip ?? ''),
    clean(address?.['alloc-range'] ?? ''),
  ]
  return table([
    ['Name', 'IPv4 Address', 'Endpoint CIDR', 'IPv6 Address', 'Endpoint CIDR', 'Source'],
    ...nodes.map(({name, 'primary-address': primary, source}) => [
      clean(name ?? ''),
      ...cells(primary?.ipv4),
      ...cells(primary?.ipv6),
      clean(source ?? ''),
    ]),
  ])
}
