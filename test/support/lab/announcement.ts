/** Addresses of services that a lab's nodes announce on their link, with the shortest leases that the guide names. */
import type {Cluster} from './cluster.ts'

/** For `cilium install`. */
export const quickLeases = [
  ...['--set', 'l2announcements.enabled=true,l2announcements.leaseDuration=1s'],
  ...['--set', 'l2announcements.leaseRenewDeadline=700ms,l2announcements.leaseRetryPeriod=250ms'],
]

/** Addresses of nodes. @param node all without it */
export async function nodeAddresses(cluster: Cluster, node?: string): Promise<readonly string[]> {
  const path = '.status.addresses[?(@.type=="InternalIP")].address}'
  const which =
    node === undefined ? ['nodes', '-o', `jsonpath={.items[*]${path}`] : ['node', node, '-o', `jsonpath={${path}`]
  return (await cluster.kubectl('get', ...which)).split(' ')
}

/** An address of each family on the nodes' link that no node has. @param last its last part, below 200 or from 221 */
export function linkAddresses(nodeIps: readonly string[], last: number): [string, string] {
  const [v4, v6] = [nodeIps.find((ip) => !ip.includes(':'))!, nodeIps.find((ip) => ip.includes(':'))!]
  return [v4.replace(/\.\d+$/, `.${last}`), v6.replace(/::.*$/, `::${last}`)]
}

/** Objects by which LoadBalancer services get addresses on the nodes' link, and nodes announce these and external ones. */
export function announced(nodeIps: readonly string[]): object[] {
  const [starts, stops] = [linkAddresses(nodeIps, 200), linkAddresses(nodeIps, 220)]
  return [
    {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumLoadBalancerIPPool',
      metadata: {name: 'blue'},
      spec: {blocks: starts.map((start, i) => ({start, stop: stops[i]}))},
    },
    {
      apiVersion: 'cilium.io/v2alpha1',
      kind: 'CiliumL2AnnouncementPolicy',
      metadata: {name: 'all'},
      spec: {loadBalancerIPs: true, externalIPs: true},
    },
  ]
}

/** The node that announces a service's addresses; empty: none. */
export async function announcer(cluster: Cluster, service: string): Promise<string> {
  const lease = ['lease', `cilium-l2announce-default-${service}`]
  return await cluster.kubectl('-n', 'kube-system', 'get', ...lease, '-o', 'jsonpath={.spec.holderIdentity}')
}

/** Runs `work` while a node has no link. @param nodes of the lab, in order */
export async function withoutLink<T>(
  cluster: Cluster,
  nodes: readonly string[],
  node: string,
  work: () => Promise<T>,
): Promise<T> {
  const port = `port${nodes.indexOf(node) + 1}`
  await cluster.at('fabric', 'ip', 'link', 'set', port, 'down')
  try {
    return await work()
  } finally {
    await cluster.at('fabric', 'ip', 'link', 'set', port, 'up')
  }
}
