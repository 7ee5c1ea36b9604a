/** The agent on a node whose disk is full: what runs goes on, what cannot be kept is refused, and nothing is left over. */
import {rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {AgentNode} from '../../support/agent/agent-node.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'
import {ApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'

let api: ApiServer
let node: AgentNode
const processes: PodProcess[] = []
const disks: string[] = []

beforeEach(async () => {
  api = await new ApiServer().start()
  node = await AgentNode.create({api})
  for (const folder of ['lib', 'run']) {
    const path = join(node.folder, folder)
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path])
    disks.push(path)
  }
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  await node.stop('SIGKILL')
  for (const path of disks.splice(0)) await execa('umount', ['-l', path])
  await node.destroy()
  await api.stop()
})

/** Not one byte is free any more; returns how to end that. */
function fill(): () => void {
  const files = disks.map((path) => join(path, 'filler'))
  for (const file of files) {
    for (let size = 65_536; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (;;) writeFileSync(file, Buffer.alloc(size), {flag: 'a'})
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown
      }
    }
  }
  return () => {
    for (const file of files) rmSync(file)
  }
}

function processIn(netns: string): PodProcess {
  const made = new PodProcess(netns)
  processes.push(made)
  return made
}

const podDevices = () => node.links().filter(({name}) => /^lxc[0-9a-f]{12}$/.test(name))

test('a new pod is refused with the reason, running ones talk, also over a restart, and go away; then there is room again', async () => {
  await node.start()
  const a = await node.addPod('a')
  const b = await node.addPod('b')
  await node.addPod('c')
  const [client, server] = [processIn(a.netns), processIn(b.netns)]
  await server.serve()
  const makeRoom = fill()
  node.createPod('late')

  const refused = await node.cni('ADD', 'late')

  expect(refused.document).toMatchObject({code: expect.any(Number), msg: expect.stringContaining('STATE_WRITE_FAILED')})
  expect(JSON.stringify(refused.document)).toContain('no space left on the device')
  expect(podDevices()).toHaveLength(3)

  await node.stop('SIGKILL')
  await node.start()
  expect(await client.tcp(b.ipv4, 'full')).toBe('full')
  expect(await client.tcp(b.ipv6, 'full')).toBe('full')
  expect((await node.deletePod('c')).exitCode).toBe(0)
  expect(podDevices()).toHaveLength(2)

  makeRoom()
  expect((await node.cni('ADD', 'late')).exitCode).toBe(0)
  expect(podDevices()).toHaveLength(3)
})

test('an agent that starts on it the first time says so, and goes on by itself once there is room', async () => {
  const makeRoom = fill()
  await node.start({wait: false})
  await eventually(() => {
    expect(node.agentLog).toContain('STATE_WRITE_FAILED')
    return true
  }, 30_000)
  makeRoom()

  await node.whenReady()

  expect((await node.addPod('a')).ipv4).toMatch(/^10\./)
})
