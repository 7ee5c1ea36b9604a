/** Two agents on two nodes of one link: pods across, natively and through the tunnel. */
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {resources} from '../../../src/k8s/resources.ts'
import {AgentNode} from '../../support/agent/agent-node.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'
import {ApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'

const native = {'routing-mode': 'native', 'auto-direct-node-routes': 'true'}
const modes: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['native', native],
  ['native, by way of the stack', {...native, 'kube-proxy-replacement': 'false'}],
  ['tunnel', {'routing-mode': 'tunnel'}],
]

let api: ApiServer
let nodes: AgentNode[] = []
const processes: PodProcess[] = []

beforeEach(async () => {
  api = await new ApiServer().start()
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  for (const node of nodes.splice(0)) await node.destroy()
  await api?.stop()
})

function processIn(netns: string): PodProcess {
  const made = new PodProcess(netns)
  processes.push(made)
  return made
}

describe.each(modes)('%s', (_, config) => {
  test('pods on different nodes talk over both families, and with both nodes', async () => {
    nodes = []
    nodes.push(await AgentNode.create({api, config}))
    nodes.push(await AgentNode.create({api, config, beside: nodes[0]!}))
    await Promise.all(nodes.map((node) => node.start()))
    const [one, two] = nodes as [AgentNode, AgentNode]
    const a = await one.addPod('a')
    const b = await two.addPod('b')
    await eventually(() => api.all(resources.ciliumEndpoints).length === 2)
    const [client, server, host] = [processIn(a.netns), processIn(b.netns), processIn(one.netns)]
    const otherHost = processIn(two.netns)
    await server.serve()
    await otherHost.serve(9090)

    for (const [ip, own] of [
      [b.ipv4, `::ffff:${a.ipv4}`],
      [b.ipv6, a.ipv6],
    ] as const) {
      expect(await client.tcp(ip, 'across')).toBe('across')
      expect(await client.udp(ip, 'who')).toBe(own)
      expect(await host.tcp(ip, 'from a node')).toBe('from a node')
    }
    for (const address of two.addresses) expect(await client.tcp(address, 'to a node', 9090)).toBe('to a node')

    const large = 'x'.repeat(60_000)
    expect((await client.tcp(b.ipv4, large)).length).toBeGreaterThan(1000)
  })
})
