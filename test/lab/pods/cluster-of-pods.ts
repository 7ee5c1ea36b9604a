/** The whole thing on a real cluster: install, pods that talk, agents that die, nodes that reboot, uninstall. A file for each way of routing. */
import {isDeepStrictEqual} from 'node:util'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {restartNode, startApiServer, stopApiServer} from '../../../src/lab/cluster.ts'
import {Cluster, until, withoutPolicies, workloadPod} from '../../support/lab/cluster.ts'
import {seededRandom} from '../../support/seeded-random.ts'

interface StreamCount {
  readonly target: string
  readonly sent: number
  readonly answered: number
  readonly missing: readonly number[]
  readonly cut?: string
}

const {signal} = new AbortController()
const nodes = ['node1', 'node2', 'node3'] as const
const kills = Number(process.env['KILLS'] ?? 10)
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)

/** @param mode names the lab @param values of the chart */
export function testClusterOfPods(mode: string, values: readonly string[]): void {
  const cluster = new Cluster(`t-${mode}`)

  beforeAll(async () => {
    await cluster.down()
    await cluster.up(nodes.length)
  })

  afterAll(async () => {
    await cluster.down()
  })

  test('is ready after cilium install --wait', async () => {
    const sets = ['ipv6.enabled=true', ...values].flatMap((value) => ['--set', value])

    await cluster.ciliumOk('install', '--wait', ...sets)
    const status = await cluster.cilium('status', '--wait', '-o', 'json')

    expect(status.exitCode).toBe(0)
    expect(await cluster.kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].status.conditions[-1:].type}')).toBe(
      'Ready Ready Ready',
    )
  })

  test('passes the connectivity test', async () => {
    const done = await cluster.cilium('connectivity', 'test', '--test', withoutPolicies)

    expect(done.exitCode, done.stdout + done.stderr).toBe(0)
  })

  test(`loses no packet while agents are killed ${kills} times, and new pods work`, {
    timeout: 300_000 + kills * 60_000,
  }, async () => {
    const random = seededRandom(seed)
    await startStreams(cluster)
    const before = await footprint(cluster)

    for (let kill = 0; kill < kills; kill++) {
      const node = nodes[Math.floor(random() * nodes.length)]!
      switch (kill % 4) {
        case 0: // again while it starts, at any moment of the first two seconds
          await cluster.killAgent(node)
          await new Promise((resolve) => setTimeout(resolve, random() * 2_000))
          await cluster.killAgent(node)
          break
        case 1:
          await cluster.killAgentWhen(node, 'more', () =>
            cluster.apply(workloadPod(`half-${kill}`, node, {app: 'half'})),
          )
          break
        case 2:
          await cluster.apply(workloadPod(`half-${kill}`, node, {app: `half-${kill}`}))
          await cluster.podAddresses('default', `app=half-${kill}`)
          await cluster.killAgentWhen(node, 'fewer', () =>
            cluster.kubectl('delete', 'pod', `half-${kill}`, '--wait=false'),
          )
          break
        default:
          await cluster.killAgent(node)
      }
      await agentAnswers(cluster, node)
    }
    // what was made in the middle of a kill works all the same
    await cluster.podAddresses('default', 'app=half')
    await cluster.kubectl('delete', 'pods', '-l', 'app=half', '--wait=true')
    await cluster.agentsReady()
    await cluster.apply(workloadPod('late', 'node2', {app: 'late'}))
    const late = (await cluster.podAddresses('default', 'app=late')).get('late')!
    for (const address of late.addresses) await httpFromStreamer(cluster, address)
    await cluster.kubectl('delete', 'pod', 'late', '--wait=true')

    expect(await drain(cluster), `seed ${seed}`).toEqual(lossless)
    // what a killed call has left goes when its runtime asks again, or with the next look of the agent
    let after = await footprint(cluster)
    for (const end = Date.now() + 150_000; !isDeepStrictEqual(after, before) && Date.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      after = await footprint(cluster)
    }
    expect(after, `seed ${seed}`).toEqual(before)
  })

  test('keeps everything flowing without the API server, and agents restart from what they have on disk', async () => {
    await startStreams(cluster)

    await stopApiServer(cluster.name, signal)
    try {
      for (const node of nodes) {
        await cluster.killAgent(node)
        await agentAnswers(cluster, node)
      }
    } finally {
      await startApiServer(cluster.name, signal)
    }

    await cluster.agentsReady()
    expect(await drain(cluster)).toEqual(lossless)
  })

  test('has its pods back after a node was rebooted', async () => {
    await restartNode(cluster.name, 'node2', signal)
    await cluster.agentsReady()
    await cluster.kubectl('wait', '--for=condition=Ready', 'node/node2', '--timeout=120s')

    await startStreams(cluster)

    await until('traffic with the rebooted node', 30_000, async () =>
      (await counts(cluster)).every(({answered}) => answered > 20) ? true : undefined,
    )
    expect(await drain(cluster)).toEqual(lossless)
  })

  test('leaves nothing behind after cilium uninstall --wait', async () => {
    await cluster.kubectl('delete', 'pods', '--all', '--wait=true')
    await cluster.ciliumOk('uninstall', '--wait')

    for (const node of nodes) {
      const devices = await cluster.at(node, 'ls', '/sys/class/net')
      expect(devices.split(/\s+/).filter((name) => /^(cilium|lxc)/.test(name))).toEqual([])
      expect(await cluster.at(node, 'sh', '-c', 'ls /etc/cni/net.d /sys/fs/bpf | grep -i cilium || true')).toBe('')
      expect(await cluster.at(node, 'sh', '-c', 'ip route show proto 193; ip -6 route show proto 193')).toBe('')
    }
    expect(await cluster.kubectl('get', 'crd', '-o', 'name')).not.toContain('cilium.io')
  })
}

/** An echo server on each node, and on node1 a pod that sends numbers to all of them. */
async function startStreams(cluster: Cluster): Promise<void> {
  await cluster.kubectl('delete', 'pods', '--all', '--wait=true')
  await cluster.apply(
    ...nodes.map((node) =>
      workloadPod(`echo-${node}`, node, {app: 'echo'}, '--tcp-echo', '9000', '--udp-echo', '9000'),
    ),
  )
  const echoes = await cluster.podAddresses('default', 'app=echo')
  const streams = [...echoes.values()].flatMap(({addresses}) =>
    addresses.flatMap((address) => ['--stream', `tcp,${address},9000`, '--stream', `udp,${address},9000`]),
  )
  await cluster.apply(workloadPod('streamer', 'node1', {app: 'streamer'}, ...streams, '--stream-every', '5'))
  await cluster.podAddresses('default', 'app=streamer')
}

async function httpFromStreamer(cluster: Cluster, address: string): Promise<void> {
  const host = address.includes(':') ? `[${address}]` : address
  await cluster.kubectl('exec', 'streamer', '--', 'curl', '-sSf', '-m', '5', `http://${host}:8080/`)
}

async function counts(cluster: Cluster, path = 'streams'): Promise<StreamCount[]> {
  const text = await cluster.kubectl('exec', 'streamer', '--', 'curl', '-sSf', `http://localhost:8080/${path}`)
  return JSON.parse(text) as StreamCount[]
}

/** What was lost, by flow: nothing is what we want to see. */
async function drain(cluster: Cluster): Promise<unknown> {
  const all = await counts(cluster, 'streams/drain')
  if (all.some(({sent}) => sent < 20)) throw new Error(`a stream hardly sent anything: ${JSON.stringify(all)}`)
  return {
    flows: all.length,
    lost: all.filter(({missing, cut}) => missing.length > 0 || cut !== undefined),
  }
}

const lossless = {flows: nodes.length * 4, lost: []}

/** Waits until the agent of a node answers on its socket. */
async function agentAnswers(cluster: Cluster, node: string): Promise<void> {
  await until(`the agent of ${node}`, 60_000, async () => {
    const done = await cluster.cilium(
      ...['lab', 'exec', '--name', cluster.name, node, '--'],
      ...['curl', '-sf', '-m', '2', '-H', 'brief: true', '-H', 'require-k8s-connectivity: false'],
      'http://127.0.0.1:9879/healthz',
    )
    return done.exitCode === 0 ? true : undefined
  })
}

/** What we keep in the kernel of each node: pins (maps, programs, links), devices, routes. */
async function footprint(cluster: Cluster): Promise<unknown> {
  const script = [
    'find /sys/fs/bpf/cilium -type f | sed s/[0-9]*_[0-9a-f]*//g | sort | uniq -c',
    'ls /sys/class/net | wc -l',
    'ip route show proto 193 | wc -l; ip -6 route show proto 193 | wc -l',
  ].join('; ')
  return await Promise.all(nodes.map((node) => cluster.at(node, 'sh', '-c', script)))
}
