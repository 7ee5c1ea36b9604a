/** Services on a real cluster without kube-proxy: every kind from everywhere, and addresses that move to another node. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'
import {
  type Asker,
  dialFlags,
  echoDeployment,
  echoService,
  OutsideWorkload,
  podAsker,
  type ServiceAddresses,
  serviceAddresses,
  type Target,
  targets,
  targetText,
} from '../support/lab/service-objects.ts'

const nodes = ['node1', 'node2'] as const
const hostPort = 9100
/** The outside has several of its family. */
const outsideAddress = /^203\.0\.113\.|^2001:db8:113::/
const cluster = new Cluster('t-services')
const outsides: OutsideWorkload[] = []

let nodeIps: readonly string[] = []
let echo: ServiceAddresses

beforeAll(async () => {
  await cluster.down()
  await cluster.up(nodes.length)
  await cluster.ciliumOk(
    ...['install', '--wait', '--set', 'ipv6.enabled=true,l2announcements.enabled=true'],
    ...['--set', 'l2announcements.leaseDuration=1s,l2announcements.leaseRenewDeadline=700ms'],
    ...['--set', 'l2announcements.leaseRetryPeriod=250ms'],
  )
  nodeIps = (
    await cluster.kubectl(
      'get',
      'nodes',
      '-o',
      'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}',
    )
  ).split(' ')
  const [v4, v6] = [nodeIps.find((ip) => !ip.includes(':'))!, nodeIps.find((ip) => ip.includes(':'))!]
  const [net4, net6] = [v4.replace(/\.\d+$/, ''), v6.replace(/::.*$/, ':')]
  await cluster.apply(
    {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumLoadBalancerIPPool',
      metadata: {name: 'blue'},
      spec: {
        blocks: [
          {start: `${net4}.200`, stop: `${net4}.220`},
          {start: `${net6}:200`, stop: `${net6}:220`},
        ],
      },
    },
    {
      apiVersion: 'cilium.io/v2alpha1',
      kind: 'CiliumL2AnnouncementPolicy',
      metadata: {name: 'all'},
      spec: {loadBalancerIPs: true, externalIPs: true},
    },
    echoDeployment('steady', {replicas: 1, node: 'node1', hostPort}),
    echoDeployment('nobody', {replicas: 0, app: 'nobody'}),
    echoService('echo', {externalIPs: [`${net4}.230`, `${net6}:230`]}),
    echoService('nobody', {selector: {app: 'nobody'}}),
  )
  echo = await serviceAddresses(cluster, 'echo')
  await cluster.podAddresses('default', 'deployment=steady')
})

afterAll(async () => {
  for (const one of outsides) one.end()
  await cluster.down()
})

/** Starts a workload beyond the nodes. */
function outside(port: number, flags: readonly string[]): OutsideWorkload {
  const one = new OutsideWorkload(cluster, port, flags)
  outsides.push(one)
  return one
}

/** Every address at which the echo pods answer; clients outside do not know those of the cluster. */
async function everyKind(inside: boolean): Promise<Target[]> {
  const service = {tcp: 90, udp: 90}
  const {spec} = JSON.parse(await cluster.kubectl('get', 'service', 'echo', '-o', 'json')) as {
    spec: {externalIPs: string[]}
  }
  const own = (await cluster.podAddresses('default', 'deployment=steady')).values().next().value!.node
  const ownIps = (
    await cluster.kubectl('get', 'node', own, '-o', 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}')
  ).split(' ')
  return [
    ...(inside ? targets(echo.cluster, service) : []),
    ...targets(echo.balancer, service),
    ...targets(spec.externalIPs, service),
    ...targets(nodeIps, {tcp: echo.nodePorts['tcp']!, udp: echo.nodePorts['udp']!}),
    ...targets(ownIps, {tcp: hostPort, udp: hostPort}),
  ]
}

/** Waits until each target has answered; says which do not, and why. */
async function allAnswer(asker: Asker, wanted: readonly Target[]): Promise<readonly string[]> {
  let last: unknown
  try {
    return await until('answers from all', 60_000, async () => {
      const counts = await asker.counts('dials')
      last = counts.filter(({answered}) => answered === 0)
      return counts.length === wanted.length && counts.every(({answered}) => answered > 0)
        ? counts.flatMap(({target, peers}) => peers.map((peer) => `${target} ${peer}`))
        : undefined
    })
  } catch (thrown) {
    throw new Error(`no answer: ${JSON.stringify(last, undefined, 1)}`, {cause: thrown})
  }
}

/** As a dial prints a target and the peer that its socket names. */
const ownName = (target: Target) => `${targetText(target)} ${target.address} ${target.port}`

describe('a service', () => {
  test('answers pods at every kind of address, and sockets see it as their peer', async () => {
    const wanted = await everyKind(true)
    await cluster.apply(workloadPod('asker-pod', 'node2', {app: 'asker-pod'}, ...dialFlags(wanted, 500)))
    await cluster.podAddresses('default', 'app=asker-pod')

    const peers = await allAnswer(podAsker(cluster, 'asker-pod'), wanted)

    expect([...new Set(peers)].sort()).toEqual(wanted.map(ownName).sort())
    await cluster.kubectl('delete', 'pod', 'asker-pod')
  })

  test('answers processes of a node at every kind of address', async () => {
    const wanted = await everyKind(true)
    const pod = workloadPod('asker-host', 'node2', {app: 'asker-host'}, ...dialFlags(wanted, 500)) as {spec: object}
    Object.assign(pod.spec, {hostNetwork: true})
    await cluster.apply(pod)
    await cluster.podAddresses('default', 'app=asker-host')

    const peers = await allAnswer(podAsker(cluster, 'asker-host'), wanted)

    expect([...new Set(peers)].sort()).toEqual(wanted.map(ownName).sort())
    await cluster.kubectl('delete', 'pod', 'asker-host')
  })

  test('answers clients outside by load balancer, external and node addresses', async () => {
    const wanted = await everyKind(false)
    const client = outside(8101, dialFlags(wanted, 500))

    const peers = await allAnswer(client, wanted)

    expect([...new Set(peers)].sort()).toEqual(wanted.map(ownName).sort())
    client.end()
  })

  test('without backends refuses at once, from inside and outside', async () => {
    const nobody = await serviceAddresses(cluster, 'nobody')
    const nodePorts = {tcp: nobody.nodePorts['tcp']!, udp: nobody.nodePorts['udp']!}
    const wanted = [...targets(nobody.cluster, {tcp: 90, udp: 90}), ...targets(nodeIps, nodePorts)]
    await cluster.apply(workloadPod('refused', 'node2', {app: 'refused'}, ...dialFlags(wanted, 500)))
    await cluster.podAddresses('default', 'app=refused')
    const outer = targets(nodeIps, nodePorts).filter(({protocol}) => protocol === 'tcp')
    const client = outside(8102, dialFlags(outer, 500))

    const reasons = (asker: Asker, size: number) =>
      until('everybody to be refused', 60_000, async () => {
        const counts = await asker.counts('dials')
        const whys = counts.map(({failures}) => failures[0]?.why)
        return counts.length === size && whys.every((why) => why !== undefined) ? whys : undefined
      })
    expect(await reasons(podAsker(cluster, 'refused'), wanted.length)).toEqual(wanted.map(() => 'ECONNREFUSED'))
    expect(await reasons(client, outer.length)).toEqual(outer.map(() => 'ECONNREFUSED'))
    client.end()
    await cluster.kubectl('delete', 'pod', 'refused')
  })

  test('whose external policy is Local shows the client to its pods', async () => {
    await cluster.apply(echoService('seen', {externalTrafficPolicy: 'Local'}))
    const {nodePorts, balancer} = await serviceAddresses(cluster, 'seen')
    const own = await cluster.kubectl(
      'get',
      'node',
      'node1',
      '-o',
      'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}',
    )
    const client = outside(8103, [])

    for (const ip of own.split(' ')) {
      const host = ip.includes(':') ? `[${ip}]` : ip
      const seen = await until(`an answer of ${host}`, 30_000, () =>
        client.get(`http://${host}:${nodePorts['http']}/client-ip`),
      )
      expect(JSON.parse(seen)['client-ip']).toMatch(outsideAddress)
    }
    for (const ip of balancer) {
      const host = ip.includes(':') ? `[${ip}]` : ip
      const seen = await until(`an answer of ${host}`, 30_000, () => client.get(`http://${host}/client-ip`))
      expect(JSON.parse(seen)['client-ip']).toMatch(outsideAddress)
    }
    client.end()
    await cluster.kubectl('delete', 'service', 'seen')
  })

  test('finds names through CoreDNS, over UDP and TCP', async () => {
    await cluster.apply(workloadPod('names', 'node2', {app: 'names'}))
    await cluster.podAddresses('default', 'app=names')
    const script = `const d=require('node:dns').promises;Promise.all([d.resolve4('echo.default.svc.cluster.local'),d.resolve6('echo.default.svc.cluster.local')]).then((a)=>console.log(JSON.stringify(a.flat())))`

    const found = await until('names', 60_000, () => cluster.kubectl('exec', 'names', '--', 'node', '-e', script))

    expect(JSON.parse(found).sort()).toEqual([...echo.cluster].sort())
    await cluster.kubectl('delete', 'pod', 'names')
  })
})

describe('an announced address', () => {
  test('moves to the next node when the one that announces it has lost its link', async () => {
    const wanted = targets(echo.balancer, {tcp: 90, udp: 90})
    await cluster.apply(echoDeployment('both', {replicas: 1, node: 'node2'}))
    await rolledOut('both')
    const client = outside(8105, dialFlags(wanted, 100))
    await allAnswer(client, wanted)
    const holder = async () =>
      await cluster.kubectl(
        ...[
          '-n',
          'kube-system',
          'get',
          'lease',
          'cilium-l2announce-default-echo',
          '-o',
          'jsonpath={.spec.holderIdentity}',
        ],
      )
    const first = await holder()
    const port = `port${nodes.indexOf(first as 'node1') + 1}`

    await cluster.at('fabric', 'ip', 'link', 'set', port, 'down')
    try {
      const next = await until('another leader', 60_000, async () => {
        const now = await holder()
        return now === first || now === '' ? undefined : now
      })
      expect(nodes).toContain(next)
      const before = (await client.counts('dials')).map(({answered}) => answered)
      await until('answers by way of the next', 60_000, async () =>
        (await client.counts('dials')).every(({answered}, i) => answered > before[i]! + 5) ? true : undefined,
      )
    } finally {
      await cluster.at('fabric', 'ip', 'link', 'set', port, 'up')
    }
    client.end()
  })
})

async function rolledOut(name: string): Promise<void> {
  await cluster.kubectl('rollout', 'status', `deployment/${name}`, '--timeout=180s')
  await until('pods to have ended', 180_000, async () => {
    const text = await cluster.kubectl('get', 'pods', '-l', `deployment=${name}`, '-o', 'json')
    const {items} = JSON.parse(text) as {items: {metadata: {deletionTimestamp?: string}}[]}
    return items.every(({metadata}) => metadata.deletionTimestamp === undefined) ? true : undefined
  })
}
