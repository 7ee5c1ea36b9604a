/**
 * `cilium-agent preflight`: what of this node would be in an agent's way, before there is one. It tries and reads, and
 * leaves nothing. The result is one line of JSON on standard output; src/cli/preflight reads it.
 */
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {connect} from 'node:net'
import {join} from 'node:path'
import type {PreflightFinding, PreflightNode} from '../api/preflight.ts'
import {type KernelFeature, type KernelProbe, kernelFeatures, probeKernel} from '../kernel/bpf/probe.ts'
import {CiliumError} from '../runtime/errors.ts'

export interface PreflightOptions {
  readonly cniFolder: string
  readonly cgroupRoot: string
  readonly bpfRoot: string
  readonly tunnel: boolean
  readonly sockets: boolean
  /** host:port, one of which has to answer; empty: not asked */
  readonly apiServers: readonly string[]
  /** that agents listen on: port and what for */
  readonly ports: Readonly<Record<number, string>>
}

/** The oldest kernel that the programs are tried on: docs/reference/kernels.md. */
const leastKernel = [6, 1] as const

/** Without these nothing runs. */
const needed: readonly KernelFeature[] = [
  'ringBuffer',
  'lpmTrie',
  'mapInMap',
  'lruHash',
  'redirectPeer',
  'redirectNeighbour',
  'checkMtu',
  'forEachMapElement',
  'timer',
  'loop',
  'fibLookup',
  'clsact',
  'veth',
]

export async function preflight(options: PreflightOptions): Promise<PreflightNode> {
  const {findings, probe} = kernelFindings(options)
  findings.push(...cniFindings(options.cniFolder), ...mountFindings(options), ...portFindings(options.ports))
  findings.push(...(await apiFindings(options.apiServers)))
  const missing =
    probe === undefined ? [] : (Object.keys(kernelFeatures) as KernelFeature[]).filter((one) => !probe.has[one])
  return {kernel: probe?.release ?? 'unknown', missing, findings}
}

function kernelFindings({tunnel, sockets}: PreflightOptions): {findings: PreflightFinding[]; probe?: KernelProbe} {
  let probe: KernelProbe
  try {
    probe = probeKernel()
  } catch (thrown) {
    const what = `the kernel does not let us load programs: ${CiliumError.from(thrown).message}`
    return {findings: [{severity: 'error', what, advice: 'allow the pod BPF, PERFMON, NET_ADMIN and SYS_ADMIN'}]}
  }
  const findings: PreflightFinding[] = []
  const [major = 0, minor = 0] = probe.release.split('.').map(Number)
  if (major < leastKernel[0] || (major === leastKernel[0] && minor < leastKernel[1]))
    findings.push({
      severity: 'warning',
      what: `kernel ${probe.release} is older than ${leastKernel.join('.')}, the oldest that is tested`,
      advice: 'upgrade the kernel of the node',
    })
  const wanted = [...needed, ...(tunnel ? (['vxlan'] as const) : []), ...(sockets ? (['cgroupConnect'] as const) : [])]
  for (const feature of wanted.filter((one) => !probe.has[one])) {
    const {since, use} = kernelFeatures[feature]
    findings.push({
      severity: 'error',
      what: `kernel ${probe.release} lacks ${feature} (${use})`,
      advice: `take a kernel from ${since} on${feature === 'vxlan' ? ', load the module vxlan, or use routingMode=native' : ''}`,
    })
  }
  if (!probe.has.jit)
    findings.push({
      severity: 'warning',
      what: 'programs are interpreted, not compiled',
      advice: 'sysctl -w net.core.bpf_jit_enable=1',
    })
  return {findings, probe}
}

function cniFindings(folder: string): PreflightFinding[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /\.(conf|conflist|json)$/.test(name) && !/cilium/.test(name))
    .map((name) => ({
      severity: 'warning',
      what: `another network is configured in ${name}`,
      advice: 'remove it, or leave cni.exclusive=true, which sets it aside; its pods need a restart',
    }))
}

function mountFindings({cgroupRoot, sockets}: PreflightOptions): PreflightFinding[] {
  const kinds = readFileSync('/proc/filesystems', 'utf8')
  const findings: PreflightFinding[] = []
  for (const [kind, use, wanted] of [
    ['bpf', 'programs and maps that outlive an agent', true],
    ['cgroup2', `services for processes (${cgroupRoot})`, sockets],
  ] as const)
    if (wanted && !new RegExp(`\\s${kind}$`, 'm').test(kinds))
      findings.push({
        severity: 'error',
        what: `the kernel has no ${kind} file system: ${use}`,
        advice: 'take a kernel that has it',
      })
  return findings
}

/** Who listens is found in the node's own list: trying to listen would need to bind. */
function portFindings(ports: Readonly<Record<number, string>>): PreflightFinding[] {
  const listening = new Set<number>()
  for (const [file, state] of [
    ['tcp', '0A'],
    ['tcp6', '0A'],
    ['udp', '07'],
    ['udp6', '07'],
  ] as const) {
    const path = join('/proc/net', file)
    if (!existsSync(path)) continue
    for (const line of readFileSync(path, 'utf8').split('\n').slice(1)) {
      const [, local = '', , is] = line.trim().split(/\s+/)
      if (is === state) listening.add(Number.parseInt(local.split(':')[1] ?? '', 16))
    }
  }
  return Object.entries(ports)
    .filter(([port]) => listening.has(Number(port)))
    .map(([port, use]) => ({
      severity: 'warning',
      what: `port ${port} is in use already, and agents want it for ${use}`,
      advice: 'end that program, unless it is an agent of an installation before, or choose another port',
    }))
}

async function apiFindings(servers: readonly string[]): Promise<PreflightFinding[]> {
  if (servers.length === 0) return []
  const reasons = await Promise.all(servers.map(answers))
  if (reasons.includes(undefined)) return []
  return [
    {
      severity: 'error',
      what: `the API server cannot be reached from this node: ${servers.map((one, i) => `${one} (${reasons[i]})`).join(', ')}`,
      advice: 'set k8sServiceHost and k8sServicePort to an address that this node reaches, and open the way to it',
    },
  ]
}

/** undefined when somebody answers, else why not */
function answers(server: string): Promise<string | undefined> {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(server) ?? []
  return new Promise((resolve) => {
    const socket = connect({host, port: Number(port), timeout: 5_000})
    const end = (reason: string | undefined) => {
      socket.destroy()
      resolve(reason)
    }
    socket.on('connect', () => end(undefined))
    socket.on('timeout', () => end('no answer in 5 s'))
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message))
  })
}
