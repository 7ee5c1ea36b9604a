/**
 * From a build to one whose flows have a field more, and back, under numbered traffic, with the process killed at each
 * step. Both builds are real trees; the programs that switch are processes.
 */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {mkdirSync, readdirSync, rmSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {execa} from 'execa'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {STATE_LAYOUT} from '../../src/datapath/gen/constants.ts'
import {listGenerations, listLayouts} from '../../src/datapath/pins.ts'
import {listSwitches} from '../../src/datapath/switch.ts'
import {linkAdd, linkSet} from '../../src/kernel/netlink/link.ts'
import {NetlinkSocket} from '../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns} from '../../src/kernel/netns.ts'
import {Mac} from '../../src/model/mac.ts'
import {seededSteps} from '../support/layout/failpoints.ts'
import {makeNextTree} from '../support/layout/next-tree.ts'
import {layoutPod} from '../support/layout/pod.ts'
import {ownFolder, ownNamespace} from '../support/own-names.ts'

const root = resolve(import.meta.dirname, '../..')
const names = {node: ownNamespace('layout-node'), pod: ownNamespace('layout-pod')}
let bpffs: string
let next: string
let node: string
let socket: NetlinkSocket
let pins: string
let run = 0
const children: ChildProcess[] = []

beforeAll(async () => {
  await buildBpf({from: `${root}/bpf`, to: `${root}/dist/bpf`})
  next = await makeNextTree(ownFolder('next'))
  bpffs = ownFolder('layout')
  execFileSync('mount', ['-t', 'bpf', 'bpf', bpffs])
  node = createNetns(names.node)
  createNetns(names.pod)
  socket = inNetns(node, () => new NetlinkSocket())
  makeNetwork()
})
afterAll(() => {
  socket?.close()
  for (const name of Object.values(names)) deleteNetns(name)
  if (bpffs) execFileSync('umount', [bpffs])
  for (const folder of [bpffs, next]) if (folder) rmSync(folder, {recursive: true, force: true})
})
beforeEach(() => {
  pins = join(bpffs, `run${++run}`)
  mkdirSync(pins)
})
afterEach(async () => {
  // the next test listens on the same port
  await Promise.all(children.splice(0).map((child) => ended(child)))
  for (const direction of ['ingress', 'egress'])
    execFileSync('ip', ['netns', 'exec', names.node, 'tc', 'filter', 'del', 'dev', 'lxc1', direction])
  rmSync(pins, {recursive: true, force: true})
})

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const end = new Promise((done) => child.once('exit', done))
  child.kill('SIGKILL')
  await end
}

function makeNetwork(): void {
  const {ifindex, mac, nodeMac, ipv4, ipv6, nodeIpv4, nodeIpv6} = layoutPod
  socket.runAll([
    linkSet(1, {up: true}),
    linkAdd({
      kind: 'veth',
      name: 'lxc1',
      ifindex,
      mac: Mac.of(nodeMac),
      peer: {name: 'eth0', ifindex: 5097, mac: Mac.of(mac)},
    } as never),
    linkSet(ifindex, {up: true}),
  ])
  const inNode = (...words: string[]) => execFileSync('ip', ['-n', names.node, ...words])
  const inPod = (...words: string[]) => execFileSync('ip', ['-n', names.pod, ...words])
  inNode('link', 'set', 'eth0', 'netns', names.pod)
  inNode('link', 'set', 'lxc1', 'address', nodeMac)
  inPod('link', 'set', 'eth0', 'address', mac)
  for (const [ours, pods, family] of [
    [nodeIpv4, ipv4, '-4'],
    [nodeIpv6, ipv6, '-6'],
  ] as const) {
    const bits = family === '-4' ? 32 : 128
    inNode('addr', 'add', `${ours}/${bits}`, 'dev', 'lo', ...(bits === 128 ? ['nodad'] : []))
    inNode(family, 'route', 'add', pods, 'dev', 'lxc1')
    inNode(family, 'neigh', 'replace', pods, 'lladdr', mac, 'dev', 'lxc1', 'nud', 'permanent')
    inPod('addr', 'add', `${pods}/${bits}`, 'dev', 'eth0', ...(bits === 128 ? ['nodad'] : []))
  }
  inPod('link', 'set', 'lo', 'up')
  inPod('link', 'set', 'eth0', 'up')
  for (const [ours, family] of [
    [nodeIpv4, '-4'],
    [nodeIpv6, '-6'],
  ] as const) {
    inPod(family, 'route', 'add', ours, 'dev', 'eth0')
    inPod(family, 'neigh', 'replace', ours, 'lladdr', nodeMac, 'dev', 'eth0', 'nud', 'permanent')
  }
}

/** One start of an agent of a tree. @param dieAt where it is killed */
async function start(tree: string, dieAt?: string) {
  const driver = join(tree, 'test/support/layout/driver.ts')
  const args = [driver, 'open', pins, join(tree, 'dist/bpf'), node, ...(dieAt === undefined ? [] : [dieAt])]
  const done = await execa(process.execPath, args, {reject: false})
  if (dieAt === undefined && done.exitCode !== 0) throw new Error(done.stderr)
  return done
}

interface SeenFlow {
  readonly ports: readonly number[]
  readonly proto: number
  readonly family: number
  readonly created: string
  readonly packets: number
}

async function flows(tree: string): Promise<SeenFlow[]> {
  const {stdout} = await execa(process.execPath, [join(tree, 'test/support/layout/driver.ts'), 'flows', pins])
  return JSON.parse(stdout)
}

/** When each flow of the traffic was made, by its own end's port. */
async function births(tree: string): Promise<Record<string, string>> {
  const forward = (await flows(tree)).filter(({ports}) => ports[1] === 7007)
  return Object.fromEntries(forward.map(({ports, created}) => [String(ports[0]), created]).sort())
}

interface Tally {
  readonly way: string
  readonly sent: number
  readonly missing: number
  readonly failed?: string
}

/** Starts numbered traffic between pod and node. The function that is given ends it and tells what was lost. */
async function traffic(): Promise<() => Promise<Tally[]>> {
  const echo = (netns: string, role: string): ChildProcess => {
    const child = spawn(
      'nsenter',
      [
        `--net=/run/netns/${netns}`,
        process.execPath,
        join(root, 'test/support/layout/echo.ts'),
        role,
        layoutPod.nodeIpv4,
        layoutPod.nodeIpv6,
      ],
      {stdio: ['pipe', 'pipe', 'inherit']},
    )
    children.push(child)
    return child
  }
  const said = (child: ChildProcess, lines: number): Promise<string> =>
    new Promise((done) => {
      let text = ''
      child.stdout!.on('data', (data) => {
        text += data
        if (text.split('\n').length > lines) done(text)
      })
    })
  await said(echo(names.node, 'server'), 2)
  const client = echo(names.pod, 'client')
  const result = said(client, 2)
  await expect.poll(async () => Object.keys(await births(root)).length, {timeout: 20_000}).toBe(4)
  return async () => {
    client.stdin!.end()
    return JSON.parse((await result).split('\n')[1]!)
  }
}

function expectNothingLost(tallies: readonly Tally[]): void {
  expect(tallies).toHaveLength(4)
  for (const tally of tallies) {
    expect(tally).toMatchObject({missing: 0})
    expect(tally.failed ?? '').toBe('')
    expect(tally.sent).toBeGreaterThan(100)
  }
}

test('forwards and back: no packet lost, every flow the one that it was', async () => {
  await start(root)
  const end = await traffic()
  const before = await births(root)

  await start(next)
  const between = await births(next)
  await start(root)
  const after = await births(root)

  expectNothingLost(await end())
  expect(between).toEqual(before)
  expect(after).toEqual(before)
  expect(listLayouts(pins)).toEqual([STATE_LAYOUT])
  expect(listGenerations(pins)).toHaveLength(1)
  expect(listSwitches(pins)).toEqual([])
})

describe('killed at the step', () => {
  const steps = seededSteps()
  test.each(steps)('%s: the next start of the new build completes it', async (step) => {
    await start(root)
    const end = await traffic()
    const before = await births(root)

    const killed = await start(next, step)
    expect(killed.signal).toBe('SIGKILL')
    await start(next)

    expect(await births(next)).toEqual(before)
    expectNothingLost(await end())
    expect(listLayouts(pins)).toEqual([STATE_LAYOUT + 1])
    expect(readdirSync(pins).sort()).toEqual(['generations', 'state'])
  })

  test.each(steps)('%s: the old build goes on instead', async (step) => {
    await start(root)
    const end = await traffic()
    const before = await births(root)

    await start(next, step)
    await start(root)

    expect(await births(root)).toEqual(before)
    expectNothingLost(await end())
    expect(listLayouts(pins)).toEqual([STATE_LAYOUT])
  })
})
