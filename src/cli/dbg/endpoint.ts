import type {
  Endpoint,
  EndpointConfigurationStatus,
  EndpointHealth,
  EndpointStatusChange,
  LabelConfiguration,
} from '../../api/models.ts'
import {fail} from '../../runtime/errors.ts'
import {type Row, table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {ENDPOINT_ID_INVALID} from './errors.ts'

export type {EndpointConfigurationStatus, EndpointHealth, LabelConfiguration}
export type Endpoints = readonly Endpoint[]
export type EndpointChanges = readonly EndpointStatusChange[]

/** All endpoints of this node, by number. */
export async function listEndpoints(agent: AgentOptions): Promise<Endpoints> {
  const endpoints = (await askAgent<readonly Endpoint[] | null>(agent, '/endpoint')) ?? []
  return [...endpoints].sort((a, b) => (a.id ?? 0) - (b.id ?? 0))
}

/** One endpoint by its id or by labels, as a list because labels may name several. */
export async function getEndpoints(
  agent: AgentOptions,
  wanted: {readonly id: string | undefined; readonly labels: readonly string[]},
): Promise<Endpoints> {
  if (wanted.labels.length > 0) {
    const all = await listEndpoints(agent)
    return all.filter(({status}) => {
      const own = new Set(status?.labels?.['security-relevant'] ?? [])
      return wanted.labels.every((label) => own.has(label))
    })
  }
  return [await askAgent<Endpoint>(agent, `/endpoint/${pathOf(wanted.id)}`, missing(wanted.id))]
}

export async function endpointHealth(agent: AgentOptions, id: string): Promise<EndpointHealth> {
  return askAgent(agent, `/endpoint/${pathOf(id)}/healthz`, missing(id))
}

export async function endpointLog(agent: AgentOptions, id: string): Promise<EndpointChanges> {
  return (
    (await askAgent<readonly EndpointStatusChange[] | null>(agent, `/endpoint/${pathOf(id)}/log`, missing(id))) ?? []
  )
}

export async function endpointLabels(agent: AgentOptions, id: string): Promise<LabelConfiguration> {
  return askAgent(agent, `/endpoint/${pathOf(id)}/labels`, missing(id))
}

/** Adds and takes away labels that users gave an endpoint. */
export async function changeEndpointLabels(
  agent: AgentOptions,
  id: string,
  change: {readonly add: readonly string[]; readonly remove: readonly string[]},
): Promise<LabelConfiguration> {
  const {spec} = await endpointLabels(agent, id)
  const user = new Set([...(spec?.user ?? []), ...change.add])
  for (const label of change.remove) user.delete(label)
  await askAgent(agent, `/endpoint/${pathOf(id)}/labels`, {
    method: 'PATCH',
    body: {user: [...user].sort()},
    ...missing(id),
  })
  return endpointLabels(agent, id)
}

export async function endpointConfig(agent: AgentOptions, id: string): Promise<EndpointConfigurationStatus> {
  return askAgent(agent, `/endpoint/${pathOf(id)}/config`, missing(id))
}

export async function changeEndpointConfig(
  agent: AgentOptions,
  id: string,
  options: Readonly<Record<string, string>>,
): Promise<EndpointConfigurationStatus> {
  await askAgent(agent, `/endpoint/${pathOf(id)}/config`, {method: 'PATCH', body: {options}, ...missing(id)})
  return endpointConfig(agent, id)
}

function pathOf(id: string | undefined): string {
  if (id === undefined || id === '' || !/^([a-z0-9-]+:)?[^\s/?#]+$/.test(id)) {
    fail(ENDPOINT_ID_INVALID, {id: id ?? ''})
  }
  return encodeURIComponent(id)
}

function missing(id: string | undefined) {
  return {notFound: {what: `endpoint ${id}`, advice: '"cilium-dbg endpoint list" shows those there are'}}
}

/** The table of `endpoint list`: one label a row. */
export function endpointTable(endpoints: readonly Endpoint[], {headers}: {readonly headers: boolean}): string {
  const rows: Row[] = headers
    ? [
        [
          'ENDPOINT',
          'POLICY (ingress)',
          'POLICY (egress)',
          'IDENTITY',
          'LABELS (source:key[=value])',
          'IPv6',
          'IPv4',
          'STATUS',
          '',
        ],
        ['', 'ENFORCEMENT', 'ENFORCEMENT', '', '', '', '', '', ''],
      ]
    : []
  return table([...rows, ...endpoints.flatMap(endpointRows)])
}

function endpointRows({id, status}: Endpoint): Row[] {
  const address = status?.networking?.addressing?.[0]
  const labels = [...(status?.labels?.['security-relevant'] ?? [])].sort()
  const enabled = status?.policy?.realized?.['policy-enabled']
  const identity = status?.identity?.id
  const first = [
    String(id ?? 0),
    enforcement(enabled, 'ingress'),
    enforcement(enabled, 'egress'),
    identity === undefined ? '<no label id>' : String(identity),
    clean(labels[0] ?? 'no labels'),
    address === undefined ? 'No address' : clean(address.ipv6 ?? ''),
    address === undefined ? 'No address' : clean(address.ipv4 ?? ''),
    clean(status?.state ?? 'Unknown'),
    '',
  ]
  return [first, ...labels.slice(1).map((label) => ['', '', '', '', clean(label), '', '', '', ''])]
}

function enforcement(enabled: string | undefined, direction: 'ingress' | 'egress'): string {
  switch (enabled) {
    case 'both':
    case direction:
      return 'Enabled'
    case 'audit-both':
    case `audit-${direction}`:
      return 'Disabled (Audit)'
    case 'none':
    case 'ingress':
    case 'egress':
    case 'audit-ingress':
    case 'audit-egress':
      return 'Disabled'
    default:
      return 'Unknown'
  }
}

export function endpointHealthText(health: EndpointHealth): string {
  return table([
    ['Overall Health:', health.overallHealth ?? 'Disabled'],
    ['BPF Health:', health.bpf ?? 'Disabled'],
    ['Policy Health:', health.policy ?? 'Disabled'],
    ['Connected:', health.connected === true ? 'yes' : 'no'],
  ])
}

export function endpointLogText(changes: readonly EndpointStatusChange[]): string {
  const rows = changes.map(({timestamp, code, state, message}) =>
    [timestamp, code === 'ok' ? 'OK' : code, state, message].map((cell) => clean(cell ?? '')),
  )
  return table([['Timestamp', 'Status', 'State', 'Message'], ...rows])
}

export function endpointLabelsText({status}: LabelConfiguration): string {
  const lists = [
    ['Security relevant', status?.['security-relevant']],
    ['Given by users', status?.realized?.user],
    ['Derived', status?.derived],
    ['Not used', status?.disabled],
  ] as const
  return table(
    lists.flatMap(([title, labels]) =>
      [...(labels ?? ['none'])].sort().map((label, index) => [index === 0 ? `${title}:` : '', clean(label)]),
    ),
  )
}
