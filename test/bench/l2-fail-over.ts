/**
 * How long an announced address is silent when the node that answers for it has lost its link: a client outside asks every
 * 20 ms, and counts what nobody answers until the next node does. On a cluster of its own with the shortest leases that the
 * guide names.
 *
 *     ROUNDS=1 npm run bench -- l2-fail-over
 */
import {announced, announcer, nodeAddresses, quickLeases, withoutLink} from '../support/lab/announcement.ts'
import {Cluster, until} from '../support/lab/cluster.ts'
import {
  dialFlags,
  echoDeployment,
  echoService,
  OutsideWorkload,
  serviceAddresses,
  targets,
} from '../support/lab/service-objects.ts'
import type {BenchRow} from './rows.ts'

const rounds = Number(process.env['ROUNDS'] ?? 5)
const everyMs = 20
const nodes = ['node1', 'node2'] as const
const cluster = new Cluster('bench-l2')

export default async function bench(): Promise<BenchRow[]> {
  let client: OutsideWorkload | undefined
  try {
    const wanted = await prepare()
    client = new OutsideWorkload(cluster, 8130, dialFlags(wanted, everyMs))
    const outages: number[][] = wanted.map(() => [])
    for (let round = 0; round < rounds; round++) {
      for (const [i, ms] of (await failOver(client, wanted.length)).entries()) outages[i]!.push(ms)
    }
    return wanted.map(({address}, i) => {
      const all = outages[i]!.sort((a, b) => a - b)
      const median = all[Math.floor(all.length / 2)]!
      const name = `${address.includes(':') ? 'IPv6' : 'IPv4'} address silent`
      return {name, unit: 'ms', median, min: all[0]!, max: all.at(-1)!, runs: rounds, note: 'budget 2 000'}
    })
  } finally {
    client?.end()
    await cluster.down()
  }
}

/** A cluster whose two nodes can both answer for one service. @returns its addresses, for datagrams */
async function prepare(): Promise<ReturnType<typeof targets>> {
  await cluster.down()
  await cluster.up(nodes.length)
  await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true', ...quickLeases)
  await cluster.apply(
    ...announced(await nodeAddresses(cluster)),
    ...nodes.map((node) => echoDeployment(`echo-${node}`, {replicas: 1, node})),
    // each answers with its own pod: a backend behind the link that is cut would be another outage
    echoService('echo', {externalTrafficPolicy: 'Local'}),
  )
  for (const node of nodes) await cluster.podAddresses('default', `deployment=echo-${node}`)
  const {balancer} = await serviceAddresses(cluster, 'echo')
  return targets(balancer, {tcp: 90, udp: 90}).filter(({protocol}) => protocol === 'udp')
}

/** Cuts the leader's link until another node answers. @returns ms without an answer, by address */
async function failOver(client: OutsideWorkload, addresses: number): Promise<number[]> {
  const counts = async () => {
    const all = await client.counts('dials')
    return all.length === addresses ? all : undefined
  }
  /** asked and never answered: what is on its way has had a hundred times its time */
  const lost = async () => {
    const all = (await until('counts', 10_000, counts)).map(({begun, answered}) => begun - answered)
    return all
  }
  const progress = async (what: string) => {
    const before = await until('counts', 10_000, counts)
    await until(what, 60_000, async () =>
      (await counts())?.every(({answered}, i) => answered > before[i]!.answered + 100) ? true : undefined,
    )
  }
  await progress('answers before')
  const before = await lost()
  const holder = await announcer(cluster, 'echo')
  const outage = await withoutLink(cluster, nodes, holder, async () => {
    await progress('answers of the next node')
    return (await lost()).map((count, i) => Math.max(0, count - before[i]!) * everyMs)
  })
  await cluster.agentsReady()
  await until('both nodes to be ready', 120_000, async () => {
    const text = await cluster.kubectl(
      ...['get', 'nodes', '-o', 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'],
    )
    return text === 'True True' ? true : undefined
  })
  return outage
}
