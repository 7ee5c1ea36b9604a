/**
 * What a pod waits for: ADD through the shim against real namespaces, 20 a second; how long the agent takes to start,
 * anew and with its datapath running; and its memory. With the bundle (npm run bundle) when there is one.
 */
import {existsSync, readFileSync} from 'node:fs'
import {connect} from 'node:net'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {encodeCniMessage} from '../../src/api/cni.ts'
import {AgentNode} from '../support/agent/agent-node.ts'
import {ApiServer} from '../support/api/api-server.ts'
import type {BenchRow} from './rows.ts'

const pods = 120
const perSecond = 20
const bundle = new URL('../../dist/bundle/cilium-agent.js', import.meta.url).pathname

export default async function bench(): Promise<BenchRow[]> {
  const api = await new ApiServer().start()
  const bundled = existsSync(bundle)
  const node = await AgentNode.create({
    api,
    podPrefixLengths: [22, 112],
    ...(bundled ? {program: bundle} : {}),
  })
  try {
    const note = bundled ? 'bundled' : 'from the sources'
    const first = await timed(() => node.start())
    const again: number[] = []
    for (let i = 0; i < 5; i++) {
      await node.stop('SIGKILL')
      again.push(await timed(() => node.start()))
    }
    const idle = residentMib(node)
    const rounds: {whole: number[]; agent: number[]}[] = []
    for (let round = 0; round < 3; round++) {
      rounds.push(await addPods(node, `r${round}-`))
      if (round < 2) await removePods(node, `r${round}-`)
    }
    const each = (of: 'whole' | 'agent', share: number) => rounds.map((round) => percentile(round[of], share))
    return [
      row('start, programs to load', 'ms', [first], note),
      row('start, programs running', 'ms', again, `${note}; budget 2000`),
      row('ADD p50, whole', 'ms', each('whole', 0.5), 'budget 25'),
      row('ADD p99, whole', 'ms', each('whole', 0.99)),
      row('ADD p50, agent', 'ms', each('agent', 0.5), 'budget 10'),
      row('ADD p99, agent', 'ms', each('agent', 0.99)),
      row('RSS without pods', 'MiB', [idle], `${note}; budget 150`),
      row(`RSS with ${pods} pods`, 'MiB', [residentMib(node)], note),
    ]
  } finally {
    await node.destroy()
    await api.stop()
  }
}

/** Every second pod goes straight to the agent's socket: the difference is the shim's process. */
async function addPods(node: AgentNode, prefix: string): Promise<{whole: number[]; agent: number[]}> {
  const whole: number[] = []
  const agent: number[] = []
  const running: Promise<void>[] = []
  for (let i = 0; i < pods; i++) node.createPod(`${prefix}${i}`, {app: `a${i % 10}`})
  await sleep(500)
  for (let i = 0; i < pods; i++) {
    const into = i % 2 === 0 ? whole : agent
    const add = i % 2 === 0 ? () => addByShim(node, `${prefix}${i}`) : () => addDirectly(node, `${prefix}${i}`)
    running.push(timed(add).then((ms) => void into.push(ms)))
    await sleep(1000 / perSecond)
  }
  await Promise.all(running)
  return {whole, agent}
}

async function removePods(node: AgentNode, prefix: string): Promise<void> {
  for (let i = 0; i < pods; i++) {
    const {exitCode, document} = await node.deletePod(`${prefix}${i}`)
    if (exitCode !== 0) throw new Error(JSON.stringify(document))
  }
}

async function addByShim(node: AgentNode, pod: string): Promise<void> {
  const {exitCode, document} = await node.cni('ADD', pod)
  if (exitCode !== 0) throw new Error(JSON.stringify(document))
}

function addDirectly(node: AgentNode, pod: string): Promise<void> {
  const {variables, input} = node.call('ADD', pod)
  const message = encodeCniMessage({variables, input: JSON.stringify(input)})
  const header = Buffer.alloc(4)
  header.writeUInt32BE(message.length)
  return new Promise((resolve, reject) => {
    const socket = connect(join(node.folder, 'run/cni.sock'))
    const chunks: Buffer[] = []
    socket.on('connect', () => socket.write(Buffer.concat([header, message])))
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('end', () => {
      const answer = Buffer.concat(chunks)
      if (answer.readUInt32BE(4) === 0) resolve()
      else reject(new Error(answer.subarray(8).toString()))
    })
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function row(name: string, unit: string, values: readonly number[], note?: string): BenchRow {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    name,
    unit,
    median: percentile(sorted, 0.5),
    min: sorted[0]!,
    max: sorted.at(-1)!,
    runs: values.length,
    ...(note === undefined ? {} : {note}),
  }
}

function residentMib(node: AgentNode): number {
  const status = readFileSync(`/proc/${node.agentPid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}
