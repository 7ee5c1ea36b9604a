/** A one-node cluster with one way to serve services, for benches that compare them. */
import {execFileSync} from 'node:child_process'
import {existsSync, mkdirSync, readdirSync, readFileSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {execa} from 'execa'
import {connectKube, type KubeClient} from '../../../src/k8s/client.ts'
import {findCgroupMounts, labCgroupName} from '../../../src/lab/cgroup.ts'
import {labPaths} from '../../../src/lab/paths.ts'
import {Cluster, until, workloadPod} from './cluster.ts'

export type ProxyName = 'ours' | 'iptables' | 'nftables'

/** What short connections cost. */
export interface DialFigure {
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
  /** processor time of the whole machine for each connection: in the kernel there is no other owner */
  readonly cpuUs: number
  /** of a million connections, how many were not served within a second */
  readonly unservedPpm: number
}

const root = join(import.meta.dirname, '../../..')
const dialer = join(root, 'dist/test/dialer')
const servers = ['server-1', 'server-2'] as const
/** From above those that come while somebody waits. */
const serviceAddress = (number: number) => `10.96.${1 + (number >> 8)}.${number & 255}`
/**
 * Addresses of services that come while somebody waits for them: of the lowest 256, which are given out by themselves
 * when there are no others (Kubernetes: avoiding collisions of ClusterIPs).
 */
const changeAddress = (change: number) => `10.96.0.${20 + (change % 200)}`
/** objects that are created at the same time */
const atOnce = 32

export class Contender {
  readonly proxy: ProxyName
  private readonly cluster: Cluster
  private client!: KubeClient
  private backends: readonly string[] = []
  private readonly addresses: string[] = []
  private changes = 0

  constructor(proxy: ProxyName) {
    this.proxy = proxy
    this.cluster = new Cluster(`bench-${proxy}`)
  }

  async up(): Promise<void> {
    buildDialer()
    await this.cluster.down()
    const baseline = this.proxy === 'ours' ? [] : ['--kube-proxy', this.proxy, '--cni', 'ptp']
    await this.cluster.up(1, ...baseline)
    if (this.proxy === 'ours') {
      const values = ['ipv6.enabled=true', 'bpf.lbMapMax=262144', 'operator.replicas=1']
      await this.cluster.ciliumOk('install', '--wait', ...values.flatMap((value) => ['--set', value]))
    }
    this.client = await connectKube({path: this.cluster.kubeconfig})
    await this.cluster.apply(
      ...[...servers, 'client'].map((name) => workloadPod(name, 'node1', {app: name === 'client' ? name : 'server'})),
    )
    const pods = await this.cluster.podAddresses('default', 'app=server')
    await this.cluster.podAddresses('default', 'app=client')
    this.backends = [...pods.values()].map(({addresses}) => addresses.find((ip) => !ip.includes(':'))!)
    for (const pod of [...servers, 'client']) await this.copyDialer(pod)
    for (const pod of servers) await this.inPod(pod, `nohup /tmp/dialer serve 9000 > /dev/null 2>&1 &`)
  }

  async down(): Promise<void> {
    await this.cluster.down()
  }

  /** Makes services until there are so many; waits until the last one answers. */
  async grow(count: number): Promise<void> {
    const numbers = Array.from(
      {length: Math.max(0, count - this.addresses.length)},
      (_, i) => this.addresses.length + i,
    )
    let next = 0
    const work = async () => {
      for (let i = next++; i < numbers.length; i = next++) {
        const number = numbers[i]!
        await this.create(`s${number}`, serviceAddress(number))
        this.addresses[number] = serviceAddress(number)
      }
    }
    await Promise.all(Array.from({length: atOnce}, work))
    await this.first(this.addresses.at(-1)!, 1800)
  }

  /** One more service, until a connection to it is served; then it goes. @returns ms */
  async change(): Promise<number> {
    const number = this.changes++
    const name = `change-${number}`
    const address = changeAddress(number)
    const asking = this.startPod('client', `/tmp/dialer first ${address} 80 600`)
    // it asks already: what is measured is not how long it takes to begin
    await asking.begun
    const began = process.hrtime.bigint()
    await this.create(name, address)
    const served = BigInt((await asking.ended).trim().split('\n').at(-1)!)
    for (const path of [`/api/v1/namespaces/default/services/${name}`, `${slices}/${name}`])
      await this.client.json({method: 'DELETE', path})
    return Number(served - began) / 1e6
  }

  /** Short connections to all services in turns. */
  async dial(seconds: number): Promise<DialFigure> {
    const input = this.addresses.map((ip) => `${ip} 80\n`).join('')
    const before = busyTicks()
    const text = await this.inPod('client', `/tmp/dialer dial ${seconds}`, input)
    const ticks = busyTicks() - before
    const [count = 0, elapsed = 1, errors = 0, p50Us = 0, p99Us = 0] = text.split(' ').map(Number)
    if (count === errors) throw new Error(`${this.proxy}: none of ${count} connections was served`)
    return {
      perSecond: (count - errors) / elapsed,
      p50Us,
      p99Us,
      cpuUs: (ticks * 1e4) / count,
      unservedPpm: (errors * 1e6) / count,
    }
  }

  /** Resident memory of the process that programs services, MB. */
  memoryMb(): number {
    const wanted = this.proxy === 'ours' ? 'cilium-agent.js' : 'kube-proxy'
    const folder = join(findCgroupMounts().unified, labCgroupName(this.cluster.name), 'node1')
    let sum = 0
    for (const pid of processesUnder(folder)) {
      const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8')
      if (!read('cmdline').includes(wanted)) continue
      sum += Number(/VmRSS:\s+(\d+)/.exec(read('status'))?.[1] ?? 0) / 1000
    }
    if (sum === 0) throw new Error(`no process ${wanted} under ${folder}`)
    return sum
  }

  private async create(name: string, clusterIP: string): Promise<void> {
    await this.client.json({
      method: 'POST',
      path: '/api/v1/namespaces/default/services',
      body: {apiVersion: 'v1', kind: 'Service', metadata: {name}, spec: {ports: [{port: 80}], clusterIP}},
    })
    await this.client.json({
      method: 'POST',
      path: slices,
      body: {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {name, labels: {'kubernetes.io/service-name': name}},
        addressType: 'IPv4',
        ports: [{name: '', port: 9000, protocol: 'TCP'}],
        endpoints: this.backends.map((ip) => ({addresses: [ip], conditions: {ready: true}, nodeName: 'node1'})),
      },
    })
  }

  /** @returns when a connection was served, monotonic clock, ns */
  private async first(address: string, seconds: number): Promise<bigint> {
    const text = await this.inPod('client', `/tmp/dialer first ${address} 80 ${seconds}`)
    return BigInt(text.trim().split('\n').at(-1)!)
  }

  private async copyDialer(pod: string): Promise<void> {
    await until(`the program in ${pod}`, 30_000, async () => {
      await this.inPod(pod, 'cat > /tmp/dialer && chmod +x /tmp/dialer', readFileSync(dialer))
      return true
    })
  }

  private async inPod(pod: string, script: string, input: string | Uint8Array = ''): Promise<string> {
    return (await this.exec(pod, script, input)).stdout
  }

  private exec(pod: string, script: string, input: string | Uint8Array) {
    const kubectl = join(labPaths(this.cluster.name).data, 'bin/kubectl')
    return execa(kubectl, ['--kubeconfig', this.cluster.kubeconfig, 'exec', '-i', pod, '--', 'sh', '-c', script], {
      input,
    })
  }

  /** @returns when it has said its first word, and all that it said */
  private startPod(pod: string, script: string): {readonly begun: Promise<unknown>; readonly ended: Promise<string>} {
    const child = this.exec(pod, script, '')
    const begun = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
    const ended = child.then(({stdout}) => stdout)
    return {begun: Promise.race([begun, ended]), ended}
  }
}

const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'

/** Time that all processors together were not idle, in ticks of 10 ms. */
function busyTicks(): number {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.trim().split(/\s+/).slice(1).map(Number)
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields
  return user + nice + system + irq + softirq
}

function processesUnder(folder: string): string[] {
  const own = readFileSync(join(folder, 'cgroup.procs'), 'utf8').trim().split('\n').filter(Boolean)
  const below = readdirSync(folder, {withFileTypes: true}).filter((one) => one.isDirectory())
  return [...own, ...below.flatMap(({name}) => processesUnder(join(folder, name)))]
}

function buildDialer(): void {
  const source = join(root, 'test/bench/programs/dialer.c')
  if (existsSync(dialer) && statSync(dialer).mtimeMs > statSync(source).mtimeMs) return
  mkdirSync(join(dialer, '..'), {recursive: true})
  execFileSync('gcc', ['-O2', '-static', '-o', dialer, source])
}
