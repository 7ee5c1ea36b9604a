/**
 * What a pod waits for on a real node: created through the API, 20 a second, until its address is in its status; with
 * kubelet, containerd and the shim in between. Needs dist/image/cilium.tar (npm run image).
 */
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {setTimeout as sleep} from 'node:timers/promises'
import {execa} from 'execa'
import {connectKube} from '../../src/k8s/client.ts'
import {objects} from '../../src/k8s/objects.ts'
import {type Pod, resources} from '../../src/k8s/resources.ts'
import {labPaths} from '../../src/lab/paths.ts'
import {Cluster, workloadPod} from '../support/lab/cluster.ts'
import type {BenchRow} from './rows.ts'

const pods = 60
const perSecond = 20

export default async function bench(): Promise<BenchRow[]> {
  const cluster = new Cluster('b-kubelet')
  await cluster.down()
  try {
    await cluster.up(1)
    await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true')
    const waited = await startPods(cluster)
    const inAgent = await meanAddMs(cluster)
    const note = `${pods} pods on one node at ${perSecond}/s, seen by a watch`
    return [
      row('created to address, p50', percentile(waited, 0.5), note),
      row('created to address, p99', percentile(waited, 0.99), note),
      row('of it ADD in the agent, mean', inAgent, 'beside the start of 60 containers on the same processors'),
    ]
  } finally {
    await cluster.down()
  }
}

/** @returns for each pod, ms from its creation to the watch event that has its address */
async function startPods(cluster: Cluster): Promise<number[]> {
  const client = await connectKube({path: cluster.kubeconfig})
  const seen = new Map<string, number>()
  const watch = execa(
    `${labPaths(cluster.name).data}/bin/kubectl`,
    [
      ...['--kubeconfig', cluster.kubeconfig, 'get', 'pods', '-l', 'app=bench', '-w'],
      ...['-o', 'jsonpath={.metadata.name} {.status.podIP}{"\\n"}'],
    ],
    {reject: false, buffer: false},
  )
  const all = once(
    createInterface({input: watch.stdout!}).on('line', function (this: NodeJS.EventEmitter, line: string) {
      const [name = '', ip] = line.split(' ')
      if (ip && !seen.has(name)) seen.set(name, performance.now())
      if (seen.size === pods) this.emit('all')
    }),
    'all',
    {signal: AbortSignal.timeout(180_000)},
  )
  const created = new Map<string, number>()
  const creating: Promise<unknown>[] = []
  const made = objects<Pod>(client, resources.pods)
  for (let i = 0; i < pods; i++) {
    const name = `bench-${i}`
    created.set(name, performance.now())
    creating.push(made.create(workloadPod(name, 'node1', {app: 'bench'}) as Pod))
    await sleep(1000 / perSecond)
  }
  await Promise.all(creating)
  await all
  watch.kill()
  client.close()
  return [...created].map(([name, at]) => seen.get(name)! - at)
}

/** From the agent's own histogram of CNI calls. */
async function meanAddMs(cluster: Cluster): Promise<number> {
  const text = await cluster.at(
    ...(['node1', 'curl', '-sf', '--unix-socket', '/var/run/cilium/cilium.sock', 'http://l/v1/metrics'] as const),
  )
  const metrics = JSON.parse(text) as {name: string; labels: Record<string, string>; value: number}[]
  const sumOf = (name: string) =>
    metrics
      .filter((metric) => metric.name === name && Object.values(metric.labels).includes('ADD'))
      .reduce((sum, {value}) => sum + value, 0)
  return (sumOf('cilium_cni_duration_seconds_sum') / sumOf('cilium_cni_duration_seconds_count')) * 1000
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
}

function row(name: string, value: number, note: string): BenchRow {
  return {name, unit: 'ms', median: value, min: value, max: value, runs: 1, note}
}
