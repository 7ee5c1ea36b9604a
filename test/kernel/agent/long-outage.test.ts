/** A day without the API server, in half a minute: agents whose clocks run faster, everything else as it is. */
import {join, resolve} from 'node:path'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type CiliumEndpoint, type KubeObject, resources} from '../../../src/k8s/resources.ts'
import {AgentNode} from '../../support/agent/agent-node.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'
import {ApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'

const program = resolve(import.meta.dirname, '../../support/agent/fast-agent.ts')
/** as fast-agent.ts has it */
const speedUp = 2_880
const dayMs = 24 * 3_600_000

let api: ApiServer
const nodes: AgentNode[] = []
const processes: PodProcess[] = []

beforeEach(async () => {
  api = await new ApiServer().start()
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  for (const node of nodes.splice(0).reverse()) await node.destroy()
  await api.stop()
})

function processIn(netns: string): PodProcess {
  const made = new PodProcess(netns)
  processes.push(made)
  return made
}

// biome-ignore lint/suspicious/noExplicitAny: models of many shapes
async function ask(node: AgentNode, path: string): Promise<any> {
  const socket = join(node.folder, 'run/cilium.sock')
  return JSON.parse((await execa('curl', ['-sf', '--unix-socket', socket, `http://l/v1${path}`])).stdout)
}

/** What of one agent must be the same after a day as before it. */
async function known(node: AgentNode): Promise<unknown> {
  const [endpoints, ips, policy] = await Promise.all(['/endpoint', '/ip', '/policy'].map((path) => ask(node, path)))
  return {
    endpoints: endpoints
      .map((one: {id: number; status: {state: string; identity?: {id: number}}}) => [
        one.id,
        one.status.state,
        one.status.identity?.id,
      ])
      .sort(),
    ips: ips.map((one: {cidr: string; identity: number}) => [one.cidr, one.identity]).sort(),
    policies: policy.policy,
    pins: node.pins(),
  }
}

const speed = (node: AgentNode) => process.kill(node.agentPid, 'SIGUSR2')

test('nothing is lost, new connections and verdicts are as before, and the status says since when', {
  timeout: 600_000,
}, async () => {
  const config = {'routing-mode': 'tunnel'}
  const one = await AgentNode.create({api, program, config})
  nodes.push(one)
  const two = await AgentNode.create({api, program, config, beside: one})
  nodes.push(two)
  await Promise.all(nodes.map((node) => node.start()))
  api.put(resources.networkPolicies, {
    metadata: {name: 'closed', namespace: 'default'},
    spec: {podSelector: {matchLabels: {app: 'closed'}}, policyTypes: ['Ingress'], ingress: []},
  } as KubeObject)
  const [a, b, closed] = [await one.addPod('a'), await two.addPod('b'), await two.addPod('closed')]
  await eventually(() => api.all<CiliumEndpoint>(resources.ciliumEndpoints).length >= 3)
  const client = processIn(a.netns)
  for (const pod of [b, closed]) await processIn(pod.netns).serve()
  const talks = async () => {
    for (const [ip, text] of [
      [b.ipv4, 'over IPv4'],
      [b.ipv6, 'over IPv6'],
    ] as const)
      expect(await client.tcp(ip, text)).toBe(text)
    for (const ip of [closed.ipv4, closed.ipv6]) await expect(client.tcp(ip, 'no', 8080, 500)).rejects.toThrow()
  }
  await eventually(async () => {
    await talks()
    return true
  })
  await client.startStream(b.ipv4, 8080)
  const before = await Promise.all(nodes.map(known))
  const began = Date.now()

  for (const node of nodes) await node.cutApi(true)
  for (const node of nodes) speed(node)
  const failing = async (node: AgentNode) => {
    const {kubernetes} = await ask(node, '/healthz')
    return kubernetes.state === 'Failure' ? (kubernetes as {msg: string; since: string}) : undefined
  }
  await eventually(async () => (await Promise.all(nodes.map(failing))).every((one) => one !== undefined))
  const first = await Promise.all(nodes.map(failing))
  while (Date.now() < began + dayMs / speedUp) {
    await talks()
    expect(await Promise.all(nodes.map(async (node) => (await failing(node))?.since))).toEqual(
      first.map((one) => one!.since),
    )
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }

  for (const one of first) expect(one!.msg).toContain(`since ${one!.since} what was known then is kept`)
  for (const node of nodes) speed(node)
  expect(await Promise.all(nodes.map(known))).toEqual(before)
  await talks()
  // again from what is on disk, after a day of nothing new
  await one.stop('SIGKILL')
  await one.start()
  await talks()

  for (const node of nodes) await node.cutApi(false)
  await eventually(async () => (await ask(two, '/healthz')).kubernetes.state === 'Ok', 60_000)
  await eventually(async () => (await ask(one, '/healthz')).kubernetes.state === 'Ok', 60_000)
  const fresh = await one.addPod('fresh')
  expect(await processIn(fresh.netns).tcp(b.ipv4, 'after')).toBe('after')
  const report = await client.streamReport()
  expect(report).toMatchObject({out: 0})
  expect(report.broken).toBeUndefined()
  expect(await known(two)).toEqual(before[1])
})
