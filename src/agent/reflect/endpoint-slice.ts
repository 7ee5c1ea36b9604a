/** EndpointSlices → rows. Those of headless services and of names (FQDN) are none. */
import type {EndpointSlice} from '../../k8s/resources.ts'
import {Ip, type IpFamily} from '../../model/ip.ts'
import type {EndpointSliceRow, SliceEndpoint} from '../service/rows.ts'
import {list, texts} from './object.ts'
import {isPort, protocolOf, short} from './service.ts'

const serviceLabel = 'kubernetes.io/service-name'
const headlessLabel = 'service.kubernetes.io/headless'
/** The API server allows no more; what is more is not read. */
const maxEndpoints = 1000
const maxPorts = 20_000

export function endpointSliceRow(slice: EndpointSlice): EndpointSliceRow | undefined {
  const {metadata, addressType} = slice
  const labels = texts(metadata?.labels)
  const service = labels[serviceLabel]
  const family = addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : undefined
  if (!service || family === undefined || labels[headlessLabel] !== undefined) return undefined
  const problems: string[] = []
  const namespace = metadata?.namespace ?? ''
  return {
    namespace,
    name: metadata?.name ?? '',
    service: `${namespace}/${service}`,
    family,
    // lists no longer than they are, which flatMap does not give: there are many
    ports: portsOf(slice, problems).slice(),
    endpoints: endpointsOf(slice, family, problems).slice(),
    problems,
  }
}

function portsOf(slice: EndpointSlice, problems: string[]): EndpointSliceRow['ports'] {
  return list(slice.ports)
    .slice(0, maxPorts)
    .flatMap(({name, port, protocol: given}) => {
      const protocol = protocolOf(given)
      const known = protocol !== undefined && (port === undefined || port === null || isPort(port))
      if (!known) problems.push(`port ${short(name || String(port))} is none`)
      return known ? [{name: name ?? '', port: port ?? undefined, protocol}] : []
    })
}

function endpointsOf(slice: EndpointSlice, family: IpFamily, problems: string[]): readonly SliceEndpoint[] {
  return list(slice.endpoints)
    .slice(0, maxEndpoints)
    .flatMap((endpoint): SliceEndpoint[] => {
      // further addresses of one endpoint have no meaning that anybody has agreed on
      const text = list(endpoint.addresses)[0]
      const ip = Ip.parse(text ?? '')
      const usable = ip?.family === family && !ip.isUnspecified && !ip.isLoopback && !ip.isLinkLocal && !ip.isMulticast
      if (!usable) {
        problems.push(`${short(text)} is no IPv${family} address of a backend`)
        return []
      }
      const {ready, serving, terminating} = endpoint.conditions ?? {}
      return [
        {
          ip,
          // unknown counts as ready, and serving as ready says (the API's own rule)
          ready: ready !== false,
          serving: serving ?? ready !== false,
          terminating: terminating === true,
          node: endpoint.nodeName,
          zone: endpoint.zone,
          forZones: hinted(endpoint.hints?.forZones),
          forNodes: hinted(endpoint.hints?.forNodes),
        },
      ]
    })
}

const nobody: readonly string[] = []

/** Nearly no endpoint has hints, and there are very many: those share one empty list. */
function hinted(names: readonly {readonly name: string}[] | undefined): readonly string[] {
  return list(names).length === 0 ? nobody : list(names).map(({name}) => name)
}
