/** Clients outside whose backend is on another node: who answers them, and whom the backend sees. */
import {writeFileSync} from 'node:fs'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Cluster, until} from '../support/lab/cluster.ts'
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

const native = [
  'routingMode=native',
  'autoDirectNodeRoutes=true',
  'ipv4NativeRoutingCIDR=10.244.0.0/16',
  'ipv6NativeRoutingCIDR=fd00:10:244::/56',
]
const modes = [
  {mode: 'translation', direct: {tcp: false}, values: []},
  {mode: 'options', direct: {tcp: true}, values: ['mode=dsr', 'dsrDispatch=opt']},
  {mode: 'packets inside packets', direct: {tcp: true}, values: ['mode=hybrid', 'dsrDispatch=ipip']},
] as const

let ips: readonly string[] = []
let ports: Readonly<Record<string, number>> = {}
let outside: OutsideWorkload

const setsOf = (values: readonly string[]) => values.flatMap((value) => ['--set', value])

beforeAll(async () => {
  await cluster.down()
  await cluster.up(2)
  await cluster.ciliumOk('install', '--wait', ...setsOf(['ipv6.enabled=true', ...native]))
  await cluster.apply(echoDeployment('far', {replicas: 1, node: backend}), echoService('echo', {type: 'NodePort'}))
  await cluster.podAddresses('default', 'deployment=far')
  ports = (await serviceAddresses(cluster, 'echo')).nodePorts
  const path = 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}'
  ips = (await cluster.kubectl('get', 'node', asked, '-o', path)).split(' ')
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

describe.each(modes)('by $mode', ({direct, values}) => {
  test('large bodies come and go, and the backend sees whom it is to see', async () => {
    const all = ['mode=snat', 'dsrDispatch=opt', ...values]
    await cluster.ciliumOk('upgrade', '--wait', ...setsOf(all.map((value) => `loadBalancer.${value}`)))
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
})
