/**
 * One agent in a large cluster: how long it takes from its start until pods can come, and the memory it needs, with
 * 1 000 nodes and 30 000 pods of others, and with 6 000 services and 2 500 policies. Kubernetes is simulated, on the
 * same processors. With the bundle (npm run bundle) when there is one.
 */
import {existsSync, readFileSync} from 'node:fs'
import {setTimeout as sleep} from 'node:timers/promises'
import {
  type CiliumEndpoint,
  type CiliumIdentity,
  type CiliumNode,
  type EndpointSlice,
  type KubeObject,
  resources,
  type Service,
} from '../../src/k8s/resources.ts'
import {AgentNode} from '../support/agent/agent-node.ts'
import {ApiServer} from '../support/api/api-server.ts'
import type {BenchRow} from './rows.ts'

const nodes = 1000
const podsPerNode = 30
const identities = 3000
const services = 6000
const backends = 3
const policies = 2500
const starts = Number(process.env['ROUNDS'] ?? 3)
const bundle = new URL('../../dist/bundle/cilium-agent.js', import.meta.url).pathname

export default async function bench(): Promise<BenchRow[]> {
  return [
    ...(await measure('1 000 nodes, 30 000 pods', putPods, {start: '', memory: 'budget 300'})),
    ...(await measure('6 000 services, 2 500 policies', putServices, {start: 'budget 5000', memory: ''})),
  ]
}

async function measure(
  name: string,
  fill: (api: ApiServer) => void,
  budget: {readonly start: string; readonly memory: string},
): Promise<BenchRow[]> {
  const api = await new ApiServer().start()
  const bundled = existsSync(bundle)
  const node = await AgentNode.create({api, ...(bundled ? {program: bundle} : {})})
  try {
    fill(api)
    const start: number[] = []
    const quiet: number[] = []
    const memory: number[] = []
    for (let round = 0; round <= starts; round++) {
      const began = performance.now()
      await node.start()
      const ready = performance.now() - began
      const settled = (await whenQuiet(node)) - began
      // the first start loads the programs and fills empty maps
      if (round > 0) start.push(ready)
      if (round > 0) quiet.push(settled)
      // the agent gives its garbage back some time after the start
      await sleep(15_000)
      memory.push(residentMib(node))
      await node.stop('SIGKILL')
    }
    const from = bundled ? 'bundled' : 'from the sources'
    return [
      row(`${name}: start to ready`, 'ms', start, budget.start),
      row(`${name}: start to nothing left to do`, 'ms', quiet),
      row(`${name}: RSS`, 'MiB', memory, [from, budget.memory].filter(Boolean).join('; ')),
    ]
  } finally {
    await node.destroy()
    await api.stop()
  }
}

function putPods(api: ApiServer): void {
  for (let i = 0; i < identities; i++) {
    const labels = {'k8s:app': `app-${i}`, 'k8s:io.kubernetes.pod.namespace': `ns-${i % 50}`}
    api.put<CiliumIdentity>(resources.ciliumIdentities, {metadata: {name: String(1000 + i)}, 'security-labels': labels})
  }
  for (let n = 0; n < nodes; n++) {
    const [high, low] = [n >> 8, n & 255]
    const ip = `172.20.${high}.${low}`
    const [pods4, pods6] = [`10.${64 + high}.${low}`, `fd00:64:${n.toString(16)}`]
    api.put<CiliumNode>(resources.ciliumNodes, {
      metadata: {name: `other-${n}`},
      spec: {
        addresses: [
          {type: 'InternalIP', ip},
          {type: 'InternalIP', ip: `fd00:172::${n.toString(16)}`},
          {type: 'CiliumInternalIP', ip: `${pods4}.1`},
        ],
        ipam: {podCIDRs: [`${pods4}.0/24`, `${pods6}::/112`]},
      },
    })
    for (let p = 0; p < podsPerNode; p++) {
      const id = (n * podsPerNode + p) % identities
      api.put<CiliumEndpoint>(resources.ciliumEndpoints, {
        metadata: {
          name: `app-${id}-${n}-${p}`,
          namespace: `ns-${id % 50}`,
          labels: {app: `app-${id}`},
          ownerReferences: [{apiVersion: 'v1', kind: 'Pod', name: `app-${id}-${n}-${p}`, uid: `uid-${n}-${p}`}],
        },
        status: {
          id: p + 1,
          state: 'ready',
          identity: {id: 1000 + id, labels: [`k8s:app=app-${id}`, `k8s:io.kubernetes.pod.namespace=ns-${id % 50}`]},
          networking: {addressing: [{ipv4: `${pods4}.${p + 2}`, ipv6: `${pods6}::${p + 2}`}], node: ip},
        },
      })
    }
  }
}

function putServices(api: ApiServer): void {
  for (let i = 0; i < services; i++) {
    const name = `service-${i}`
    const namespace = `ns-${i % 50}`
    const ip = `10.96.${64 + (i >> 8)}.${i & 255}`
    api.put<Service>(resources.services, {
      metadata: {name, namespace},
      spec: {type: 'ClusterIP', clusterIP: ip, clusterIPs: [ip], ports: [{name: 'http', protocol: 'TCP', port: 80}]},
    })
    api.put<EndpointSlice>(resources.endpointSlices, {
      metadata: {name: `${name}-a`, namespace, labels: {'kubernetes.io/service-name': name}},
      addressType: 'IPv4',
      ports: [{name: 'http', protocol: 'TCP', port: 8080}],
      endpoints: Array.from({length: backends}, (_, b) => ({
        addresses: [`10.${80 + b}.${i >> 8}.${i & 255}`],
        conditions: {ready: true, serving: true, terminating: false},
      })),
    })
  }
  for (let i = 0; i < policies; i++) {
    api.put<KubeObject & {readonly spec: unknown}>(resources.networkPolicies, {
      metadata: {name: `policy-${i}`, namespace: `ns-${i % 50}`},
      spec: {
        podSelector: {matchLabels: {app: `app-${i}`}},
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [{podSelector: {matchLabels: {app: `app-${i + 1}`}}}, {ipBlock: {cidr: `172.30.${i & 255}.0/24`}}],
            ports: [{protocol: 'TCP', port: 8080}],
          },
        ],
      },
    })
  }
}

/** Until the agent has used less than a twentieth of a processor for a second. @returns when that second began */
async function whenQuiet(node: AgentNode): Promise<number> {
  for (;;) {
    const [before, at] = [processorMs(node), performance.now()]
    await sleep(1000)
    if (processorMs(node) - before < 50) return at
  }
}

function processorMs(node: AgentNode): number {
  const fields = readFileSync(`/proc/${node.agentPid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10 // hundredths of a second
}

function residentMib(node: AgentNode): number {
  const status = readFileSync(`/proc/${node.agentPid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

function row(name: string, unit: string, values: readonly number[], note = ''): BenchRow {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    name,
    unit,
    median: sorted[Math.floor(sorted.length / 2)]!,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    runs: values.length,
    ...(note === '' ? {} : {note}),
  }
}
