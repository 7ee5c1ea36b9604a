/**
 * From this build to one whose flows have a field more, and back, on real nodes under numbered traffic; and to a build
 * that must not get onto a node.
 */
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Cluster} from '../support/lab/cluster.ts'
import {removeStreams, type Streams, startStreams, wrongs} from '../support/lab/streams.ts'
import {makeBrokenTree, makeImage, makeNextTree} from '../support/layout/next-tree.ts'

const cluster = new Cluster('t-upgrade')
const nodes = ['node1', 'node2'] as const
/** Trees are kept where CILIUM_TEST_TREES says, and used again. */
const kept = process.env['CILIUM_TEST_TREES']
const folder = kept ?? mkdtempSync(join(tmpdir(), 'cilium-upgrade-'))
const trees = {next: join(folder, 'next'), broken: join(folder, 'broken')}

beforeAll(async () => {
  await cluster.down()
  if (!existsSync(trees.next)) await makeImage(await makeNextTree(trees.next))
  if (!existsSync(trees.broken)) await makeImage(await makeBrokenTree(trees.broken))
  await cluster.up(nodes.length)
  for (const tree of Object.values(trees))
    await cluster.ciliumOk('lab', 'load', join(tree, 'dist/image/cilium.tar'), '--name', cluster.name)
  await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true', '--set', 'image.pullPolicy=Never')
}, 900_000)
afterAll(async () => {
  await cluster.down()
  if (kept === undefined) rmSync(folder, {recursive: true, force: true})
})

/** `cilium` of another build. */
async function ciliumOf(tree: string, ...args: string[]) {
  const env = {KUBECONFIG: cluster.kubeconfig, NO_COLOR: '1'}
  return await execa(process.execPath, [join(tree, 'bin/cilium.js'), ...args], {env, reject: false, stdin: 'ignore'})
}
async function upgradeWith(tree: string, ...args: string[]): Promise<void> {
  const done = await ciliumOf(tree, 'upgrade', '--wait', ...args)
  if (done.exitCode !== 0) throw new Error(`${done.stdout}\n${done.stderr}`)
}

const agentOf = async (node: string) =>
  await cluster.kubectl(
    ...['-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=cilium', '--field-selector', `spec.nodeName=${node}`],
    ...['-o', 'jsonpath={.items[0].metadata.name}'],
  )
const inAgent = async (node: string, ...command: string[]) =>
  await cluster.kubectl('-n', 'kube-system', 'exec', await agentOf(node), '-c', 'cilium-agent', '--', ...command)
/** Names of generations that are pinned on a node; their ends are layouts. An agent may be at a new one that fails. */
const generations = async (node: string) =>
  (await cluster.at(node, 'ls', '/sys/fs/bpf/cilium/generations'))
    .trim()
    .split(/\s+/)
    .filter((name) => name !== 'unfinished')
const layouts = async () =>
  await Promise.all(
    nodes.map(async (node) => (await generations(node)).map((name) => Number(/_v(\d+)$/.exec(name)?.[1]))),
  )

let streams: Streams
let closed: readonly string[]
const start = async () => {
  streams = await startStreams(cluster, nodes)
  closed = (await cluster.podAddresses('default', 'app=closed')).get('closed')!.addresses
}
const expectNothingLost = async (hint = '') => {
  expect(wrongs(await streams.drain(), closed), hint).toEqual([])
  await removeStreams(cluster)
}

describe('forwards and back', () => {
  test('every connection of every path goes on, and no verdict changes', async () => {
    const [[old = 0] = []] = await layouts()
    await start()

    await upgradeWith(trees.next)
    expect(await layouts()).toEqual(nodes.map(() => [old + 1]))
    expect(await inAgent('node1', 'cilium-dbg', 'version')).toContain('0.2.0')

    await cluster.ciliumOk('upgrade', '--rollback', '--wait')
    await cluster.agentsReady()
    expect(await layouts()).toEqual(nodes.map(() => [old]))

    await expectNothingLost()
  }, 600_000)
})

describe('what must not get onto a node', () => {
  const refused = async (tree: string) => {
    const before = await Promise.all(nodes.map(generations))
    await start()
    const flags = ['upgrade', '--wait', '--wait-duration', '40s']
    const done = await ciliumOf(tree, ...flags)
    expect(done.exitCode).not.toBe(0)
    expect(await Promise.all(nodes.map(generations))).toEqual(before)
    return done
  }
  const back = async () => {
    await cluster.ciliumOk('upgrade', '--rollback', '--wait')
    await cluster.agentsReady()
    await expectNothingLost()
  }

  test('programs that fail their check: the old ones stay, and the status says why', async () => {
    await refused(trees.broken)

    const {stdout, exitCode} = await cluster.cilium('status')
    expect(exitCode).not.toBe(0)
    expect(stdout).toContain('DATAPATH_SELF_CHECK')
    await back()
  }, 300_000)
})
