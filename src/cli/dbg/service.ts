import type {BackendAddress, Service} from '../../api/models.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'

export type Services = readonly Service[]
export type OneService = Service

/** All frontends that the agent wants in the datapath, with those it has brought there. */
export async function listServices(agent: AgentOptions): Promise<Services> {
  const services = await askAgent<Services | null>(agent, '/service')
  return [...(services ?? [])].sort((a, b) => (frontendText(a) < frontendText(b) ? -1 : 1))
}

export async function getService(agent: AgentOptions, id: number): Promise<Service> {
  return askAgent(agent, `/service/${id}`, {
    notFound: {what: `service ${id}`, advice: '"cilium-dbg service list -o json" shows those there are'},
  })
}

/** One row a frontend, further backends below it. Only what is in the datapath is shown. */
export function serviceTable(services: Services): string {
  const rows = services.flatMap((service) => {
    const realized = service.status?.realized
    const backends = (realized?.['backend-addresses'] ?? []).map((one, i) => `${i + 1} => ${backendText(one)}`)
    const [first = '', ...rest] = backends
    const type = clean(service.spec?.flags?.type ?? '')
    return [[frontendText(service), type, first, ''], ...rest.map((text) => ['', '', text, ''])]
  })
  return table([['Frontend', 'Service Type', 'Backend', ''], ...rows])
}

function frontendText({spec}: Service): string {
  const {ip = '', port = 0, protocol = '', scope} = spec?.['frontend-address'] ?? {}
  return clean(`${endText(ip, port)}/${protocol.toUpperCase()}${scope === 'internal' ? '/i' : ''}`)
}

function backendText({ip, port = 0, protocol = '', state}: BackendAddress): string {
  return clean(`${endText(ip, port)}/${protocol.toUpperCase()} (${state ?? 'active'})`)
}

function endText(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}
