import {ActionNames, curl, urlHost} from '../actions.ts'
import {needsOutside} from '../requirements.ts'
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
        const to = {name: echo.name, address, port: echo.httpPort}
        yield curl(context, names, outside, to, {family, url: `http://${urlHost(address)}:${echo.httpPort}/`})
      }
    }
  },
}
