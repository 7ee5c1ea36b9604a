/** Policies on a real cluster: who is allowed loses nothing and who is not gets nothing, whatever happens to the agents. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Cluster, until, withoutPolicies, workloadPod} from '../support/lab/cluster.ts'
import {seededRandom} from '../support/seeded-random.ts'

interface StreamCount {
  readonly target: string
  readonly sent: number
  readonly answered: number
  readonly missing: readonly number[]
  readonly cut?: string
}

const nodes = ['node1', 'node2'] as const
const kills = Number(process.env['KILLS'] ?? 8)
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)
const cluster = new Cluster('t-policy')

const onlyFriends = networkPolicy('only-friends', {
  podSelector: {matchLabels: {app: 'echo'}},
  policyTypes: ['Ingress', 'Egress'],
  ingress: [{from: [{podSelector: {matchLabels: {app: 'friend'}}}]}],
})

beforeAll(async () => {
  await cluster.down()
  await cluster.up(nodes.length)
  await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true')
})

afterAll(async () => {
  await cluster.down()
})

test('the connectivity test of policies passes', async () => {
  const done = await cluster.cilium('connectivity', 'test', '--test', `!${withoutPolicies.replaceAll(',', ',!')}`)

  expect(done.exitCode, done.stdout + done.stderr).toBe(0)
})

describe('policies', () => {
  test('hold from a pod’s first packet on, and through kills of agents and changes of other policies', async () => {
    const random = seededRandom(seed)
    await cluster.apply(onlyFriends)
    const echoes = await startEchoes()
    await startStreams('friend', echoes, ['tcp', 'udp'])
    await startStreams('stranger', echoes, ['udp'])

    for (let kill = 0; kill < kills; kill++) {
      const node = nodes[Math.floor(random() * nodes.length)]!
      await Promise.all([changeOthers(kill, random), moment(random, 300).then(() => cluster.killAgent(node))])
      // every second time again while it starts
      if (kill % 2 === 0) await moment(random, 2_000).then(() => cluster.killAgent(node))
      if (kill % 3 === 2) await cluster.agentsReady()
    }
    await cluster.agentsReady()

    const friends = await counts('friend', 'streams/drain')
    const strangers = await counts('stranger', 'streams')
    expect(
      friends.map(({missing, cut}) => ({missing, cut})),
      `seed ${seed}`,
    ).toEqual(friends.map(() => ({missing: [], cut: undefined})))
    expect(Math.min(...friends.map(({sent}) => sent))).toBeGreaterThan(20)
    expect(
      strangers.map(({answered}) => answered),
      `seed ${seed}`,
    ).toEqual(strangers.map(() => 0))
    expect(Math.min(...strangers.map(({sent}) => sent))).toBeGreaterThan(20)
  })

  test('let in who is allowed anew and cut off who is no longer, in flows that are open', async () => {
    const answered = async (pod: string) => (await counts(pod, 'streams')).map((one) => one.answered)
    const before = await answered('stranger')

    await cluster.apply(
      networkPolicy('strangers-too', {
        podSelector: {matchLabels: {app: 'echo'}},
        ingress: [{from: [{podSelector: {matchLabels: {app: 'stranger'}}}]}],
      }),
    )
    await until('strangers to be answered', 20_000, async () =>
      (await answered('stranger')).every((count, at) => count > before[at]!) ? true : undefined,
    )
    await cluster.kubectl('delete', 'networkpolicy', 'strangers-too')

    await until('strangers to be cut off', 20_000, async () => {
      const first = await answered('stranger')
      await new Promise((resolve) => setTimeout(resolve, 300))
      const second = await answered('stranger')
      return second.every((count, at) => count === first[at]) ? true : undefined
    })
  })

  test('say in their status what is wrong, and affect nobody then', async () => {
    await cluster.apply(
      ciliumPolicy('bad', {
        endpointSelector: {},
        ingress: [{fromCIDRSet: [{cidr: '10.0.0.0/8', except: ['192.0.2.0/24']}]}],
      }),
      ciliumPolicy('names', {
        endpointSelector: {matchLabels: {app: 'nobody'}},
        egress: [{toFQDNs: [{matchName: 'example.com'}]}],
      }),
    )

    const condition = (name: string, type: string) =>
      until(`condition ${type} of ${name}`, 30_000, async () => {
        const path = `jsonpath={.status.conditions[?(@.type=="${type}")]}`
        const text = await cluster.kubectl('get', 'cnp', name, '-o', path)
        return text === '' ? undefined : (JSON.parse(text) as {status: string; message: string})
      })
    expect(await condition('bad', 'Valid')).toMatchObject({
      status: 'False',
      message: 'spec.ingress[0].fromCIDRSet[0].except[0]: 192.0.2.0/24 is not inside 10.0.0.0/8',
    })
    expect(await condition('names', 'Enforceable')).toMatchObject({status: 'False'})
    await cluster.kubectl('delete', 'cnp', 'bad', 'names')
  })
})

async function startEchoes(): Promise<readonly string[]> {
  await cluster.apply(
    ...nodes.map((node) =>
      workloadPod(`echo-${node}`, node, {app: 'echo'}, '--tcp-echo', '9000', '--udp-echo', '9000'),
    ),
  )
  const pods = await cluster.podAddresses('default', 'app=echo')
  return [...pods.values()].flatMap(({addresses}) => addresses)
}

/** A pod on node1 that sends numbers to every address. */
async function startStreams(name: string, addresses: readonly string[], protocols: readonly string[]): Promise<void> {
  const streams = addresses.flatMap((address) => protocols.flatMap((one) => ['--stream', `${one},${address},9000`]))
  await cluster.apply(workloadPod(name, 'node1', {app: name}, ...streams, '--stream-every', '5'))
  await cluster.podAddresses('default', `app=${name}`)
}

async function counts(pod: string, path: string): Promise<StreamCount[]> {
  const text = await cluster.kubectl('exec', pod, '--', 'curl', '-sSf', `http://localhost:8080/${path}`)
  return JSON.parse(text) as StreamCount[]
}

/** Policies that come, change and go without a word about friends and strangers of the echoes. */
async function changeOthers(turn: number, random: () => number): Promise<void> {
  const third = Math.floor(random() * 200)
  await cluster.apply(
    networkPolicy('prefixes', {
      podSelector: {matchLabels: {app: 'echo'}},
      ingress: [{from: [{ipBlock: {cidr: `198.51.${third}.0/24`, except: [`198.51.${third}.128/25`]}}]}],
    }),
    ciliumPolicy('others', {
      endpointSelector: {matchLabels: {app: 'echo'}},
      ingress: [{fromEndpoints: [{matchLabels: {turn: String(turn)}}]}],
      ingressDeny: [{fromCIDR: [`203.0.113.${turn % 256}/32`]}],
    }),
  )
  if (turn % 3 === 1) await cluster.kubectl('delete', 'cnp', 'others')
}

function networkPolicy(name: string, spec: object): object {
  return {apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: {name, namespace: 'default'}, spec}
}

function ciliumPolicy(name: string, spec: object): object {
  return {apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: {name, namespace: 'default'}, spec}
}

/** Lets a random time pass: any moment may be the one that hurts. */
function moment(random: () => number, atMostMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, random() * atMostMs))
}
