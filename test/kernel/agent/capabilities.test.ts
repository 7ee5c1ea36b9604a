/** The agent with just what the chart lets it do, and with less. */
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {AgentNode} from '../../support/agent/agent-node.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'
import {ApiServer} from '../../support/api/api-server.ts'

const chart = ['NET_ADMIN', 'SYS_ADMIN', 'BPF', 'PERFMON']

let api: ApiServer
let node: AgentNode
const processes: PodProcess[] = []

beforeEach(async () => {
  api = await new ApiServer().start()
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  await node.destroy()
  await api.stop()
})

function processIn(netns: string): PodProcess {
  const made = new PodProcess(netns)
  processes.push(made)
  return made
}

test('those of the chart are enough to connect pods and serve them', async () => {
  node = await AgentNode.create({api, capabilities: chart})

  await node.start()

  const [a, b] = [await node.addPod('a'), await node.addPod('b')]
  await processIn(b.netns).serve()
  const client = processIn(a.netns)
  for (const ip of [b.ipv4, b.ipv6]) expect(await client.tcp(ip, 'with four')).toBe('with four')
  expect((await node.deletePod('b')).exitCode).toBe(0)
})

describe.each(['NET_ADMIN', 'SYS_ADMIN'])('without %s', (name) => {
  test('the agent does not start, and says which it is', async () => {
    node = await AgentNode.create({api, capabilities: chart.filter((one) => one !== name)})

    const started = node.start()

    await expect(started).rejects.toThrow(`missing: ${name} (`)
    await expect(started).rejects.toThrow('CAPABILITY_MISSING')
  })
})

test('SYS_ADMIN holds BPF and PERFMON: without those two an agent starts, too', async () => {
  node = await AgentNode.create({api, capabilities: ['NET_ADMIN', 'SYS_ADMIN']})

  await node.start()

  expect((await node.addPod('a')).ipv4).toMatch(/^10\./)
})
