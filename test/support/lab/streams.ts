/** Numbered traffic in a lab, by every path that a packet can take, and what it says afterwards. */
import {type Cluster, workloadPod} from './cluster.ts'

export interface StreamCount {
  readonly target: string
  readonly sent: number
  readonly answered: number
  readonly missing: readonly number[]
  readonly cut?: string
}

export interface Streams {
  /** what was lost and cut since the start or the last look; streams go on */
  look(): Promise<StreamCount[]>
  /** ends all, waits for what is on its way */
  drain(): Promise<StreamCount[]>
}

const protocols = ['tcp', 'udp', 'connect'] as const
const ports = {tcp: 9000, udp: 9000, connect: 9000} as const

/** A Service leaves out who does not answer in time: on a busy machine that would be taken for a fault of ours. */
const patient = {periodSeconds: 2, timeoutSeconds: 20, failureThreshold: 30}

function patientPod(...args: Parameters<typeof workloadPod>): object {
  const pod = workloadPod(...args) as {spec: {containers: {readinessProbe: object}[]}}
  for (const container of pod.spec.containers) container.readinessProbe = {...container.readinessProbe, ...patient}
  return pod
}

/**
 * Echo servers on each node, behind a Service, and one that policy closes; on the first node a pod, and one of the
 * node's own network, that send numbers to all of them: over long connections, short ones and datagrams, in both
 * families.
 *
 * @returns streams whose every number must come back
 */
export async function startStreams(cluster: Cluster, nodes: readonly string[]): Promise<Streams> {
  await cluster.apply(
    ...nodes.map((node) => patientPod(`echo-${node}`, node, {app: 'echo'}, '--tcp-echo', '9000', '--udp-echo', '9000')),
    patientPod('closed', nodes.at(-1)!, {app: 'closed'}, '--tcp-echo', '9000', '--udp-echo', '9000'),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {name: 'echo', namespace: 'default'},
      spec: {
        type: 'NodePort',
        selector: {app: 'echo'},
        ipFamilyPolicy: 'RequireDualStack',
        ports: [
          {name: 'tcp', protocol: 'TCP', port: 9000, nodePort: 31900},
          {name: 'udp', protocol: 'UDP', port: 9000, nodePort: 31900},
        ],
      },
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {name: 'closed', namespace: 'default'},
      spec: {podSelector: {matchLabels: {app: 'closed'}}, policyTypes: ['Ingress']},
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {name: 'echo', namespace: 'default'},
      spec: {
        podSelector: {matchLabels: {app: 'echo'}},
        policyTypes: ['Ingress'],
        // the node's own and what comes by a node port have no labels
        ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: '0.0.0.0/0'}}, {ipBlock: {cidr: '::/0'}}]}],
      },
    },
  )
  const echoes = await cluster.podAddresses('default', 'app=echo')
  const closed = (await cluster.podAddresses('default', 'app=closed')).get('closed')!.addresses
  const serviceIps = (await cluster.kubectl('get', 'svc', 'echo', '-o', 'jsonpath={.spec.clusterIPs[*]}')).split(' ')
  const nodeIps = (
    await cluster.kubectl(
      'get',
      'node',
      nodes.at(-1)!,
      '-o',
      'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}',
    )
  ).split(' ')
  const to = (addresses: readonly string[], port?: number) =>
    addresses.flatMap((address) =>
      protocols.flatMap((protocol) => ['--stream', `${protocol},${address},${port ?? ports[protocol]}`]),
    )
  const open = [
    ...to([...echoes.values()].flatMap(({addresses}) => addresses)),
    ...to(serviceIps),
    ...to(nodeIps, 31_900),
  ]
  const refused = closed.flatMap((address) => ['--stream', `udp,${address},9000`])
  const onNode = workloadPod('streamer-host', nodes[0]!, {app: 'streamer'}, ...open, '--stream-every', '40') as {
    spec: {hostNetwork?: boolean; containers: {command: string[]; readinessProbe?: unknown}[]}
  }
  onNode.spec.hostNetwork = true
  const [container] = onNode.spec.containers
  container!.command = container!.command.map((word) => (word === '8080' ? '18080' : word))
  container!.readinessProbe = {httpGet: {path: '/', port: 18_080}, ...patient}
  await cluster.apply(
    patientPod('streamer', nodes[0]!, {app: 'streamer'}, ...open, ...refused, '--stream-every', '40'),
    onNode,
  )
  await cluster.podAddresses('default', 'app=streamer')
  const ask = async (path: string): Promise<StreamCount[]> => {
    const texts = await Promise.all(
      [
        ['streamer', 8080],
        ['streamer-host', 18_080],
      ].map(([pod, port]) =>
        cluster.kubectl('exec', String(pod), '--', 'curl', '-sSf', `http://localhost:${port}/${path}`),
      ),
    )
    return texts.flatMap((text) => JSON.parse(text) as StreamCount[])
  }
  return {look: () => ask('streams'), drain: () => ask('streams/drain')}
}

/** Removes what startStreams() has made. */
export async function removeStreams(cluster: Cluster): Promise<void> {
  await cluster.kubectl('delete', 'pod,svc,netpol', '--all', '-n', 'default', '--wait=true', '--ignore-not-found')
}

/** What is wrong with streams: numbers of open ones that are missing, answers of one that policy closes. */
export function wrongs(counts: readonly StreamCount[], closed: readonly string[]): readonly unknown[] {
  const isClosed = ({target}: StreamCount) =>
    closed.some((address) => target.includes(`${address}]:`) || target.includes(`${address}:`))
  const idle = counts.filter(({sent}) => sent < 20).map((one) => ({...one, problem: 'hardly sent anything'}))
  const lost = counts
    .filter((one) => !isClosed(one) && (one.missing.length > 0 || one.cut !== undefined))
    .map((one) => ({...one, problem: 'lost'}))
  const passed = counts.filter((one) => isClosed(one) && one.answered > 0).map((one) => ({...one, problem: 'passed'}))
  return [...idle, ...lost, ...passed]
}
