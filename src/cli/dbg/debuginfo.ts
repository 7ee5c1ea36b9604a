import type {DebugInfo} from '../../api/models.ts'
import {plain} from '../render/style.ts'
import {cleanLines, toJson} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {endpointTable} from './endpoint.ts'
import {statusText} from './status-text.ts'

export type {DebugInfo}

export async function debugInfo(agent: AgentOptions): Promise<DebugInfo> {
  return askAgent(agent, '/debuginfo')
}

/** All that an agent tells of itself, as one Markdown document to attach to a report. */
export function debugInfoText(info: DebugInfo): string {
  const detail = {
    allAddresses: true,
    allControllers: true,
    allNodes: true,
    allRedirects: true,
    allClusters: true,
    allHealth: false,
    verbose: true,
  }
  const status = info['cilium-status']
  const sections: readonly (readonly [string, string])[] = [
    ['Cilium version', info['cilium-version'] ?? ''],
    ['Kernel version', info['kernel-version'] ?? ''],
    ['Cilium status', status === undefined ? '' : statusText({status, health: undefined}, detail, plain)],
    ['Cilium environment keys', (info['environment-variables'] ?? []).join('\n')],
    ['Endpoint list', endpointTable(info['endpoint-list'] ?? [], {headers: true})],
    ['Endpoints', toJson(info['endpoint-list'] ?? [])],
    ['Policy', `${info.policy?.policy ?? '[]'}\nRevision: ${info.policy?.revision ?? 0}`],
    ['Memory map', info['cilium-memory-map'] ?? ''],
    ...Object.entries(info.subsystem ?? {}),
  ]
  const body = sections.map(([title, text]) => `#### ${title}\n\n\`\`\`\n${cleanLines(text).trimEnd()}\n\`\`\`\n`)
  return `# Cilium debug information\n\n${body.join('\n')}`
}
