/**
 * Pods, agents and a node come and go for SOAK_MINUTES (an hour without). After every round what agents hold is
 * counted at rest: memory, descriptors, maps and their entries, programs, links, devices stay level. The agent of the
 * first node runs through all of it, so that a leak adds up; that of the second is killed again and again. With
 * SOAK_WRITE the table of it goes into docs/benchmarks.md.
 */
import {afterAll, beforeAll, expect, test} from 'vitest'
import {addNode, removeNode} from '../../src/lab/cluster.ts'
import {machine, writeSections} from '../support/benchmark-page.ts'
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'
import {type Holdings, holdingNames, holdings, processHoldings} from '../support/lab/holdings.ts'

const minutes = Number(process.env['SOAK_MINUTES'] ?? 60)
const podsEach = 8
const nodes = ['node1', 'node2'] as const
const cluster = new Cluster('t-soak')
const {signal} = new AbortController()

/** What is as it was as soon as pods are gone. */
const restored = ['devices', 'endpoints', 'addresses', 'rules', 'maps', 'programs', 'links', 'pins'] as const

/** How far the end may be above the beginning; others not at all. */
const spare: Partial<Record<keyof Holdings, (begin: number) => number>> = {
  residentKb: (begin) => 0.2 * begin,
  descriptors: () => 2,
  connections: (begin) => Math.max(200, begin),
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

/** Counts when what pods and nodes have left behind is gone. */
async function atRest(node: string, before: Holdings): Promise<Holdings> {
  return await until(`${node} to be as it was`, 90_000, async () => {
    const quick = await processHoldings(cluster, node)
    if (quick.devices !== before.devices) throw new Error(`devices: ${before.devices}, now ${quick.devices}`)
    const now = await holdings(cluster, node)
    const differs = restored.filter((what) => now[what] !== before[what])
    if (differs.length === 0) return now
    throw new Error(differs.map((what) => `${what}: ${before[what]}, now ${now[what]}`).join('; '))
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

interface Level {
  readonly node: string
  readonly what: keyof Holdings
  /** medians of the first third and of the last one */
  readonly begin: number
  readonly end: number
  readonly most: number
  readonly allowed: number
}

/** The first rounds are left out: they fill caches and the memory that a runtime keeps. */
function levels(node: string, counts: readonly Holdings[]): Level[] {
  const settled = counts.slice(Math.min(3, counts.length - 3))
  const third = Math.max(1, Math.floor(settled.length / 3))
  return (Object.keys(holdingNames) as (keyof Holdings)[]).map((what) => {
    const begin = middle(settled.slice(0, third).map((one) => one[what]))
    const allowed = begin + (spare[what]?.(begin) ?? 0)
    const end = middle(settled.slice(-third).map((one) => one[what]))
    return {node, what, begin, end, most: Math.max(...settled.map((one) => one[what])), allowed}
  })
}

function section(rows: readonly Level[], rounds: number, spentMinutes: number): string {
  const lines = rows.map(
    ({node, what, begin, end, most}) => `| ${node} | ${holdingNames[what]} | ${begin} | ${end} | ${most} |`,
  )
  return `## soak

\`SOAK_MINUTES=${minutes} npm run test:soak\`, on ${machine()}

${rounds} rounds in ${spentMinutes} minutes, counted at rest after each: ${podsEach} pods of new labels on each of two
nodes and a policy come and go; after every third the agent of node2 is killed, after every fourth a node comes and goes.
Begin and end are medians of the first and of the last third.

| node | what | begin | end | most |
|---|---|--:|--:|--:|
${lines.join('\n')}`
}

test(`what agents hold stays level for ${minutes} minutes`, {timeout: minutes * 60_000 + 900_000}, async () => {
  const start = Date.now()
  const rest = new Map<string, Holdings>()
  for (const node of nodes) rest.set(node, await holdings(cluster, node))
  const seen = new Map<string, Holdings[]>(nodes.map((node) => [node, []]))
  let rounds = 0
  while (Date.now() < start + minutes * 60_000 || rounds < 6) {
    await round(rounds++)
    for (const node of nodes) seen.get(node)!.push(await atRest(node, rest.get(node)!))
  }

  const rows = [...seen].flatMap(([node, counts]) => levels(node, counts))
  const text = section(rows, rounds, Math.round((Date.now() - start) / 60_000))
  console.log(text)
  if (process.env['SOAK_WRITE'] !== undefined) writeSections(new Map([['soak', text]]))
  expect(rows.filter(({end, allowed}) => end > allowed)).toEqual([])
})
