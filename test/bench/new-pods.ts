/**
 * How soon a new pod is known to its peers: a pod of another node lets in by label alone, and new pods begin to send the
 * moment their process starts, a datagram every few milliseconds. Those that are not answered came before the other
 * node knew who sends. Needs dist/image/cilium.tar (npm run image).
 *
 *     PODS=200 npm run bench -- new-pods
 */
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'
import type {BenchRow} from './rows.ts'

const pods = Number(process.env['PODS'] ?? 60)
const everyMs = 5
const port = 9000

export default async function bench(): Promise<BenchRow[]> {
  const cluster = new Cluster('b-new-pods')
  await cluster.down()
  try {
    await cluster.up(2)
    await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true')
    await cluster.apply(workloadPod('server', 'node2', {app: 'server'}, '--udp-echo', String(port)), onlyNew)
    const {addresses} = (await cluster.podAddresses('default', 'app=server')).get('server')!
    const late: number[] = []
    // a few at a time: what is measured is not the node's start of processes
    for (let first = 0; first < pods; first += 4) {
      const names = Array.from({length: Math.min(4, pods - first)}, (_, n) => `new-${first + n}`)
      await cluster.apply(...names.map((name) => newPod(name, addresses[0]!)))
      late.push(...(await Promise.all(names.map((name) => lateMs(cluster, name)))))
      await cluster.kubectl('delete', 'pod', ...names, '--wait=false')
    }
    const sorted = late.sort((a, b) => a - b)
    const note = `${pods} pods of new labels; a datagram every ${everyMs} ms from the start of the process on`
    const row = (name: string, at: number, more = ''): BenchRow => ({
      ...{name, unit: 'ms', median: sorted[at]!, min: sorted[at]!, max: sorted[at]!, runs: sorted.length},
      note: more === '' ? note : more,
    })
    return [
      row('not let in after its start, p50', Math.floor(pods / 2)),
      row('not let in after its start, p99', Math.floor(pods * 0.99), 'budget 100'),
      row('not let in after its start, longest', pods - 1),
    ]
  } finally {
    await cluster.down()
  }
}

/** Lets in who has the label that every new pod has. */
const onlyNew = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: {name: 'only-new', namespace: 'default'},
  spec: {
    endpointSelector: {matchLabels: {app: 'server'}},
    ingress: [{fromEndpoints: [{matchLabels: {app: 'new'}}]}],
  },
}

/** Its labels are nobody else's, so its identity is new, too. */
function newPod(name: string, server: string): object {
  const stream = `udp,${server},${port}`
  return workloadPod(name, 'node1', {app: 'new', name}, '--stream', stream, '--stream-every', String(everyMs))
}

interface Count {
  readonly sent: number
  readonly answered: number
}

/** How long it was not answered: what of its datagrams is missing when it has stopped and the last answers have come. */
async function lateMs(cluster: Cluster, pod: string): Promise<number> {
  const ask = async (path: string) => {
    const text = await cluster.kubectl('exec', pod, '--', 'curl', '-sf', `http://127.0.0.1:8080/${path}`)
    return (JSON.parse(text) as readonly [Count])[0]
  }
  await until(`${pod} to be answered`, 120_000, async () => ((await ask('streams')).answered > 0 ? true : undefined))
  const {sent, answered} = await ask('streams/drain')
  return (sent - answered) * everyMs
}
