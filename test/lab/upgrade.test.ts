/**
 * From this build to one whose flows have a field more, and back, on real nodes under numbered traffic: at once, with
 * both versions side by side, with agents that crash in the middle, and to builds that must not get onto a node.
 */
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'
import {removeStreams, type Streams, startStreams, wrongs} from '../support/lab/streams.ts'
import {seededSteps} from '../support/layout/failpoints.ts'
import {failpointFile, makeBrokenTree, makeImage, makeNextTree} from '../support/layout/next-tree.ts'

const cluster = new Cluster('t-upgrade')
const nodes = ['node1', 'node2'] as const
const all = process.env['CILIUM_TEST_STEPS'] === 'all'
/** Trees are kept where CILIUM_TEST_TREES says, and used again. */
const kept = process.env['CILIUM_TEST_TREES']
const folder = kept ?? mkdtempSync(join(tmpdir(), 'cilium-upgrade-'))
const trees = {next: join(folder, 'next'), broken: join(folder, 'broken')}

beforeAll(async () => {
  await cluster.down()
  await Promise.all([install(), buildTrees()])
  for (const tree of Object.values(trees))
    await cluster.ciliumOk('lab', 'load', join(tree, 'dist/image/cilium.tar'), '--name', cluster.name)
}, 900_000)
afterAll(async () => {
  await cluster.down()
  if (kept === undefined) rmSync(folder, {recursive: true, force: true})
})

async function buildTrees(): Promise<void> {
  if (!existsSync(trees.next)) await makeImage(await makeNextTree(trees.next))
  if (!existsSync(trees.broken)) await makeImage(await makeBrokenTree(trees.broken))
}
async function install(): Promise<void> {
  await cluster.up(nodes.length)
  await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true', '--set', 'image.pullPolicy=Never')
}

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

describe('two versions on two nodes', () => {
  let before: string
  beforeAll(async () => {
    const releases = [
      'get',
      'secrets',
      '-l',
      'name=cilium,status=deployed',
      '-o',
      'jsonpath={.items[*].metadata.labels.version}',
    ]
    before = await cluster.kubectl('-n', 'kube-system', ...releases)
    await start()
    const done = await ciliumOf(trees.next, 'upgrade', '--set', 'updateStrategy.type=OnDelete')
    expect(done.exitCode, done.stderr).toBe(0)
    await cluster.kubectl('-n', 'kube-system', 'delete', 'pod', await agentOf('node1'), '--wait=true')
    await until('the new version on node1', 120_000, async () =>
      (await inAgent('node1', 'cilium-dbg', 'version')).includes('0.2.0') ? true : undefined,
    )
    await cluster.agentsReady()
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'status', 'deploy/cilium-operator', '--timeout=120s')
  }, 300_000)

  test('is what there is', async () => {
    expect(await inAgent('node2', 'cilium-dbg', 'version')).not.toContain('0.2.0')
    const [[one] = [], [two] = []] = await layouts()
    expect(one).toBe(two! + 1)
  })

  test('pods that are new find each other, and a policy that is new holds on both', async () => {
    await cluster.apply(...nodes.map((node) => workloadPod(`new-${node}`, node, {app: 'new'})))
    const pods = await cluster.podAddresses('default', 'app=new')
    const ask = (from: string, to: string) =>
      Promise.all(
        pods.get(to)!.addresses.map(async (address) => {
          const url = `http://${address.includes(':') ? `[${address}]` : address}:8080/`
          const command = ['exec', from, '--', 'curl', '-s', '-o', '/dev/null', '-m', '2', '-w', '%{http_code}', url]
          return await cluster.kubectl(...command).catch(() => 'refused')
        }),
      )
    const both = ['200', '200']
    expect([await ask('new-node1', 'new-node2'), await ask('new-node2', 'new-node1')]).toEqual([both, both])

    await cluster.apply({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: {name: 'new', namespace: 'default'},
      spec: {endpointSelector: {matchLabels: {app: 'new'}}, ingress: [{fromEntities: ['host']}]},
    })
    await until('the policy on both', 30_000, async () => {
      const seen = [await ask('new-node1', 'new-node2'), await ask('new-node2', 'new-node1')].flat()
      return seen.every((code) => code === 'refused') ? true : undefined
    })
    await cluster.kubectl('delete', 'cnp', 'new')
  })

  test('the command lines of both versions tell the same of both', async () => {
    const [older, newer] = [
      await cluster.cilium('status', '-o', 'json'),
      await ciliumOf(trees.next, 'status', '-o', 'json'),
    ]
    const [one, two] = [JSON.parse(older.stdout), JSON.parse(newer.stdout)]

    for (const part of ['verdict', 'image_count', 'pod_state', 'phase_count', 'pods_count', 'errors', 'findings'])
      expect(one[part], part).toEqual(two[part])
    // that is all that is wrong
    const texts = one.findings.map(({text}: {text: string}) => text)
    expect(texts).toEqual(['DaemonSet cilium is rolling out - 1 out of 2 pods updated'])
    expect([older.exitCode, newer.exitCode]).toEqual([3, 3])
    const versions = Object.keys(one.image_count['cilium']).join()
    for (const version of ['0.1.0', '0.2.0']) expect(versions).toContain(version)
    expect(Object.keys(one.cilium_status)).toHaveLength(nodes.length)
    expect(await cluster.ciliumOk('config', 'view')).toBe((await ciliumOf(trees.next, 'config', 'view')).stdout)
    expect(await cluster.ciliumOk('version')).toContain('0.2.0')
  })

  test('what the older command line changes, it changes in the newer release', async () => {
    await cluster.ciliumOk('config', 'set', 'debug', 'true', '--no-restart')

    expect(await cluster.ciliumOk('config', 'view')).toMatch(/^debug\s+true/m)
    expect(await cluster.ciliumOk('version')).toContain('0.2.0')
    await cluster.ciliumOk('config', 'delete', 'debug', '--no-restart')
  })

  test('nothing was lost meanwhile, nor on the way back', async () => {
    await cluster.ciliumOk('upgrade', '--rollback', '--to-revision', before, '--wait')
    await cluster.agentsReady()

    await expectNothingLost()
  })
})

// minutes each: only when steps are asked for
if (process.env['CILIUM_TEST_STEPS'] !== undefined)
  describe('an agent that crashes in the middle of the change', () => {
    test.each(seededSteps())(
      'at %s: nothing is lost, and the next start completes it',
      async (step) => {
        const [[old = 0] = []] = await layouts()
        await start()
        for (const node of nodes) await cluster.at(node, 'sh', '-c', `echo ${step} > ${failpointFile}`)

        await upgradeWith(trees.next)
        await cluster.agentsReady()

        for (const node of nodes) {
          expect(await cluster.at(node, 'sh', '-c', `ls ${failpointFile} 2>/dev/null || echo gone`)).toContain('gone')
          const restarts = [
            'get',
            'pod',
            await agentOf(node),
            '-o',
            'jsonpath={.status.containerStatuses[0].restartCount}',
          ]
          expect(Number(await cluster.kubectl('-n', 'kube-system', ...restarts))).toBeGreaterThan(0)
        }
        expect(await layouts()).toEqual(nodes.map(() => [old + 1]))
        await cluster.ciliumOk('upgrade', '--rollback', '--wait')
        await cluster.agentsReady()
        expect(await layouts()).toEqual(nodes.map(() => [old]))
        await expectNothingLost(step)
      },
      600_000,
    )
  })

describe('what must not get onto a node', () => {
  const refused = async (tree: string | undefined, ...args: string[]) => {
    const before = await Promise.all(nodes.map(generations))
    await start()
    const flags = ['upgrade', '--wait', '--wait-duration', '40s', ...args]
    const done = tree === undefined ? await cluster.cilium(...flags) : await ciliumOf(tree, ...flags)
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

  if (all)
    test('a value that agents refuse', async () => {
      await refused(undefined, '--set', 'extraConfig.routing-mode=sideways')

      expect((await cluster.cilium('status')).stdout).toContain('CONFIG_VALUE_INVALID')
      await back()
    }, 300_000)

  test('an image that there is not: the release goes back by itself when that was asked for', async () => {
    const done = await refused(undefined, '--set', 'image.tag=no-such-tag', '--rollback-on-failure')

    expect(done.stdout + done.stderr).toMatch(/ErrImageNeverPull|ErrImagePull|ImagePullBackOff/)
    expect(done.stdout + done.stderr).toMatch(/rolled back|went back|revision/i)
    expect((await cluster.cilium('status')).exitCode).toBe(0)
    await cluster.agentsReady()
    await expectNothingLost()
  }, 300_000)
})
