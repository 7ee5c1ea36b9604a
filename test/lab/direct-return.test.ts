/**
 * Clients outside whose backend is on another node: who answers them, whom the backend sees, what XDP has a part in, and who
 * goes on when a router turns to another node.
 */
import {writeFileSync} from 'node:fs'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {outsideAddresses} from '../../src/lab/plan.ts'
import {nodeAddresses} from '../support/lab/announcement.ts'
import {Cluster, until} from '../support/lab/cluster.ts'
import {driverFrames, takeDriverFrames} from '../support/lab/driver-frames.ts'
import {
  dialFlags,
  echoDeployment,
  echoService,
  OutsideWorkload,
  serviceAddresses,
  streamFlags,
  targets,
} from '../support/lab/service-objects.ts'

const cluster = new Cluster('t-direct')
const outsideAddress = /^203\.0\.113\.|^2001:db8:113::/
/** asked; the backend is on the other one, and the third may be asked instead */
const asked = 'node1'
const backend = 'node2'
const instead = 'node3'
/** addresses of the service that routers lead to a node */
const routed = ['198.18.7.1', '2001:db8:7::1'] as const
const bodyBytes = 60_000
const answerBytes = 2_000_000
const bodyPath = '/tmp/cilium-direct-return-body'

const native = ['routingMode=native', 'autoDirectNodeRoutes=true']
const overlay = ['routingMode=tunnel', 'autoDirectNodeRoutes=false']
const natively = [...native, 'ipv4NativeRoutingCIDR=10.244.0.0/16', 'ipv6NativeRoutingCIDR=fd00:10:244::/56']
interface Mode {
  readonly mode: string
  readonly direct: {readonly tcp: boolean}
  /** of `loadBalancer` */
  readonly values: readonly string[]
  readonly routing?: readonly string[]
}

const modes: readonly Mode[] = [
  {mode: 'translation in the driver', direct: {tcp: false}, values: ['acceleration=native']},
  {mode: 'options', direct: {tcp: true}, values: ['mode=dsr', 'dsrDispatch=opt']},
  {
    mode: 'options, in the driver',
    direct: {tcp: true},
    values: ['mode=hybrid', 'dsrDispatch=opt', 'acceleration=native'],
  },
  {mode: 'packets inside packets', direct: {tcp: true}, values: ['mode=dsr', 'dsrDispatch=ipip']},
  {
    mode: 'packets inside packets, in the driver',
    direct: {tcp: true},
    values: ['mode=dsr', 'dsrDispatch=ipip', 'acceleration=native'],
  },
  {
    mode: 'packets inside packets, in the overlay',
    direct: {tcp: true},
    values: ['mode=dsr', 'dsrDispatch=ipip'],
    routing: overlay,
  },
  {
    mode: 'Geneve, in the driver',
    direct: {tcp: true},
    values: ['mode=dsr', 'dsrDispatch=geneve', 'acceleration=native'],
  },
  {mode: 'Geneve, in the overlay', direct: {tcp: true}, values: ['mode=dsr', 'dsrDispatch=geneve'], routing: overlay},
]

let ips: readonly string[] = []
let ports: Readonly<Record<string, number>> = {}
let outside: OutsideWorkload

const setsOf = (values: readonly string[]) => values.flatMap((value) => ['--set', value])

beforeAll(async () => {
  await cluster.down()
  await cluster.up(3)
  await takeDriverFrames(cluster, [asked, backend, instead])
  await cluster.ciliumOk('install', '--wait', ...setsOf(['ipv6.enabled=true', ...natively]))
  await cluster.apply(
    echoDeployment('far', {replicas: 1, node: backend}),
    echoService('echo', {type: 'NodePort', externalIPs: routed}),
  )
  await cluster.podAddresses('default', 'deployment=far')
  ports = (await serviceAddresses(cluster, 'echo')).nodePorts
  ips = await nodeAddresses(cluster, asked)
  writeFileSync(bodyPath, Buffer.alloc(bodyBytes, 0x61))
})

afterAll(async () => {
  outside?.end()
  await cluster.down()
})

/** Sends a large body to the node that is asked, and takes a large answer. @returns whom the backend has seen */
async function exchange(ip: string): Promise<string> {
  const url = `http://${ip.includes(':') ? `[${ip}]` : ip}:${ports['http']}`
  const curl = (...args: string[]) => cluster.at('outside', 'curl', '-sSf', '-g', '-m', '60', ...args)
  const echo = JSON.parse(await curl('--data-binary', `@${bodyPath}`, `${url}/`)) as {
    bodyBytes: number
    client: {address: string}
  }
  expect(echo.bodyBytes).toBe(bodyBytes)
  expect((await curl(`${url}/bytes/${answerBytes}`)).length).toBe(answerBytes)
  return echo.client.address
}

/** @param values of `loadBalancer` */
async function configure(routing: readonly string[], values: readonly string[]): Promise<void> {
  const all = ['mode=snat', 'dsrDispatch=opt', 'acceleration=disabled', 'algorithm=random', ...values]
  const sets = setsOf([...routing, ...all.map((value) => `loadBalancer.${value}`)])
  await cluster.ciliumOk('upgrade', '--wait', ...sets)
  // a changed ConfigMap alone restarts nobody
  await cluster.kubectl('-n', 'kube-system', 'rollout', 'restart', 'daemonset/cilium')
  await cluster.kubectl('-n', 'kube-system', 'rollout', 'status', 'daemonset/cilium', '--timeout=180s')
}

/** Leads the routed addresses to a node. */
async function leadTo(node: string): Promise<void> {
  const nodeIps = await nodeAddresses(cluster, node)
  for (const [i, address] of routed.entries())
    await cluster.at('fabric', 'ip', 'route', 'replace', address, 'via', nodeIps[i]!)
}

describe.each(modes)('by $mode', ({direct, values, routing = native}) => {
  test('large bodies come and go, and the backend sees whom it is to see', async () => {
    await configure(routing, values)

    for (const ip of ips) {
      await until(`an answer of ${ip}`, 60_000, () => exchange(ip))
      const seen = await exchange(ip)

      if (direct.tcp) expect(seen).toMatch(outsideAddress)
      else expect(seen).not.toMatch(outsideAddress)
    }
  })

  test('short conversations of both protocols are answered from the address that was asked', async () => {
    const wanted = targets(ips, {tcp: ports['tcp']!, udp: ports['udp']!})
    outside = new OutsideWorkload(cluster, 8120, dialFlags(wanted, 100))

    await until('answers from all', 60_000, async () => {
      const counts = await outside.counts('dials')
      return counts.length === wanted.length && counts.every(({answered}) => answered > 20) ? true : undefined
    })
    outside.end()
  })

  test('the driver has its part when it is asked to', async () => {
    const inDriver = values.includes('acceleration=native')
    const before = await driverFrames(cluster, asked)
    for (const ip of ips) await exchange(ip)
    const sent = (await driverFrames(cluster, asked)) - before

    // most of two bodies, each of 42 full frames; not the frames of a handshake, and one a second
    if (inDriver) expect(sent).toBeGreaterThan(60)
    else expect(sent).toBe(0)
  })
})

describe('with a table', () => {
  test.each(['geneve', 'opt'])('connections go on when a router turns to another node (%s)', async (dispatch) => {
    await configure(native, ['mode=dsr', `dsrDispatch=${dispatch}`, 'algorithm=maglev'])
    await cluster.apply(echoDeployment('far', {replicas: 2, node: backend}))
    await cluster.kubectl('rollout', 'status', 'deployment/far', '--timeout=180s')
    for (const address of routed) {
      const gateway = address.includes(':') ? outsideAddresses.gateway.ipv6 : outsideAddresses.gateway.ipv4
      await cluster.at('outside', 'ip', 'route', 'replace', address, 'via', gateway)
    }
    await leadTo(asked)
    const many = Array.from({length: 4}, () => routed.map((address) => ({protocol: 'tcp', address, port: 90}) as const))
    outside = new OutsideWorkload(cluster, 8121, streamFlags(many.flat(), 100))
    const answered = async (more: number) => {
      const before = await outside.counts('streams').catch(() => [])
      await until(`${more} more answers of each`, 60_000, async () => {
        const now = await outside.counts('streams')
        return now.length > 0 && now.every((one, i) => one.answered >= (before[i]?.answered ?? 0) + more)
          ? true
          : undefined
      })
    }
    await answered(20)

    for (const node of [instead, asked, instead]) {
      await leadTo(node)
      await answered(20)
    }

    const streams = await outside.counts('streams/drain')
    expect(streams).toHaveLength(many.flat().length)
    for (const {target, missing, cut} of streams)
      expect({target, missing, cut}).toEqual({target, missing: [], cut: undefined})
    outside.end()
  })
})
