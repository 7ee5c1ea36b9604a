/**
 * Services on a real cluster without kube-proxy: every kind from everywhere, and addresses that move to another
 * node.
 */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {outsideAddresses} from '../../src/lab/plan.ts'
import {
  announced,
  announcer,
  linkAddresses,
  nodeAddresses,
  quickLeases,
  withoutLink,
} from '../support/lab/announcement.ts'
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
/** outside, but it sees pods by their own addresses */
const exempt = [`${outsideAddresses.other.ipv4}/32`, `${outsideAddresses.other.ipv6}/128`]
const cluster = new Cluster('t-services')
const outsides: OutsideWorkload[] = []

let nodeIps: readonly string[] = []
let echo: ServiceAddresses

beforeAll(async () => {
  await cluster.down()
  await cluster.up(nodes.length)
  const masquerade = `ipMasqAgent.enabled=true,ipMasqAgent.config.nonMasqueradeCIDRs={${exempt.join()}}`
  const values = ['ipv6.enabled=true', 'localRedirectPolicies.enabled=true', masquerade]
  await cluster.ciliumOk('install', '--wait', ...values.flatMap((value) => ['--set', value]), ...quickLeases)
  nodeIps = await nodeAddresses(cluster)
  await cluster.apply(
    ...announced(nodeIps),
    echoDeployment('steady', {replicas: 1, node: 'node1', hostPort}),
    echoDeployment('nobody', {replicas: 0, app: 'nobody'}),
    echoService('echo', {externalIPs: linkAddresses(nodeIps, 230)}),
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
  const ownIps = await nodeAddresses(cluster, own)
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
    const client = outside(8103, [])

    for (const ip of await nodeAddresses(cluster, 'node1')) {
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

describe('a pod', () => {
  test('is seen by its own address only where the configuration of ip-masq-agent says so', async () => {
    await cluster.apply(workloadPod('plain', 'node2', {app: 'plain'}))
    const {addresses} = (await cluster.podAddresses('default', 'app=plain')).get('plain')!
    const nodeAddress = await nodeAddresses(cluster, 'node2')
    const server = outside(8106, [])
    for (const address of addresses) {
      const family = address.includes(':') ? 'ipv6' : 'ipv4'
      const of = nodeAddress.find((ip) => ip.includes(':') === address.includes(':'))!
      // a network that knows the way to a pod
      const route = ['ip', 'route', 'replace', address, 'via']
      await cluster.at('outside', ...route, outsideAddresses.gateway[family])
      await cluster.at('fabric', ...route, of)
      const seenBy = (to: string) => {
        const url = `http://${to.includes(':') ? `[${to}]` : to}:8106/client-ip`
        return until(`an answer of ${to}`, 30_000, async () => {
          const text = await cluster.kubectl('exec', 'plain', '--', 'curl', '-sSf', '-g', '-m', '5', url)
          return (JSON.parse(text) as {'client-ip': string})['client-ip']
        })
      }

      expect(await seenBy(outsideAddresses.other[family])).toBe(address)
      expect(await seenBy(outsideAddresses.main[family])).toBe(of)
    }
    server.end()
    await cluster.kubectl('delete', 'pod', 'plain')
  })

  test('that traffic is redirected to reaches the service itself, others of its node reach that pod', async () => {
    const ports = [{port: 80, targetPort: 8080}]
    await cluster.apply(
      echoService('redirected', {type: 'ClusterIP', ports}),
      workloadPod('near', 'node2', {app: 'near'}),
      workloadPod('other', 'node2', {app: 'other'}),
      {
        apiVersion: 'cilium.io/v2',
        kind: 'CiliumLocalRedirectPolicy',
        metadata: {name: 'near', namespace: 'default'},
        spec: {
          redirectFrontend: {serviceMatcher: {serviceName: 'redirected', namespace: 'default'}},
          redirectBackend: {
            localEndpointSelector: {matchLabels: {app: 'near'}},
            toPorts: [{port: '8080', protocol: 'TCP'}],
          },
          skipRedirectFromBackend: true,
        },
      },
    )
    for (const name of ['near', 'other']) await cluster.podAddresses('default', `app=${name}`)
    const [far] = (await cluster.podAddresses('default', 'deployment=steady')).keys()

    for (const ip of (await serviceAddresses(cluster, 'redirected')).cluster) {
      const url = `http://${ip.includes(':') ? `[${ip}]` : ip}/hostname`
      const answers = (from: string, who: string) =>
        until(`${from} to be answered by ${who}`, 60_000, async () => {
          const text = await cluster.kubectl('exec', from, '--', 'curl', '-sSf', '-g', '-m', '5', url)
          return (JSON.parse(text) as {hostname: string}).hostname === who ? true : undefined
        })
      await answers('other', 'near')
      await answers('near', far!)
    }
    await cluster.kubectl('delete', 'ciliumlocalredirectpolicy', 'near')
    await cluster.kubectl('delete', 'pod', 'near', 'other')
    await cluster.kubectl('delete', 'service', 'redirected')
  })
})

describe('an announced address', () => {
  test('moves to the next node when the one that announces it has lost its link', async () => {
    const wanted = targets(echo.balancer, {tcp: 90, udp: 90})
    await cluster.apply(echoDeployment('both', {replicas: 1, node: 'node2'}))
    await rolledOut('both')
    const client = outside(8105, dialFlags(wanted, 100))
    await allAnswer(client, wanted)
    const first = await announcer(cluster, 'echo')

    await withoutLink(cluster, nodes, first, async () => {
      const next = await until('another leader', 60_000, async () => {
        const now = await announcer(cluster, 'echo')
        return now === first || now === '' ? undefined : now
      })
      expect(nodes).toContain(next)
      const before = (await client.counts('dials')).map(({answered}) => answered)
      await until('answers by way of the next', 60_000, async () =>
        (await client.counts('dials')).every(({answered}, i) => answered > before[i]! + 5) ? true : undefined,
      )
    })
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
