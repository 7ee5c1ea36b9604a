import {ActionNames, answeredBy, clientIs, curl, pairs, ping, urlHost} from '../actions.ts'
import type {Scenario} from '../test.ts'

/** Each client asks each echo pod, and the answer must come from that pod and have seen the client itself. */
export const podToPod: Scenario = {
  name: 'pod-to-pod',
  *actions(context) {
    const names = new ActionNames()
    for (const {family, from, to, address} of pairs(context, context.clients, context.echoes)) {
      const port = to.httpPort
      const podName = to.name.split('/').at(-1)!
      yield curl(
        context,
        names,
        from,
        {name: to.name, address, port, peer: to},
        {
          family,
          url: `http://${urlHost(address)}:${port}/`,
          check: (result) => clientIs(from.addresses[family]!)(result) ?? answeredBy(podName)(result),
        },
      )
    }
  },
}

/** Each client reaches each other client by ICMP. */
export const clientToClient: Scenario = {
  name: 'client-to-client',
  *actions(context) {
    const names = new ActionNames()
    for (const {family, from, to, address} of pairs(context, context.clients, context.clients)) {
      yield ping(context, names, from, {name: to.name, address, peer: to}, {family})
    }
  },
}

/** Each echo pod asks itself by its own address. */
export const podToItself: Scenario = {
  name: 'pod-to-itself',
  *actions(context) {
    const names = new ActionNames()
    for (const family of context.families) {
      for (const echo of context.echoes) {
        const address = echo.addresses[family]
        if (address === undefined) continue
        const to = {name: echo.name, address, port: echo.httpPort, peer: echo}
        const url = `http://${urlHost(address)}:${echo.httpPort}/`
        yield curl(context, names, echo, to, {family, url, check: clientIs(address)})
      }
    }
  },
}

/** Clients of several namespaces reach one another by ICMP. */
export const neighbourToNeighbour: Scenario = {
  name: 'ccnp-client-to-client',
  *actions(context) {
    const names = new ActionNames()
    const [client] = context.clients
    const all = client === undefined ? context.neighbours : [client, ...context.neighbours]
    for (const {family, from, to, address} of pairs(context, all, all)) {
      yield ping(context, names, from, {name: to.name, address, peer: to}, {family})
    }
  },
}
