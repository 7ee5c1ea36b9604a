import {ActionNames, curl, pairs, ping, urlHost} from '../actions.ts'
import {needsHostPort} from '../requirements.ts'
import type {Scenario} from '../test.ts'

/** Each client reaches every node by ICMP, its own and the others. */
export const podToHost: Scenario = {
  name: 'pod-to-host',
  *actions(context) {
    const names = new ActionNames()
    for (const {family, from, to, address} of pairs(context, context.clients, context.hosts)) {
      yield ping(context, names, from, {name: `node ${to.node}`, address, peer: to}, {family})
    }
  },
}

/** Each node's own network reaches every echo pod, on itself and on others. */
export const hostToPod: Scenario = {
  name: 'host-to-pod',
  *actions(context) {
    const names = new ActionNames()
    for (const {family, from, to, address} of pairs(context, context.hosts, context.echoes)) {
      const url = `http://${urlHost(address)}:${to.httpPort}/`
      yield curl(context, names, from, {name: to.name, address, port: to.httpPort, peer: to}, {family, url})
    }
  },
}

/** Each client reaches the echo pods through the port of the node that they run on. */
export const podToHostPort: Scenario = {
  name: 'pod-to-hostport',
  requires: [needsHostPort],
  *actions(context) {
    const names = new ActionNames()
    for (const client of context.clients) {
      for (const echo of context.echoes) {
        const host = context.hosts.find(({node}) => node === echo.node)
        for (const family of context.families) {
          const address = host?.addresses[family]
          if (address === undefined || echo.hostPort === undefined) continue
          const to = {name: `node ${echo.node}`, address, port: echo.hostPort, peer: echo}
          yield curl(context, names, client, to, {family, url: `http://${urlHost(address)}:${echo.hostPort}/`})
        }
      }
    }
  },
}
