/**
 * Pods, agents and a node come and go for SOAK_MINUTES (an hour without). After every
 * round what agents hold is counted at rest: memory, descriptors, maps, programs, links, devices stay level. The
 * agent of the first node runs through all of it, so that a leak adds up; that of the second is killed again and again.
 */
import {afterAll, beforeAll, expect, test} from 'vitest'
import {addNode, removeNode} from '../../src/lab/cluster.ts'
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'

const minutes = Number(process.env['SOAK_MINUTES'] ?? 60)
const podsEach = 8
const nodes = ['node1', 'node2'] as const
const cluster = new Cluster('t-soak')
const {signal} = new AbortController()

interface Count {
  readonly residentKb: number
  readonly descriptors: number
  readonly bpfDescriptors: number
  readonly pins: string
  readonly devices: number
  /** that the agent knows */
  readonly endpoints: number
  readonly addresses: number
}

beforeAll(async () => {
  await cluster.down()
  await cluster.up(nodes.length)
  await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true')
  await cluster.kubectl('-n', 'kube-system', 'wait', '--for=condition=available', 'deploy', '--all', '--timeout=180s')
}, 600_000)
afterAll(async () => {
  await cluster.down()
})

/** What the agent of a node holds, and what lies pinned. */
async function count(node: string): Promise<Count> {
  const script = `
    pid=$(pgrep -o -f 'cilium-agen[t].js --config-dir')
    awk '/^VmRSS/ {print $2}' /proc/$pid/status
    ls /proc/$pid/fd | wc -l
    ls -l /proc/$pid/fd | grep -c bpf
    find /sys/fs/bpf/cilium -type f | sed 's/[0-9]*_[0-9a-f]*//g' | sort | uniq -c | md5sum
    ls /sys/class/net | wc -l
    for what in endpoint ip; do
      curl -sf --unix-socket /var/run/cilium/cilium.sock http://l/v1/$what | grep -oE '"(cidr|networking)":' | wc -l
    done`
  const [rss, descriptors, bpf, pins = '', devices, endpoints, addresses] = (await cluster.at(node, 'sh', '-c', script))
    .trim()
    .split('\n')
  return {
    residentKb: Number(rss),
    descriptors: Number(descriptors),
    bpfDescriptors: Number(bpf),
    pins: pins.trim(),
    devices: Number(devices),
    endpoints: Number(endpoints),
    addresses: Number(addresses),
  }
}

/** Counts when what pods and nodes have left behind is gone. */
async function atRest(node: string, before: Count): Promise<Count> {
  return await until(`${node} to be as it was: ${JSON.stringify(before)}`, 60_000, async () => {
    const now = await count(node)
    const same = (['devices', 'endpoints', 'addresses'] as const).every((what) => now[what] === before[what])
    return same ? now : undefined
  })
}

async function round(number: number): Promise<void> {
  const names = nodes.flatMap((node) => Array.from({length: podsEach}, (_, i) => ({node, name: `churn-${node}-${i}`})))
  // labels of their own: identities come and go, too
  await cluster.apply(
    ...names.map(({node, name}) => workloadPod(name, node, {app: 'churn', round: String(number % 7)})),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {name: `churn-${number % 5}`, namespace: 'default'},
      spec: {
        podSelector: {matchLabels: {app: 'churn'}},
        ingress: [{from: [{ipBlock: {cidr: `10.${number % 200}.0.0/16`}}]}],
      },
    },
  )
  await cluster.podAddresses('default', 'app=churn')
  if (number % 3 === 2) await cluster.killAgent('node2')
  await cluster.kubectl('delete', 'pods,netpol', '--all', '-n', 'default', '--wait=true')
  if (number % 4 === 3) {
    await addNode(cluster.name, 'extra', signal)
    await cluster.ciliumOk('lab', 'load', 'dist/image/cilium.tar', '--name', cluster.name, '--nodes', 'extra')
    await until('the node to be counted', 60_000, async () =>
      (await cluster.kubectl('get', 'ciliumnodes', '-o', 'name')).includes('extra') ? true : undefined,
    )
    await cluster.agentsReady()
    await removeNode(cluster.name, 'extra', signal)
    await until('the node to be forgotten', 60_000, async () =>
      (await cluster.kubectl('get', 'ciliumnodes', '-o', 'name')).includes('extra') ? undefined : true,
    )
  }
  await cluster.agentsReady()
}

const middle = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!

test(`what agents hold stays level for ${minutes} minutes`, {timeout: minutes * 60_000 + 900_000}, async () => {
  const end = Date.now() + minutes * 60_000
  const rest = new Map(await Promise.all(nodes.map(async (node) => [node, await count(node)] as const)))
  const seen = new Map<string, Count[]>(nodes.map((node) => [node, []]))
  for (let number = 0; Date.now() < end || number < 6; number++) {
    await round(number)
    for (const node of nodes) seen.get(node)!.push(await atRest(node, rest.get(node)!))
  }

  for (const [node, counts] of seen) {
    // the first rounds fill caches and the memory that a runtime keeps
    const settled = counts.slice(Math.min(3, counts.length - 3))
    const third = Math.max(1, Math.floor(settled.length / 3))
    const [first, last] = [settled.slice(0, third), settled.slice(-third)]
    const grown = (of: (one: Count) => number) => middle(last.map(of)) - middle(first.map(of))
    const summary = `${node}: ${counts.length} rounds, RSS ${middle(first.map((one) => one.residentKb))} → ${middle(last.map((one) => one.residentKb))} kB`
    console.log(`${summary}, descriptors ${settled.at(0)!.descriptors} → ${settled.at(-1)!.descriptors}`)
    expect(
      grown((one) => one.residentKb),
      summary,
    ).toBeLessThan(0.2 * middle(first.map((one) => one.residentKb)))
    expect(
      grown((one) => one.descriptors),
      summary,
    ).toBeLessThanOrEqual(2)
    expect(
      grown((one) => one.bpfDescriptors),
      summary,
    ).toBe(0)
    expect(new Set(settled.map(({pins}) => pins)).size, summary).toBe(1)
  }
})
