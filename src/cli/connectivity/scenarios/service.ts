import {ActionNames, curl, urlHost} from '../actions.ts'
import {isForeign} from '../features.ts'
import {needsNodePort, needsServices} from '../requirements.ts'
import type {Scenario, TestContext} from '../test.ts'
import type {ServiceObject} from '../test-cluster.ts'

/** Each client asks each echo service by its name. */
export const podToService: Scenario = {
  name: 'pod-to-service',
  requires: [needsServices],
  *actions(context) {
    const names = new ActionNames()
    for (const client of context.clients) {
      for (const {metadata, spec} of context.services) {
        const port = spec.ports?.[0]?.port ?? 80
        const host = `${metadata.name}.${metadata.namespace}`
        const to = {name: `service ${metadata.namespace}/${metadata.name}`, address: host, port}
        for (const family of familiesOf(context, metadata.name)) {
          yield curl(context, names, client, to, {family, url: `http://${host}:${port}/`})
        }
      }
    }
  },
}

/** Each echo pod asks its own service and is answered by itself: the way out and back through the same pod. */
export const podToItselfViaService: Scenario = {
  name: 'pod-to-itself-via-service',
  requires: [needsServices],
  *actions(context) {
    const names = new ActionNames()
    for (const echo of context.echoes) {
      const service = context.services.find(({metadata}) => metadata.name === echo.service)
      for (const address of service?.spec.clusterIPs ?? []) {
        const family = address.includes(':') ? 'ipv6' : 'ipv4'
        if (!context.families.includes(family)) continue
        const port = service?.spec.ports?.[0]?.port ?? 80
        const to = {name: `service ${echo.service}`, address, port}
        yield curl(context, names, echo, to, {family, url: `http://${urlHost(address)}:${port}/`})
      }
    }
  },
}

/** Each client asks node ports of the node that it runs on. */
export const podToLocalNodePort: Scenario = {
  name: 'pod-to-local-nodeport',
  requires: [needsNodePort],
  actions: (context) => nodePortActions(context, true),
}

/** Each client asks node ports of other nodes. */
export const podToRemoteNodePort: Scenario = {
  name: 'pod-to-remote-nodeport',
  requires: [needsNodePort],
  actions: (context) => nodePortActions(context, false),
}

function* nodePortActions(context: TestContext, local: boolean) {
  const names = new ActionNames()
  const nodes = context.nodes.filter((node) => !isForeign(node))
  for (const client of context.clients) {
    for (const node of nodes.filter(({metadata}) => (metadata.name === client.node) === local)) {
      for (const {address} of (node.status.addresses ?? []).filter(({type}) => type === 'InternalIP')) {
        const family = address.includes(':') ? 'ipv6' : 'ipv4'
        if (!context.families.includes(family)) continue
        for (const {metadata, spec} of context.services) {
          const port = spec.ports?.[0]?.nodePort
          if (port === undefined || !familiesOf(context, metadata.name).includes(family)) continue
          const to = {name: `${metadata.name} on node ${node.metadata.name}`, address, port}
          yield curl(context, names, client, to, {family, url: `http://${urlHost(address)}:${port}/`})
        }
      }
    }
  }
}

function familiesOf(context: TestContext, service: string) {
  const found: ServiceObject | undefined = context.services.find(({metadata}) => metadata.name === service)
  const addresses = found?.spec.clusterIPs ?? []
  return context.families.filter((family) => addresses.some((one) => one.includes(':') === (family === 'ipv6')))
}
