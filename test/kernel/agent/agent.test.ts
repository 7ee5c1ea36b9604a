/** The real agent process on a node of its own: real programs, maps, devices and CNI shim; Kubernetes in memory. */
import {afterEach, beforeEach, expect, test} from 'vitest'

import {AgentNode} from '../../support/agent/agent-node.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'
import {ApiServer} from '../../support/api/api-server.ts'

let api: ApiServer
let node: AgentNode
const processes: PodProcess[] = []

beforeEach(async () => {
  api = await new ApiServer().start()
  node = await AgentNode.create({api, number: 71})
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  await node?.destroy()
  await api?.stop()
})

function processIn(netns: string): PodProcess {
  const made = new PodProcess(netns)
  processes.push(made)
  return made
}

test('two pods on a node talk over both families, TCP and UDP', async () => {
  await node.start()
  const a = await node.addPod('a')
  const b = await node.addPod('b')
  const [client, server] = [processIn(a.netns), processIn(b.netns)]
  await server.serve()

  expect(await client.tcp(b.ipv4, 'hello')).toBe('hello')
  expect(await client.tcp(b.ipv6, 'hello six')).toBe('hello six')
  expect(await client.udp(b.ipv4, 'who')).toBe(`::ffff:${a.ipv4}`)
  expect(await client.udp(b.ipv6, 'who')).toBe(a.ipv6)
})
