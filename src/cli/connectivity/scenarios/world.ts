import {ActionNames, curl, urlHost} from '../actions.ts'
import {needsServices} from '../requirements.ts'
import type {Scenario} from '../test.ts'

/** Each client reaches names outside of the cluster; their addresses come from the cluster's DNS. */
export const podToWorld: Scenario = {
  name: 'pod-to-world',
  // the cluster's DNS is behind a service address
  requires: [needsServices],
  *actions(context) {
    const names = new ActionNames()
    const {external} = context
    const schemes = external.tls ? (['http', 'https'] as const) : (['http'] as const)
    for (const client of context.clients) {
      for (const family of context.families) {
        if (family === 'ipv6' && !external.targetHasIpv6) continue
        for (const scheme of schemes) {
          const host = external.target.replace(/\.$/, '')
          const port = scheme === 'http' ? 80 : 443
          const to = {name: `${scheme}://${external.target}`, address: external.target, port}
          yield curl(context, names, client, to, {family, url: `${scheme}://${host}.:${port}/`, external: true})
        }
      }
    }
  },
}

/** Each client reaches addresses outside of the cluster. */
export const podToCidr: Scenario = {
  name: 'pod-to-cidr',
  *actions(context) {
    const names = new ActionNames()
    const {external} = context
    const addresses = {ipv4: [external.ip, external.otherIp], ipv6: [external.ipv6, external.otherIpv6]}
    for (const family of context.families) {
      for (const client of context.clients) {
        if (client.addresses[family] === undefined) continue
        for (const address of addresses[family]) {
          const scheme = external.tls ? 'https' : 'http'
          const port = external.tls ? 443 : 80
          const to = {name: `outside ${address}`, address, port}
          yield curl(context, names, client, to, {
            family,
            url: `${scheme}://${urlHost(address)}:${port}/`,
            external: true,
          })
        }
      }
    }
  },
}
