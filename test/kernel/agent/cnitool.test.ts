/** Our plugin in the hands of the CNI project's own tool, by the conflist that the agent writes for each runtime. */
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type Node, type Pod, resources} from '../../../src/k8s/resources.ts'
import {AgentNode} from '../../support/agent/agent-node.ts'
import {cnitool} from '../../support/agent/cnitool.ts'
import {ApiServer} from '../../support/api/api-server.ts'

const binaries = new URL('../../../dist/cni', import.meta.url).pathname
let api: ApiServer
let node: AgentNode
let tool: string

beforeEach(async () => {
  tool = await cnitool()
  api = await new ApiServer().start()
  node = await AgentNode.create({api})
})
afterEach(async () => {
  await node?.destroy()
  await api?.stop()
})

/** @param runtime what the Node says about it */
async function startWith(runtime: string): Promise<void> {
  const object = api.get<Node>(resources.nodes, node.name)!
  api.put<Node>(resources.nodes, {
    ...object,
    status: {...object.status, nodeInfo: {containerRuntimeVersion: runtime}},
  } as Node)
  await node.start()
}

async function run(verb: string, netns: string, pod = '') {
  const uid = pod === '' ? '' : (api.get<Pod>(resources.pods, `default/${pod}`)?.metadata.uid ?? '')
  const done = await execa(tool, [verb, 'cilium', netns], {
    env: {
      CNI_PATH: binaries,
      NETCONFPATH: join(node.folder, 'cni'),
      ...(pod === ''
        ? {}
        : {CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_UID=${uid}`}),
    },
    reject: false,
  })
  return {exitCode: done.exitCode, stdout: done.stdout, stderr: done.stderr}
}

test.each([
  ['containerd://2.1.4', '1.1.0'],
  ['containerd://1.6.20', '1.0.0'],
  ['docker://24.0.0', '0.3.1'],
])('every verb works as the conflist for %s says (%s)', async (runtime, version) => {
  await startWith(runtime)
  const a = node.createPod('a')
  expect(JSON.parse(node.read('cni/05-cilium.conflist')).cniVersion).toBe(version)

  if (version === '1.1.0') expect(await run('status', a)).toMatchObject({exitCode: 0})
  const added = await run('add', a, 'a')
  expect([added.exitCode, added.stderr]).toEqual([0, ''])
  const result = JSON.parse(added.stdout)
  expect(result.cniVersion).toBe(version)
  expect(result.interfaces[1]).toMatchObject({name: 'eth0', sandbox: a})
  expect(result.ips.map((ip: {address: string}) => ip.address)).toEqual([
    `10.${node.number}.0.3/32`,
    `fd00:10:${node.number}::3/128`,
  ])
  if (version !== '0.3.1') expect(await run('check', a, 'a')).toMatchObject({exitCode: 0})

  expect((await run('del', a, 'a')).exitCode).toBe(0)
  expect((await run('del', a, 'a')).exitCode).toBe(0)
  expect(node.links().filter(({name}) => /^lxc[0-9a-f]{12}$/.test(name))).toEqual([])
})

test('gc takes what the tool remembers, and touches nothing else without a list', async () => {
  await startWith('containerd://2.1.4')
  const a = node.createPod('a')
  await node.addPod('other')
  expect((await run('add', a, 'a')).exitCode).toBe(0)

  const {stderr} = await run('gc', a)

  expect(stderr).toContain('GC needs the list cni.dev/valid-attachments') // which this tool never gives
  expect(node.links().filter(({name}) => /^lxc[0-9a-f]{12}$/.test(name))).toHaveLength(1)
  expect((await run('check', a, 'a')).exitCode).not.toBe(0)
})

test('status tells the runtime that no pod can be connected', async () => {
  await startWith('containerd://2.1.4')
  const text = node.read('cni/05-cilium.conflist')
  await node.stop()
  writeFileSync(
    join(node.folder, 'cni/05-cilium.conflist'),
    text.replace('"agent-socket"', '"agent-wait-ms": "0", "agent-socket"'),
  )

  const {exitCode, stderr} = await run('status', node.netns)

  expect(exitCode).not.toBe(0)
  expect(stderr).toContain('does not answer')
})
