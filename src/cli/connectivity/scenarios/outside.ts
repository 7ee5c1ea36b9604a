import {ActionNames, curl, urlHost} from '../actions.ts'
import {isForeign} from '../features.ts'
import {needsNodePort, needsOutside} from '../requirements.ts'
import type {Scenario} from '../test.ts'

/** A machine outside of the cluster reaches pods by their addresses. */
export const outsideToPod: Scenario = {
  name: 'from-cidr-to-pod',
  requires: [needsOutside],
  async *actions(context) {
    const names = new ActionNames()
    const {outside} = context
    if (outside === undefined) return
    await using _routes = await outside.openRoutes?.()
    for (const family of context.families) {
      for (const echo of context.echoes) {
        const address = echo.addresses[family]
        if (address === undefined || outside.addresses[family] === undefined) continue
        const to = {name: echo.name, address, port: echo.httpPort, peer: echo}
        const source = outside.addresses[family]
        yield curl(context, names, outside, to, {family, source, url: `http://${urlHost(address)}:${echo.httpPort}/`})
      }
    }
  },
}

/** A machine outside of the cluster asks the node ports of every node, those with no backend of the service included. */
export const outsideToNodePort: Scenario = {
  name: 'outside-to-nodeport',
  requires: [needsOutside, needsNodePort],
  *actions(context) {
    const names = new ActionNames()
    const {outside} = context
    if (outside === undefined) return
    for (const {metadata, status} of context.nodes.filter((node) => !isForeign(node))) {
      for (const {address} of (status.addresses ?? []).filter(({type}) => type === 'InternalIP')) {
        const family = address.includes(':') ? 'ipv6' : 'ipv4'
        if (!context.families.includes(family) || outside.addresses[family] === undefined) continue
        for (const {metadata: service, spec} of context.services) {
          const port = spec.ports?.[0]?.nodePort
          const served = (spec.clusterIPs ?? []).some((one) => one.includes(':') === (family === 'ipv6'))
          if (port === undefined || !served) continue
          const to = {name: `${service.name} on node ${metadata.name}`, address, port}
          yield curl(context, names, outside, to, {family, url: `http://${urlHost(address)}:${port}/`})
        }
      }
    }
  },
}
