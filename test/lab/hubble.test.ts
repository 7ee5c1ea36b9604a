/** Hubble on a real cluster: known traffic in, exactly these flows out, of one node and, by the relay, of all. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Cluster, imageName, until} from '../support/lab/cluster.ts'

interface ShownFlow {
  readonly verdict: string
  readonly node_name: string
  readonly drop_reason_desc?: string | number
  readonly trace_observation_point?: string
  readonly is_reply?: boolean
  readonly source?: {readonly pod_name?: string; readonly workloads?: readonly {readonly name: string}[]}
  readonly destination?: {readonly pod_name?: string}
  readonly destination_service?: {readonly name: string}
  readonly sock_xlate_point?: string
  readonly tunnel?: unknown
  readonly Summary?: string
  readonly time: string
}

const cluster = new Cluster('t-hubble')
const socket = '--server=unix:///var/run/cilium/hubble.sock'

beforeAll(async () => {
  await cluster.down()
  await cluster.up(2)
  await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true', '--set', 'hubble.relay.enabled=true')
  await cluster.apply(
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: {name: 'web', namespace: 'default'},
      spec: {
        selector: {matchLabels: {app: 'web'}},
        template: {
          metadata: {labels: {app: 'web'}},
          spec: {nodeName: 'node2', containers: [container('test-workload', '--http', '8080')]},
        },
      },
    },
    service('web', {app: 'web'}),
    service('empty', {app: 'nobody'}),
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {name: 'client', namespace: 'default'},
      spec: {nodeName: 'node1', containers: [container('sleep', '100000')]},
    },
  )
  await cluster.kubectl('wait', '--for=condition=available', 'deploy/web', '--timeout=120s')
  await cluster.kubectl('wait', '--for=condition=ready', 'pod/client', '--timeout=120s')
}, 600_000)

afterAll(async () => {
  await cluster.down()
})

function container(...command: string[]): object {
  return {name: 'main', image: imageName, imagePullPolicy: 'Never', command}
}

function service(name: string, selector: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {name, namespace: 'default'},
    spec: {selector, ipFamilyPolicy: 'RequireDualStack', ports: [{name: 'http', port: 80, targetPort: 8080}]},
  }
}

const inClient = (...command: string[]) =>
  cluster.kubectl('exec', 'client', '--', 'sh', '-c', `${command.join(' ')} || true`)

async function addresses(kind: 'pod' | 'svc', query: string): Promise<readonly string[]> {
  const path = kind === 'pod' ? '{.items[0].status.podIPs[*].ip}' : '{.spec.clusterIPs[*]}'
  const which = kind === 'pod' ? ['-l', query] : [query]
  return (await cluster.kubectl('get', kind, ...which, '-o', `jsonpath=${path}`)).split(' ')
}

async function agentOn(node: string): Promise<string> {
  const query = ['-l', 'k8s-app=cilium', '--field-selector', `spec.nodeName=${node}`, '-o', 'name']
  return await cluster.kubectl('-n', 'kube-system', 'get', 'pod', ...query)
}

/** Flows of the client that a node remembers, beginning at a time. */
async function seen(node: string, since: string, ...filters: string[]): Promise<readonly ShownFlow[]> {
  const observe = ['hubble', 'observe', socket, '--since', since, '--pod', 'default/client', '-o', 'json', ...filters]
  const text = await cluster.kubectl('-n', 'kube-system', 'exec', await agentOn(node), '--', ...observe)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as {flow: ShownFlow}).flow)
}

const bracketed = (ip: string) => (ip.includes(':') ? `[${ip}]` : ip)

describe.each([0, 1])('family %i', (family) => {
  test('a ping to the other node is two flows on each, and not in native disguise', async () => {
    const since = new Date().toISOString()
    const ip = (await addresses('pod', 'app=web'))[family]!
    await inClient('ping', '-c1', '-W2', ip)
    const shape = (flows: readonly ShownFlow[]) =>
      flows.map(({trace_observation_point: point, is_reply: reply, tunnel}) => [
        point,
        reply === true,
        tunnel !== undefined,
      ])

    const near = await until('flows on node1', 30_000, async () => {
      const flows = await seen('node1', since, '--protocol', 'icmp')
      return flows.length >= 2 ? flows : undefined
    })
    const far = await seen('node2', since, '--protocol', 'icmp')

    expect(shape(near)).toEqual([
      ['TO_OVERLAY', false, true],
      ['TO_ENDPOINT', true, true],
    ])
    expect(shape(far)).toEqual([
      ['TO_ENDPOINT', false, true],
      ['TO_OVERLAY', true, true],
    ])
    expect(far[1]?.source).toMatchObject({workloads: [{name: 'web', kind: 'Deployment'}]})
  })

  test('a request to a service tells the service and the backend', async () => {
    const since = new Date().toISOString()
    const ip = (await addresses('svc', 'web'))[family]!
    await inClient('curl', '-s', '-m5', '-o', '/dev/null', `http://${bracketed(ip)}/`)

    const flows = await until('the flows', 30_000, async () => {
      const found = await seen('node1', since, '--protocol', 'tcp')
      return found.some(({Summary: text}) => text?.includes('FIN')) ? found : undefined
    })

    const [asked, sent, ...packets] = flows
    expect(asked).toMatchObject({
      verdict: 'TRACED',
      sock_xlate_point: 'SOCK_XLATE_POINT_PRE_DIRECTION_FWD',
      source: {pod_name: 'client'},
      destination_service: {name: 'web', namespace: 'default'},
    })
    expect(sent).toMatchObject({verdict: 'TRANSLATED', sock_xlate_point: 'SOCK_XLATE_POINT_POST_DIRECTION_FWD'})
    expect(sent!.destination?.pod_name).toMatch(/^web-/)
    expect(packets.length).toBeGreaterThan(2)
    expect(packets.every(({verdict}) => verdict === 'FORWARDED')).toBe(true)
  })

  test.each([
    ['empty', 80, 'SERVICE_BACKEND_NOT_FOUND'],
    ['web', 81, 213],
  ])('a process that service %s refuses on port %i is a dropped flow', async (name, port, reason) => {
    const since = new Date().toISOString()
    const ip = (await addresses('svc', name))[family]!
    await inClient('curl', '-s', '-m5', `http://${bracketed(ip)}:${port}/`)

    const flows = await until('the drop', 30_000, async () => {
      const found = await seen('node1', since, '--verdict', 'DROPPED')
      return found.length > 0 ? found : undefined
    })

    expect(flows.map(({drop_reason_desc: why, Summary: text}) => [why, text])).toEqual([[reason, 'TCP']])
    expect(flows[0]!.source).toMatchObject({pod_name: 'client'})
  })
})

test('names of services that resolve are no drops', async () => {
  const since = new Date().toISOString()
  await inClient('curl', '-s', '-m5', '-o', '/dev/null', 'http://web.default.svc.cluster.local/')
  await until('the flows', 30_000, async () =>
    (await seen('node1', since, '--protocol', 'tcp')).some(({Summary: text}) => text?.includes('FIN'))
      ? true
      : undefined,
  )

  expect(await seen('node1', since, '--verdict', 'DROPPED')).toEqual([])
})

test('the agent says that Hubble is well, with numbers', async () => {
  const agent = await agentOn('node1')
  const text = await cluster.kubectl('-n', 'kube-system', 'exec', agent, '--', 'cilium-dbg', 'status', '-o', 'json')
  const {hubble, nodeMonitor} = JSON.parse(text) as Record<string, Record<string, unknown>>

  expect(hubble).toMatchObject({state: 'Ok', observer: {'max-flows': 4095}})
  expect(nodeMonitor).toMatchObject({lost: 0, unknown: 0})
})

const hubble = async (...args: string[]) => {
  const {execa} = await import('execa')
  const done = await execa(process.execPath, ['bin/hubble.js', ...args, '-P', '--port-forward-port', '0'], {
    env: {KUBECONFIG: cluster.kubeconfig, NO_COLOR: '1'},
    reject: false,
    stdin: 'ignore',
  })
  return done.stdout
}

describe('the relay', () => {
  test('answers for both nodes, in order', async () => {
    await until('both nodes', 180_000, async () =>
      (await hubble('status')).includes('Connected Nodes: 2/2') ? true : undefined,
    )
    const ip = (await addresses('pod', 'app=web'))[0]!
    const since = new Date().toISOString()
    await inClient('ping', '-c3', '-i0.2', '-W2', ip)

    const times = await until('flows of both', 30_000, async () => {
      const text = await hubble(
        'observe',
        '--since',
        since,
        '--protocol',
        'icmp',
        '--pod',
        'default/client',
        '-o',
        'json',
      )
      const found = text
        .split('\n')
        .filter((line) => line.includes('"flow"'))
        .map((line) => (JSON.parse(line) as {flow: ShownFlow}).flow)
      return new Set(found.map(({node_name: node}) => node)).size === 2 ? found.map(({time}) => time) : undefined
    })

    expect(times).toEqual([...times].sort())
  })

  test('is asked again after a restart', async () => {
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'restart', 'deploy/hubble-relay')
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'status', 'deploy/hubble-relay', '--timeout=180s')

    await until('both nodes', 60_000, async () =>
      (await hubble('list', 'nodes')).match(/Connected/g)?.length === 2 ? true : undefined,
    )
  })

  test('goes on with new certificates', async () => {
    const serial = () =>
      cluster.kubectl('-n', 'kube-system', 'get', 'secret', 'hubble-server-certs', '-o', 'jsonpath={.metadata.uid}')
    const before = await serial()
    const secrets = ['cilium-ca', 'hubble-server-certs', 'hubble-relay-client-certs']
    await cluster.kubectl('-n', 'kube-system', 'delete', 'secret', ...secrets)
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'restart', 'deploy/cilium-operator')
    await until('new certificates', 120_000, async () => ((await serial()) === before ? undefined : true))
    // old connections would hide that new ones cannot be made
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'restart', 'deploy/hubble-relay')

    await until('both nodes', 240_000, async () =>
      (await hubble('status')).includes('Connected Nodes: 2/2') ? true : undefined,
    )
  }, 500_000)
})
