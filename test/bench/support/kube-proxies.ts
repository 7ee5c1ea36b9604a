/**
 * Nodes of a bench that kube-proxy serves: with the devices that ours has, and a wire to the API server of a lab. It is
 * built from the lab's Kubernetes and gets its services from there, as on any node.
 */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {execa, type ResultPromise} from 'execa'
import {connectKube, type KubeClient} from '../../../src/k8s/client.ts'
import {binariesFolder} from '../../../src/lab/binaries.ts'
import {labPaths} from '../../../src/lab/paths.ts'
import {namespaceName, places, underlayHost} from '../../../src/lab/plan.ts'
import {readPlan} from '../../../src/lab/state.ts'
import {type BpfNode, plans} from '../../bpf/node.ts'
import {Cluster} from '../../support/lab/cluster.ts'

export type ProxyMode = 'iptables' | 'nftables'

/** Last part of the first node's address on the lab's bridge: the lab's own nodes begin at 11. */
const firstHost = 220

export class KubeProxies {
  readonly #cluster = new Cluster('bench-xdp')
  readonly #running: {readonly process: ResultPromise; readonly mode: ProxyMode}[] = []
  #client: KubeClient | undefined

  /** An API server with a node port whose backend is on a node that is not there. @param port of the nodes */
  async up(port: number, backendPort: number): Promise<void> {
    await this.#cluster.ciliumOk('lab', 'down', '--name', this.#cluster.name)
    const options = ['--nodes', '1', '--kube-proxy', 'iptables', '--cni', 'ptp']
    await this.#cluster.ciliumOk('lab', 'up', '--name', this.#cluster.name, ...options)
    this.#client = await connectKube({path: this.#cluster.kubeconfig})
    await this.#create('/api/v1/namespaces/default/services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {name: 'bench'},
      spec: {type: 'NodePort', ipFamilyPolicy: 'RequireDualStack', ports: [{port: 80, nodePort: port}]},
    })
    for (const {family, remote} of plans) {
      await this.#create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: {name: `bench-${family}`, labels: {'kubernetes.io/service-name': 'bench'}},
        addressType: `IPv${family}`,
        ports: [{name: '', port: backendPort, protocol: 'TCP'}],
        endpoints: [{addresses: [remote], conditions: {ready: true}}],
      })
    }
  }

  /** Lets a kube-proxy serve this node; it is not ready yet. */
  async serve(node: BpfNode, mode: ProxyMode): Promise<void> {
    const plan = readPlan(this.#cluster.name)
    const name = `bench-${mode}`
    const address = underlayHost(plan.index, 'ipv4', firstHost + this.#running.length)
    const fabric = namespaceName(plan, places.fabric)
    const link = `api${this.#running.length}`
    const inFabric = (...line: string[]) => execa('nsenter', [`--net=/run/netns/${fabric}`, 'ip', ...line])
    const inside = (...line: string[]) => execa('nsenter', [`--net=${node.netns}`, ...line])
    await inFabric('link', 'add', link, 'type', 'veth', 'peer', 'name', 'api', 'netns', node.netns)
    await inFabric('link', 'set', link, 'master', 'br0', 'up')
    await inside('ip', 'address', 'add', `${address}/24`, 'dev', 'api')
    await inside('ip', 'link', 'set', 'api', 'up')
    // one device for both ways is the bench's doing: senders are not to be told of a shorter one
    await inside('sysctl', '-qw', 'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.eth0.send_redirects=0')
    await this.#create('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {name},
      status: {addresses: plans.map((one) => ({type: 'InternalIP', address: one.node}))},
    })
    const process = inside(
      join(binariesFolder(plan), 'kube-proxy'),
      `--kubeconfig=${join(labPaths(plan.name).pki, 'kube-proxy.conf')}`,
      `--hostname-override=${name}`,
      `--proxy-mode=${mode}`,
      `--cluster-cidr=${plan.podCidrs.join(',')}`,
      // the table of connections is the machine's
      '--conntrack-max-per-core=0',
    )
    // its end is asked for; whoever waits for it in vain looks at its words
    process.catch(() => undefined)
    this.#running.push({process, mode})
  }

  async down(): Promise<void> {
    for (const {process} of this.#running) {
      process.kill('SIGTERM')
      await process.catch(() => undefined)
    }
    await this.#cluster.down()
  }

  async #create(path: string, body: object): Promise<void> {
    await this.#client!.json({method: 'POST', path, body})
  }
}

/** Packets that the stack of this thread's namespace has forwarded. @param family 4 or 6 */
export function forwarded(family: 4 | 6): number {
  const read = (file: string) => readFileSync(`/proc/thread-self/net/${file}`, 'utf8')
  if (family === 6) return Number(/^Ip6OutForwDatagrams\s+(\d+)$/m.exec(read('snmp6'))![1])
  const [names = '', values = ''] = read('snmp')
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
  return Number(values.split(' ')[names.split(' ').indexOf('ForwDatagrams')])
}
