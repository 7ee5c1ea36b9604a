/** Clients outside whose backend is on another node: who answers them, whom the backend sees, and what XDP has a part in. */
import {writeFileSync} from 'node:fs'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {nodeAddresses} from '../support/lab/announcement.ts'
import {Cluster, until} from '../support/lab/cluster.ts'
import {driverFrames, takeDriverFrames} from '../support/lab/driver-frames.ts'
import {
  dialFlags,
  echoDeployment,
  echoService,
  OutsideWorkload,
  serviceAddresses,
  targets,
} from '../support/lab/service-objects.ts'

const cluster = new Cluster('t-direct')
const outsideAddress = /^203\.0\.113\.|^2001:db8:113::/
/** asked; the backend is on the other one */
const asked = 'node1'
const backend = 'node2'
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
]

let ips: readonly string[] = []
let ports: Readonly<Record<string, number>> = {}
let outside: OutsideWorkload

const setsOf = (values: readonly string[]) => values.flatMap((value) => ['--set', value])

beforeAll(async () => {
  await cluster.down()
  await cluster.up(2)
  await takeDriverFrames(cluster, [asked, backend])
  await cluster.ciliumOk('install', '--wait', ...setsOf(['ipv6.enabled=true', ...natively]))
  await cluster.apply(echoDeployment('far', {replicas: 1, node: backend}), echoService('echo', {type: 'NodePort'}))
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

describe.each(modes)('by $mode', ({direct, values, routing = native}) => {
  test('large bodies come and go, and the backend sees whom it is to see', async () => {
    const all = ['mode=snat', 'dsrDispatch=opt', 'acceleration=disabled', ...values]
    const sets = setsOf([...routing, ...all.map((value) => `loadBalancer.${value}`)])
    await cluster.ciliumOk('upgrade', '--wait', ...sets)
    // a changed ConfigMap alone restarts nobody
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'restart', 'daemonset/cilium')
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'status', 'daemonset/cilium', '--timeout=180s')

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
