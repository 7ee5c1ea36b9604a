/**
 * How soon a new pod is known to its peers: a pod of another node lets in by label alone, and new pods ask it from the
 * moment their process starts, every few milliseconds, until they are answered. Half of them are slow to start, as most
 * programs are; half are a shell, which asks some milliseconds after it was executed. Every second of each kind asks by
 * IPv6. Needs dist/image/cilium.tar (npm run image).
 *
 *     PODS=200 npm run bench -- new-pods
 */
import {Cluster, imageName, until, workloadPod} from '../support/lab/cluster.ts'
import type {BenchRow} from './rows.ts'

const pods = Number(process.env['PODS'] ?? 120)
const everyMs = 5
const port = 9000

export default async function bench(): Promise<BenchRow[]> {
  const cluster = new Cluster('b-new-pods')
  await cluster.down()
  try {
    await cluster.up(2)
    await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true')
    await cluster.apply(workloadPod('server', 'node2', {app: 'server'}, '--udp-echo', String(port)), onlyNew)
    const {addresses} = (await cluster.podAddresses('default', 'app=server')).get('server')!
    await refusesOthers(cluster, addresses)
    const shells: Answered[] = []
    const programs: number[] = []
    // a few at a time: what is measured is not the node's start of processes
    for (let first = 0; first < pods; first += 4) {
      const names = [`shell-${first}`, `shell-${first + 1}`, `program-${first}`, `program-${first + 1}`] as const
      await cluster.apply(
        ...names.map((name, n) => {
          const server = addresses[n % addresses.length]!
          return n < 2 ? shell(name, 'new', server) : program(name, server)
        }),
      )
      shells.push(...(await Promise.all(names.slice(0, 2).map((name) => firstAnswer(cluster, name)))))
      programs.push(...(await Promise.all(names.slice(2).map((name) => unansweredMs(cluster, name)))))
      await cluster.kubectl('delete', 'pod', ...names, '--wait=false')
    }
    console.log(shells.map((s) => `${Math.round(s.letIn)}/${Math.round(s.round)}`).join(' '))
    const kind = `a datagram every ${everyMs} ms; half of them IPv6`
    return [
      ...rows(
        'a shell: not let in after its start',
        shells.map(({letIn}) => letIn),
        kind,
      ),
      ...rows(
        'a shell: time of the first answer',
        shells.map(({round}) => round),
        'how busy the machine was',
      ).slice(0, 1),
      ...rows('a program: not let in after its start', programs, 'it asks once it serves its health check'),
    ]
  } finally {
    await cluster.down()
  }
}

function rows(name: string, values: readonly number[], note: string): BenchRow[] {
  const sorted = [...values].sort((a, b) => a - b)
  const row = (what: string, at: number, more: string): BenchRow => ({
    ...{name: `${name}, ${what}`, unit: 'ms', median: sorted[at]!, min: sorted[0]!, max: sorted.at(-1)!},
    ...{runs: sorted.length, note: more},
  })
  const last = sorted.length - 1
  return [row('p50', Math.floor(last / 2), note), row('p99', Math.round(last * 0.99), 'budget 100')]
}

/** Lets in who has the label that every new pod has. */
const onlyNew = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: {name: 'only-new', namespace: 'default'},
  spec: {
    endpointSelector: {matchLabels: {app: 'server'}},
    ingress: [{fromEndpoints: [{matchLabels: {app: 'new'}}]}],
  },
}

/** Its labels are nobody else's, so its identity is new, too. */
function program(name: string, server: string): object {
  const stream = `udp,${server},${port}`
  return workloadPod(name, 'node1', {app: 'new', name}, '--stream', stream, '--stream-every', String(everyMs))
}

/**
 * Asks until it is answered, and tells when it began, when it sent the datagram that was answered first, and when that
 * was, in seconds. A datagram is a letter: the shell reads no more of one.
 */
function shell(name: string, app: string, server: string): object {
  const script = `
    began=$EPOCHREALTIME
    letters=abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789
    declare -A sent
    exec 3<>/dev/udp/${server}/${port}
    ask() { letter=\${letters:n++%62:1}; sent[$letter]=$EPOCHREALTIME; printf %s $letter >&3; }
    ask
    until read -r -t 0.00${everyMs} -N 1 -u 3 answer; do ask; done
    echo "answered $began \${sent[$answer]} $EPOCHREALTIME"
    exec sleep infinity`
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {name, namespace: 'default', labels: {app, name}},
    spec: {
      nodeName: 'node1',
      terminationGracePeriodSeconds: 0,
      tolerations: [{operator: 'Exists'}],
      containers: [{name: 'shell', image: imageName, imagePullPolicy: 'Never', command: ['bash', '-c', script]}],
    },
  }
}

/** One whom the policy does not let in is not answered: without that the figures would say nothing. */
async function refusesOthers(cluster: Cluster, addresses: readonly string[]): Promise<void> {
  const name = 'stranger'
  await cluster.apply(shell(name, 'stranger', addresses[0]!), shell('known', 'new', addresses[0]!))
  await firstAnswer(cluster, 'known')
  await until(`${name} to run`, 120_000, async () =>
    (await cluster.kubectl('get', 'pod', name, '-o', 'jsonpath={.status.phase}')) === 'Running' ? true : undefined,
  )
  const told = await cluster.kubectl('logs', name)
  if (told !== '') throw new Error(`a pod that the policy does not let in was answered: ${told}`)
  await cluster.kubectl('delete', 'pod', name, 'known', '--wait=false')
}

interface Answered {
  /** ms from the start of its process to the first datagram that was let in */
  readonly letIn: number
  /** ms from then to the answer */
  readonly round: number
}

async function firstAnswer(cluster: Cluster, pod: string): Promise<Answered> {
  return await until(`${pod} to be answered`, 120_000, async () => {
    const told = /^answered (\S+) (\S+) (\S+)$/m.exec(await cluster.kubectl('logs', pod))
    if (told === null) return undefined
    const [began, sent, answered] = told.slice(1).map(Number) as [number, number, number]
    return {letIn: (sent - began) * 1000, round: (answered - sent) * 1000}
  })
}

interface Count {
  readonly sent: number
  readonly answered: number
}

/** How long it was not answered: what of its datagrams is missing when it has stopped and the last answers have come. */
async function unansweredMs(cluster: Cluster, pod: string): Promise<number> {
  const ask = async (path: string) => {
    const text = await cluster.kubectl('exec', pod, '--', 'curl', '-sf', `http://127.0.0.1:8080/${path}`)
    return (JSON.parse(text) as readonly [Count])[0]
  }
  await until(`${pod} to be answered`, 120_000, async () => ((await ask('streams')).answered > 0 ? true : undefined))
  const {sent, answered} = await ask('streams/drain')
  return (sent - answered) * everyMs
}
