import {ActionNames, answeredBy, curl, urlHost} from '../actions.ts'
import {needsLocalRedirect} from '../requirements.ts'
import type {Scenario} from '../test.ts'

/** Each client beside an echo pod asks an address that nobody has, and is answered by that pod. */
export const localRedirect: Scenario = {
  name: 'lrp',
  requires: [needsLocalRedirect],
  *actions(context) {
    const names = new ActionNames()
    const echo = context.echoes.find(({service}) => service === 'echo-same-node')
    if (echo === undefined) return
    for (const client of context.clients.filter(({node}) => node === echo.node)) {
      for (const family of context.families) {
        const address = context.redirected[family]
        if (address === undefined) continue
        const to = {name: `redirected ${address}`, address, port: 80}
        const pod = echo.name.split('/').at(-1)!
        yield curl(context, names, client, to, {
          family,
          url: `http://${urlHost(address)}:80/`,
          check: answeredBy(pod),
        })
      }
    }
  },
}
