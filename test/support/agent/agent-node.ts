/**
 * A node of its own for one agent process: a network namespace with an uplink, folders, a bpf file system, and the
 * real CNI shim. Kubernetes is the API server in memory of the test's own process, reached over the uplink.
 *
 *     test process ── agX-br 192.168.X.1 ◄──► eth0 192.168.X.11 ── agent, pods
 *       API server (loopback) ◄── relay
 */
import {type ChildProcess, spawn} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import {connect, createServer, type Server, type Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {buildBpf} from '../../../scripts/build-bpf.ts'
import {buildCniShim} from '../../../scripts/build-cni.ts'
import {type Namespace, type Node, type Pod, resources} from '../../../src/k8s/resources.ts'
import {mountFileSystem, unmountFileSystem} from '../../../src/kernel/libc.ts'
import {addressReplace} from '../../../src/kernel/netlink/address.ts'
import {findLink, type Link, linkAdd, linkSet, listLinks} from '../../../src/kernel/netlink/link.ts'
import {routeReplace} from '../../../src/kernel/netlink/route.ts'
import {NetlinkSocket} from '../../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns, openNetns} from '../../../src/kernel/netns.ts'
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import type {ApiServer} from '../api/api-server.ts'
import {eventually} from '../eventually.ts'
import {type Claim, claimNumber} from './claim.ts'
import {bridgeName, clearLeftovers, nodeName, removeLink, uplinkName} from './leftovers.ts'

const root = new URL('../../..', import.meta.url).pathname

export interface AgentNodeOptions {
  readonly api: ApiServer
  readonly config?: Readonly<Record<string, string>>
  /** of the ranges for pods, IPv4 first */
  readonly podPrefixLengths?: readonly [number, number]
  /** on the link of this node, too, instead of one of its own */
  readonly beside?: AgentNode
  /** for node itself, such as --cpu-prof */
  readonly nodeFlags?: readonly string[]
  /** all that the agent gets, by the names Kubernetes has for them; everything unless given */
  readonly capabilities?: readonly string[]
  /** the agent's program; the sources unless given */
  readonly program?: string
}

export interface CniReply {
  readonly exitCode: number | undefined
  // biome-ignore lint/suspicious/noExplicitAny: documents of several shapes
  readonly document: any
}

export class AgentNode {
  /** tells it from all nodes of all tests that run: third byte of the uplink, second of the pod range */
  readonly number: number
  readonly name: string
  readonly netns: string
  readonly folder: string
  readonly uplink: string
  readonly addresses: readonly [string, string]
  readonly gateways: readonly [string, string]
  readonly podCidrs: readonly string[]
  readonly socket: NetlinkSocket
  private readonly options: AgentNodeOptions
  private readonly claim: Claim
  /** number of the first node on the link */
  private readonly link: number
  private readonly pods = new Map<string, {readonly netns: string; readonly container: string; readonly uid: string}>()
  private readonly relaySockets = new Set<Socket>()
  private relay: Server | undefined
  private agent: ChildProcess | undefined
  private log = ''

  /** Processes that join it are served by the socket programs. */
  get cgroup(): string {
    return join('/sys/fs/cgroup/unified', this.name)
  }

  private constructor(options: AgentNodeOptions, claim: Claim) {
    const {number} = claim
    this.options = options
    this.claim = claim
    this.number = number
    this.name = nodeName(number)
    this.uplink = uplinkName(number)
    this.link = options.beside?.link ?? number
    const last = options.beside === undefined ? 11 : 12
    this.gateways = [`192.168.${this.link}.1`, `fd00:192:168:${this.link}::1`]
    this.addresses = [`192.168.${this.link}.${last}`, `fd00:192:168:${this.link}::${last}`]
    const [length4, length6] = options.podPrefixLengths ?? [24, 112]
    this.podCidrs = [`10.${number}.0.0/${length4}`, `fd00:10:${number}::/${length6}`]
    this.folder = join(tmpdir(), `${this.name}-${randomBytes(4).toString('hex')}`)
    clearLeftovers(number)
    this.netns = createNetns(this.name)
    this.socket = inNetns(this.netns, () => new NetlinkSocket())
  }

  static async create(options: AgentNodeOptions): Promise<AgentNode> {
    const node = new AgentNode(options, await claimNumber())
    for (const folder of ['run', 'lib', 'bpf', 'cni', 'config']) mkdirSync(join(node.folder, folder), {recursive: true})
    mountFileSystem('bpf', join(node.folder, 'bpf'), 'bpf')
    await buildBpf({from: join(root, 'bpf'), to: join(root, 'dist/bpf')})
    await buildCniShim(join(root, 'dist/cni/cilium-cni'))
    node.makeUplink()
    await node.startRelay()
    mkdirSync(node.cgroup, {recursive: true})
    node.writeConfig()
    node.describe()
    return node
  }

  /** Starts the agent process; resolves when it has written the CNI configuration. */
  async start(options: {readonly wait?: boolean} = {}): Promise<void> {
    rmSync(join(this.folder, 'cni', '05-cilium.conflist'), {force: true})
    this.log = ''
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'nsenter'], // a test that is killed leaves no agent
        `--net=${this.netns}`,
        ...this.bounded,
        process.execPath,
        ...(this.options.nodeFlags ?? []),
        this.program,
        `--config-dir=${this.folder}/config`,
      ],
      {stdio: ['ignore', 'pipe', 'pipe'], env: {...process.env, K8S_NODE_NAME: this.name, NODE_NO_WARNINGS: '1'}},
    )
    const file = createWriteStream(join(this.folder, 'agent.log'), {flags: 'a'})
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.log += chunk
        file.write(chunk)
      })
    }
    this.agent = child
    if (options.wait !== false) await this.whenReady()
  }

  async whenReady(timeoutMs = 120_000): Promise<void> {
    try {
      const ended = () => this.agent?.exitCode !== null
      await eventually(() => ended() || existsSync(join(this.folder, 'cni', '05-cilium.conflist')), timeoutMs)
      if (ended()) throw new Error(`the agent ended with ${this.agent?.exitCode}`)
    } catch (thrown) {
      throw new Error(`the agent did not get ready:\n${this.log.slice(-8000)}`, {cause: thrown})
    }
  }

  private get bounded(): string[] {
    const {capabilities} = this.options
    if (capabilities === undefined) return []
    return ['setpriv', '--bounding-set', ['-all', ...capabilities.map((one) => `+${one.toLowerCase()}`)].join(',')]
  }

  private get program(): string {
    return this.options.program ?? join(root, 'bin/cilium-agent.js')
  }

  get agentLog(): string {
    return this.log
  }

  get agentPid(): number {
    return this.agent!.pid!
  }

  /** Ends the agent and waits until it is gone. @returns its exit code */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.agent
    if (child === undefined) return null
    this.agent = undefined
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill(signal)
    return gone
  }

  /** Runs the agent's clean-up of the node. */
  cleanUp(): Promise<{readonly exitCode?: number; readonly stdout: string}> {
    const args = [`--net=${this.netns}`, process.execPath, join(root, 'bin/cilium-agent.js'), 'cleanup']
    return execa('nsenter', [...args, `--config-dir=${this.folder}/config`], {
      env: {K8S_NODE_NAME: this.name, NODE_NO_WARNINGS: '1'},
      reject: false,
    }) as Promise<{readonly exitCode?: number; readonly stdout: string}>
  }

  /** Makes a pod known to Kubernetes and gives it a namespace: what scheduler and runtime do before CNI. */
  createPod(name: string, labels: Record<string, string> = {app: name}): string {
    const path = this.makeNetns(name)
    const {metadata} = this.options.api.put<Pod>(resources.pods, {
      metadata: {name, namespace: 'default', labels},
      spec: {nodeName: this.name, serviceAccountName: 'default', containers: []},
      status: {phase: 'Pending'},
    })
    this.pods.set(name, {netns: path, container: randomBytes(16).toString('hex'), uid: metadata.uid ?? ''})
    return path
  }

  /** What the runtime gives the plugin for this pod. */
  call(command: string, pod: string): {readonly variables: Record<string, string>; readonly input: object} {
    const known = this.pods.get(pod)
    return {
      variables: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: known?.container ?? 'unknown',
        CNI_NETNS: known?.netns ?? '',
        CNI_IFNAME: 'eth0',
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_UID=${known?.uid ?? ''}`,
        CNI_PATH: '/opt/cni/bin',
      },
      input: {
        cniVersion: '1.0.0',
        name: 'cilium',
        type: 'cilium-cni',
        'agent-socket': join(this.folder, 'run', 'cni.sock'),
        'agent-wait-ms': '0',
      },
    }
  }

  /** Executes the shim as the runtime does for this pod. */
  async cni(
    command: string,
    pod: string,
    more: {readonly input?: object; readonly variables?: object} = {},
  ): Promise<CniReply> {
    const {variables, input} = this.call(command, pod)
    const done = await execa(join(root, 'dist/cni/cilium-cni'), [], {
      input: JSON.stringify({...input, ...more.input}),
      extendEnv: false,
      env: {...variables, ...more.variables},
      reject: false,
    })
    return {exitCode: done.exitCode, document: done.stdout === '' ? undefined : JSON.parse(done.stdout)}
  }

  /** A pod with its network. @returns its addresses, IPv4 first, and the path of its namespace */
  async addPod(name: string, labels?: Record<string, string>): Promise<{ipv4: string; ipv6: string; netns: string}> {
    return this.connect(name, this.createPod(name, labels))
  }

  private async connect(name: string, netns: string): Promise<{ipv4: string; ipv6: string; netns: string}> {
    const {exitCode, document} = await this.cni('ADD', name)
    if (exitCode !== 0) throw new Error(`ADD failed: ${JSON.stringify(document)}\n${this.log.slice(-6000)}`)
    const [ipv4, ipv6] = document.ips.map((ip: {address: string}) => ip.address.replace(/\/\d+$/, ''))
    return {ipv4, ipv6, netns}
  }

  /** A new namespace and container for a pod that Kubernetes knows already: what a runtime makes after a reboot. */
  async addSandbox(name: string): Promise<{ipv4: string; ipv6: string; netns: string}> {
    const {uid} = this.pods.get(name)!
    this.dropNetns(name)
    const netns = this.makeNetns(name)
    this.pods.set(name, {netns, container: randomBytes(16).toString('hex'), uid})
    return this.connect(name, netns)
  }

  /** Takes a pod's network and namespace away. */
  async deletePod(name: string): Promise<CniReply> {
    const reply = await this.cni('DEL', name)
    this.dropNetns(name)
    this.options.api.remove(resources.pods, `default/${name}`)
    return reply
  }

  /** The pod's namespace vanishes, as after a crash of the runtime. */
  dropNetns(name: string): void {
    deleteNetns(`${this.name}-${name}`)
  }

  containerOf(name: string): string {
    return this.pods.get(name)!.container
  }

  /** Devices of the node, by name. */
  links(): Link[] {
    return listLinks(this.socket)
  }

  /** Files below the agent's folder in the bpf file system. */
  pins(): string[] {
    const folder = join(this.folder, 'bpf', 'cilium')
    return existsSync(folder) ? (readdirSync(folder, {recursive: true}) as string[]).sort() : []
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8')
  }

  /** Changes a key of the configuration for the next start. */
  configure(key: string, value: string): void {
    writeFileSync(join(this.folder, 'config', key), value)
  }

  /** Cuts the way to the API server, or opens it again. */
  async cutApi(cut: boolean): Promise<void> {
    if (!cut) return this.startRelay()
    const relay = this.relay
    this.relay = undefined
    for (const socket of this.relaySockets) socket.destroy()
    await new Promise<void>((resolve) => (relay === undefined ? resolve() : relay.close(() => resolve())))
  }

  async destroy(): Promise<void> {
    await this.stop('SIGKILL')
    for (const name of this.pods.keys()) this.dropNetns(name)
    await this.cutApi(true)
    this.socket.close()
    rmSync(join(this.folder, 'bpf', 'cilium'), {recursive: true, force: true})
    unmountFileSystem(join(this.folder, 'bpf'))
    deleteNetns(`cilium-health-${this.name}`)
    deleteNetns(this.name)
    removeLink(this.uplink)
    if (this.options.beside === undefined) removeLink(this.bridge)
    rmdirSync(this.cgroup)
    rmSync(this.folder, {recursive: true, force: true})
    this.claim.release()
  }

  /** Nodes on one link are ports of it. */
  private get bridge(): string {
    return bridgeName(this.link)
  }

  private get relayPort(): number {
    return 26_000 + this.number
  }

  private makeNetns(name: string): string {
    const path = createNetns(`${this.name}-${name}`)
    inNetns(path, () => {
      using socket = new NetlinkSocket()
      socket.run(linkSet(findLink(socket, 'lo')!.ifindex, {up: true}))
    })
    return path
  }

  private makeUplink(): void {
    using outside = new NetlinkSocket()
    const netns = openNetns({name: this.name})
    outside.run(linkAdd({name: this.uplink, kind: 'veth', peer: {name: 'eth0', netns}}))
    closeSync(netns)
    const port = findLink(outside, this.uplink)!
    if (this.options.beside === undefined) outside.run(linkAdd({name: this.bridge, kind: 'bridge'}))
    const up = findLink(outside, this.bridge)!
    outside.runAll([linkSet(port.ifindex, {master: up.ifindex}), linkSet(port.ifindex, {up: true})])
    const [gateway4, gateway6] = this.gateways.map(Ip.of)
    outside.runAll([
      addressReplace({ifindex: up.ifindex, ip: gateway4!, prefixLength: 24}),
      addressReplace({ifindex: up.ifindex, ip: gateway6!, prefixLength: 64}),
      linkSet(up.ifindex, {up: true}),
    ])
    const {ifindex} = findLink(this.socket, 'eth0')!
    this.socket.runAll([
      linkSet(findLink(this.socket, 'lo')!.ifindex, {up: true}),
      addressReplace({ifindex, ip: Ip.of(this.addresses[0]), prefixLength: 24}),
      addressReplace({ifindex, ip: Ip.of(this.addresses[1]), prefixLength: 64}),
      linkSet(ifindex, {up: true}),
      routeReplace({destination: Cidr.of('0.0.0.0/0'), ifindex, gateway: gateway4!, protocol: 4}),
      routeReplace({destination: Cidr.of('::/0'), ifindex, gateway: gateway6!, protocol: 4}),
    ])
  }

  private async startRelay(): Promise<void> {
    const target = Number(new URL(this.options.api.url).port)
    const relay = createServer((inner) => {
      const outer = connect(target, '127.0.0.1')
      for (const socket of [inner, outer]) {
        this.relaySockets.add(socket)
        socket.on('close', () => this.relaySockets.delete(socket))
        socket.on('error', () => {
          inner.destroy()
          outer.destroy()
        })
      }
      inner.pipe(outer).pipe(inner)
    })
    await new Promise<void>((resolve, reject) => {
      relay.once('error', reject)
      relay.listen(this.relayPort, this.gateways[0], resolve)
    })
    this.relay = relay
  }

  private writeConfig(): void {
    const server = `http://${this.gateways[0]}:${this.relayPort}`
    writeFileSync(
      join(this.folder, 'kubeconfig'),
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{name: 'c', cluster: {server}}],
        users: [{name: 'u', user: {}}],
        contexts: [{name: 'c', context: {cluster: 'c', user: 'u'}}],
        'current-context': 'c',
      }),
    )
    const config: Record<string, string> = {
      'k8s-kubeconfig-path': join(this.folder, 'kubeconfig'),
      'state-dir': join(this.folder, 'run'),
      'lib-dir': join(this.folder, 'lib'),
      'bpf-root': join(this.folder, 'bpf'),
      'write-cni-conf-when-ready': join(this.folder, 'cni', '05-cilium.conflist'),
      'enable-ipv6': 'true',
      'routing-mode': 'native',
      'ipv4-native-routing-cidr': '10.0.0.0/8',
      'ipv6-native-routing-cidr': 'fd00:10::/32',
      'kube-proxy-replacement': 'true',
      'cgroup-root': this.cgroup,
      ipam: 'kubernetes',
      ...this.options.config,
    }
    for (const [key, value] of Object.entries(config)) this.configure(key, value)
  }

  private describe(): void {
    const {api} = this.options
    for (const name of ['default', 'kube-system']) {
      api.put<Namespace>(resources.namespaces, {metadata: {name, labels: {'kubernetes.io/metadata.name': name}}})
    }
    api.put<Node>(resources.nodes, {
      metadata: {name: this.name, uid: `uid-${this.name}`},
      spec: {podCIDRs: this.podCidrs, podCIDR: this.podCidrs[0]!},
      status: {
        addresses: this.addresses.map((address) => ({type: 'InternalIP', address})),
        nodeInfo: {containerRuntimeVersion: 'containerd://1.6.20'},
      },
    })
  }
}
