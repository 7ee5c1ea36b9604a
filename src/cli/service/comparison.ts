/** What Kubernetes asks of services, held against what each node has brought to its datapath. Pure. */
import type {Service as AgentService} from '../../api/models.ts'
import type {EndpointSlice, Service} from '../../k8s/resources.ts'

export interface NodeServices {
  readonly node: string
  /** undefined: it could not be asked */
  readonly services: readonly AgentService[] | undefined
  /** why not */
  readonly error: string
}

/** A frontend of the cluster, and how the nodes serve it. */
export interface ServiceListRow {
  readonly namespace: string
  readonly name: string
  /** `10.96.0.1:80/TCP` */
  readonly frontend: string
  readonly type: string
  /** backends that the objects ask for, as `10.0.1.5:8080`; on each node those that its policy lets it have */
  readonly desired: readonly string[]
  /** nodes that serve it as they should */
  readonly realised: readonly string[]
  readonly differences: readonly {readonly node: string; readonly text: string}[]
}

interface Wanted {
  readonly namespace: string
  readonly name: string
  readonly frontend: string
  readonly type: string
  readonly backends: readonly Backend[]
  /** only backends of the node itself count */
  readonly local: boolean
  /** a node may choose among the backends: they are near or far */
  readonly choice: boolean
}

interface Backend {
  readonly text: string
  readonly node: string | undefined
}

/** One row a frontend, sorted by service; nodes that could not be asked are in none. */
export function compareServices(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  nodes: readonly NodeServices[],
): ServiceListRow[] {
  const bySlice = new Map<string, EndpointSlice[]>()
  for (const slice of slices) {
    const key = `${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name'] ?? ''}`
    bySlice.set(key, [...(bySlice.get(key) ?? []), slice])
  }
  const found = nodes.map(({node, services}) => ({
    node,
    frontends: services && new Map(services.map((service) => [frontendOf(service), service])),
  }))
  return services
    .flatMap((service) => wanted(service, bySlice.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? []))
    .map((one) => {
      const realised: string[] = []
      const differences: {node: string; text: string}[] = []
      for (const {node, frontends} of found) {
        if (frontends === undefined) continue
        const text = difference(one, node, frontends.get(one.frontend))
        if (text === '') realised.push(node)
        else differences.push({node, text})
      }
      const {namespace, name, frontend, type, backends} = one
      return {namespace, name, frontend, type, desired: backends.map(({text}) => text), realised, differences}
    })
    .sort((a, b) => compare(`${a.namespace}/${a.name} ${a.frontend}`, `${b.namespace}/${b.name} ${b.frontend}`))
}

function difference(one: Wanted, node: string, service: AgentService | undefined): string {
  if (service === undefined) return 'does not serve it'
  // pods of the node stand in for the backends: a policy says so
  if (service.spec?.flags?.type === 'LocalRedirect') return ''
  const realised = service.status?.realized
  if (realised === undefined) return 'has not brought it to the datapath'
  const asked = new Set(one.backends.filter((backend) => !one.local || backend.node === node).map(({text}) => text))
  const has = new Set(
    (realised['backend-addresses'] ?? [])
      .filter(({state}) => state === 'active')
      .map(({ip, port = 0}) => endText(ip, port)),
  )
  const lacks = one.choice && has.size > 0 ? [] : [...asked].filter((text) => !has.has(text))
  const surplus = [...has].filter((text) => !asked.has(text))
  return [
    ...(lacks.length === 0 ? [] : [`lacks ${listText(lacks)}`]),
    ...(surplus.length === 0 ? [] : [`still has ${listText(surplus)}`]),
  ].join(', ')
}

function wanted({metadata, spec, status}: Service, slices: readonly EndpointSlice[]): Wanted[] {
  const type = spec?.type ?? 'ClusterIP'
  const foreign = metadata.labels?.['service.kubernetes.io/service-proxy-name'] !== undefined
  const clusterIps = (spec?.clusterIPs ?? [spec?.clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None')
  if (type === 'ExternalName' || foreign || clusterIps.length === 0) return []
  const ingress = type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : []
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ['ClusterIP', clusterIps],
    ['ExternalIPs', spec?.externalIPs ?? []],
    [
      'LoadBalancer',
      ingress.filter(({ipMode}) => ipMode !== 'Proxy').flatMap(({ip}) => (ip === undefined ? [] : [ip])),
    ],
  ]
  const {namespace = '', name} = metadata
  return kinds.flatMap(([kind, ips]) =>
    ips.flatMap((ip) =>
      (spec?.ports ?? []).map(({name: portName = '', port, protocol = 'TCP'}) => ({
        namespace,
        name,
        frontend: `${endText(ip, port)}/${protocol}`,
        type: kind,
        backends: backendsOf(slices, ip.includes(':') ? 'IPv6' : 'IPv4', portName, protocol, port),
        local: (kind === 'ClusterIP' ? spec?.internalTrafficPolicy : spec?.externalTrafficPolicy) === 'Local',
        choice: spec?.trafficDistribution !== undefined || slices.some(hasHints),
      })),
    ),
  )
}

/** Ready endpoints; when there are none, those that are leaving and still serve. */
function backendsOf(
  slices: readonly EndpointSlice[],
  family: string,
  portName: string,
  protocol: string,
  servicePort: number,
): Backend[] {
  const ready = new Map<string, Backend>()
  const leaving = new Map<string, Backend>()
  for (const {addressType, ports, endpoints} of slices) {
    const port = (ports ?? []).find((one) => (one.name ?? '') === portName && (one.protocol ?? 'TCP') === protocol)
    if (addressType !== family || port === undefined) continue
    for (const {addresses, conditions = {}, nodeName} of endpoints ?? []) {
      const text = endText(addresses[0] ?? '', port.port ?? servicePort)
      if (conditions.ready !== false && conditions.terminating !== true) ready.set(text, {text, node: nodeName})
      else if (conditions.serving === true && conditions.terminating === true) leaving.set(text, {text, node: nodeName})
    }
  }
  return [...(ready.size > 0 ? ready : leaving).values()].sort((a, b) => compare(a.text, b.text))
}

function hasHints({endpoints}: EndpointSlice): boolean {
  return (endpoints ?? []).some(({hints}) => hints !== undefined)
}

function frontendOf({spec}: AgentService): string {
  const {ip = '', port = 0, protocol = '', scope} = spec?.['frontend-address'] ?? {}
  return `${endText(ip, port)}/${protocol.toUpperCase()}${scope === 'internal' ? '/i' : ''}`
}

function endText(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}

const shown = 3

function listText(texts: readonly string[]): string {
  const rest = texts.length - shown
  return texts.slice(0, shown).join(' ') + (rest > 0 ? ` and ${rest} more` : '')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
