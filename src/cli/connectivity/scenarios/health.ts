import type {HealthStatusResponse, PathStatus} from '../../../api/models.ts'
import {ActionNames} from '../actions.ts'
import {needsHealth} from '../requirements.ts'
import type {Scenario} from '../test.ts'

const healthSocket = '/var/run/cilium/health.sock'

/** Each agent probes all nodes and their health endpoints now, and reaches them all. */
export const ciliumHealth: Scenario = {
  name: 'cilium-health',
  requires: [needsHealth],
  *actions(context) {
    const names = new ActionNames()
    for (const agent of context.agents) {
      yield {
        name: names.next('probe'),
        from: agent,
        to: {name: 'all nodes', address: healthSocket},
        tool: 'curl',
        command: [
          'curl',
          '--silent',
          '--fail',
          '--show-error',
          '--max-time',
          '30',
          '--unix-socket',
          healthSocket,
          '--request',
          'PUT',
          'http://localhost/v1beta/status/probe',
        ],
        // a node that has just come up is probed for the first time now
        retries: 3,
        check: ({stdout}) => healthProblem(stdout, context.agents.length),
      }
    }
  },
}

/** What a health answer says is wrong. */
export function healthProblem(text: string, expectedNodes: number): string | undefined {
  let health: HealthStatusResponse
  try {
    health = JSON.parse(text) as HealthStatusResponse
  } catch {
    return 'the health server did not answer with JSON'
  }
  const nodes = health.nodes ?? []
  if (nodes.length < expectedNodes) return `${nodes.length} of ${expectedNodes} nodes are probed`
  for (const {name, host, 'health-endpoint': endpoint} of nodes) {
    for (const [what, part] of [
      ['host', host],
      ['health endpoint', endpoint],
    ] as const) {
      const primary = part?.['primary-address']
      if (what === 'host' && primary === undefined) return `${name}: its host was not probed`
      for (const path of [...(primary === undefined ? [] : [primary]), ...(part?.['secondary-addresses'] ?? [])]) {
        const problem = pathProblem(path)
        if (problem !== undefined) return `${name}: ${what} ${path.ip ?? ''} ${problem}`
      }
    }
  }
  return undefined
}

function pathProblem({icmp, http}: PathStatus): string | undefined {
  if (icmp?.status !== undefined && icmp.status !== '') return `does not answer ICMP: ${icmp.status}`
  if (http?.status !== undefined && http.status !== '') return `does not answer HTTP: ${http.status}`
  return undefined
}
