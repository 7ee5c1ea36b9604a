/** Hubble on a real cluster: known traffic in, exactly these flows out, of one node and, by the relay, of all. */
import {createInterface} from 'node:readline'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {bracketed, container, flowLab, type ShownFlow, service} from '../support/hubble/flow-lab.ts'
import {Cluster, until} from '../support/lab/cluster.ts'
import {Prometheus} from '../support/prometheus.ts'

const cluster = new Cluster('t-hubble')
const {inClient, addresses, agentOn, seen, hubbleAt, typed, hubble} = flowLab(cluster)
const values = [
  'ipv6.enabled=true',
  'hubble.relay.enabled=true',
  'hubble.metrics.enabled={drop,tcp,flow,icmp,port-distribution,flows-to-world:any-drop,policy}',
  'hubble.metrics.dashboards.enabled=true',
  'hubble.export.dynamic.enabled=true',
]

beforeAll(async () => {
  await cluster.down()
  await cluster.up(2)
  await cluster.ciliumOk('install', '--wait', ...values.flatMap((value) => ['--set', value]))
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

describe('with a policy', () => {
  beforeAll(async () => {
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {name: 'no-ping', namespace: 'default'},
      spec: {
        podSelector: {matchLabels: {app: 'web'}},
        policyTypes: ['Ingress'],
        ingress: [{ports: [{protocol: 'TCP', port: 8080}]}],
      },
    })
    const told = await until('the policy in the agent', 60_000, async () => {
      const events = await hubbleAt('node2', 'agent-events', '--last', '100', '-o', 'json')
      return events.find(({agent_event: event}) => event?.type === 'POLICY_UPDATED')
    })
    expect(told.agent_event?.policy_update?.labels).toContain('k8s:io.cilium.k8s.policy.name=no-ping')
    // what was allowed before is allowed until the policy is in force
    await until('the policy in force', 60_000, async () => {
      const out = await inClient(
        'ping',
        '-c1',
        '-W1',
        (await addresses('pod', 'app=web'))[0]!,
        '>/dev/null',
        '&&',
        'echo',
        'came',
      )
      return out.includes('came') ? undefined : true
    })
  }, 180_000)
  afterAll(() => cluster.kubectl('delete', 'networkpolicy', 'no-ping'))

  test.each([0, 1])('what it denies is a verdict and a drop, with its name (family %i)', async (family) => {
    const since = new Date().toISOString()
    await inClient('ping', '-c1', '-W1', (await addresses('pod', 'app=web'))[family]!)

    const flows = await until('the drop', 30_000, async () => {
      const found = await seen('node2', since, '--protocol', 'icmp')
      return found.some(({event_type: {type}}) => type === 1) ? found : undefined
    })

    expect(flows.map(({event_type: {type}, verdict, traffic_direction: way}) => [type, verdict, way])).toEqual([
      [5, 'DROPPED', 'INGRESS'],
      [1, 'DROPPED', 'INGRESS'],
    ])
    for (const flow of flows) {
      expect(flow.drop_reason_desc).toBe('POLICY_DENIED')
      expect(flow.source).toMatchObject({pod_name: 'client'})
    }
    expect(flows[0]!.ingress_denied_by).toMatchObject([{name: 'no-ping', namespace: 'default', kind: 'NetworkPolicy'}])
  })

  test.each([0, 1])('what it allows is a verdict with its name, then forwarded (family %i)', async (family) => {
    const since = new Date().toISOString()
    const ip = (await addresses('pod', 'app=web'))[family]!
    await inClient('curl', '-s', '-m5', '-o', '/dev/null', `http://${bracketed(ip)}:8080/`)

    const flows = await until('the flows', 30_000, async () => {
      const found = await seen('node2', since, '--protocol', 'tcp')
      return found.some(({Summary: text}) => text?.includes('FIN')) ? found : undefined
    })

    const [verdict, ...packets] = flows
    expect(verdict).toMatchObject({
      event_type: {type: 5},
      verdict: 'FORWARDED',
      traffic_direction: 'INGRESS',
      ingress_allowed_by: [{name: 'no-ping', kind: 'NetworkPolicy'}],
      Summary: 'TCP Flags: SYN',
    })
    expect(packets.every(({verdict: one, event_type: {type}}) => one === 'FORWARDED' && type === 4)).toBe(true)
  })
})

describe('Prometheus', () => {
  let prometheus: Prometheus
  beforeAll(async () => {
    const ips = await cluster.kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].status.addresses[0].address}')
    const targets = ips.split(' ').map((ip) => `${bracketed(ip)}:9965`)
    prometheus = await Prometheus.start(targets, 20_000 + (process.pid % 10_000))
  }, 180_000)
  afterAll(() => prometheus?.stop())

  test('shows data for every panel of the dashboard', async () => {
    const text = await cluster.kubectl('-n', 'kube-system', 'get', 'cm', 'hubble-dashboard', '-o', 'json')
    const {data} = JSON.parse(text) as {data: Record<string, string>}
    const {panels} = JSON.parse(data['hubble-dashboard.json']!) as {panels: {targets?: {expr: string}[]}[]}
    const expressions = panels.flatMap(({targets = []}) => targets.map(({expr}) => expr))
    expect(expressions.length).toBeGreaterThan(5)
    const traffic = async () => {
      await inClient('ping', '-c1', '-W1', (await addresses('pod', 'app=web'))[0]!)
      await inClient('curl', '-s', '-m2', '-o', '/dev/null', `http://${(await addresses('svc', 'empty'))[0]!}/`)
      // outside: nobody answers there
      await inClient('curl', '-s', '-m1', '-o', '/dev/null', 'http://192.0.2.1/')
    }

    for (const expression of expressions)
      await until(`data for ${expression}`, 120_000, async () => {
        await traffic()
        const found = await prometheus.query(expression)
        return found.length > 0 && found.every(({value}) => Number.isFinite(Number(value[1]))) ? true : undefined
      })
  }, 400_000)
})

test('flows are written as a ConfigMap says, which changes without a restart', async () => {
  const flowlogs = {
    flowLogs: [
      {
        name: 'pings',
        filePath: '/var/run/cilium/hubble/pings.log',
        fieldMask: ['l4', 'verdict'],
        includeFilters: [{protocol: ['icmpv4'], destination_pod: ['default/web']}],
      },
    ],
  }
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {name: 'cilium-flowlog-config', namespace: 'kube-system'},
    data: {'flowlogs.yaml': JSON.stringify(flowlogs)},
  })
  const agent = await agentOn('node2')

  const text = await until('the new file', 180_000, async () => {
    await inClient('ping', '-c1', '-W1', (await addresses('pod', 'app=web'))[0]!)
    return await cluster.kubectl('-n', 'kube-system', 'exec', agent, '--', 'cat', '/var/run/cilium/hubble/pings.log')
  })

  for (const line of text.trim().split('\n'))
    expect((JSON.parse(line) as {flow: object}).flow).toEqual({verdict: 'FORWARDED', l4: {ICMPv4: {type: 8}}})
}, 240_000)

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

test.each([
  ['cilium status', 'Hubble: '],
  ['cilium endpoint list', 'k8s:app=web'],
  ['cilium endpoint get pod-name:default:NAME', '"identity"'],
  ['cilium identity list', 'k8s:app=web'],
  ['cilium service list', 'ClusterIP'],
  ['cilium policy get', 'Revision: '],
  ['cilium bpf endpoint list', 'ENDPOINT'],
  ['cilium bpf policy get --all', 'Policy'],
  ['cilium bpf ct list global', 'TCP'],
  ['cilium map list', 'cilium_'],
  ['timeout 8 cilium monitor 2>&1 || [ $? = 124 ]', 'Press Ctrl-C to quit'],
])('the agent answers %s', async (line, part) => {
  const name = await cluster.kubectl('get', 'pod', '-l', 'app=web', '-o', 'jsonpath={.items[0].metadata.name}')
  const command = ['exec', await agentOn('node2'), '--', 'sh', '-c', line.replace('NAME', name)]
  expect(await cluster.kubectl('-n', 'kube-system', ...command)).toContain(part)
})

test.each([
  'ciliumnode',
  'ciliumid',
  'cep',
  'ciliumendpoint',
  'pods -l k8s-app=cilium',
  'pods -l name=cilium-operator',
])('kubectl get %s shows some', async (what) => {
  const list = await cluster.kubectl('get', '-A', '--no-headers', ...what.split(' '))
  expect(list.trim()).not.toBe('')
})

test('the agent says that Hubble is well, with numbers', async () => {
  const agent = await agentOn('node1')
  const text = await cluster.kubectl('-n', 'kube-system', 'exec', agent, '--', 'cilium-dbg', 'status', '-o', 'json')
  const {hubble, nodeMonitor} = JSON.parse(text) as Record<string, Record<string, unknown>>

  expect(hubble).toMatchObject({state: 'Ok', observer: {'max-flows': 4095}})
  expect(nodeMonitor).toMatchObject({lost: 0, unknown: 0})
})

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

  test.each([
    ['status', 'Healthcheck (via '],
    ['list nodes', 'Connected'],
    ['list namespaces', 'default'],
    ['observe', ' FORWARDED ('],
    ['observe --since 1m', 'default/client'],
    ['observe --pod default/client --last 5', 'default/client'],
    ['observe --namespace default --protocol icmp --last 1 --output dict', 'DESTINATION: '],
    ['observe --type trace --last 1 -o jsonpb', '"event_type"'],
    ['observe --from-pod default/client --to-label app=web --last 1 -o table', 'SUMMARY'],
    ['observe --type http --output json', '"node_status"'],
    // nothing of these has happened here
    ['observe --namespace production --verdict DROPPED', ''],
    ['observe --type dns', ''],
    ['observe --from-label app=frontend --to-label app=backend', ''],
  ])('answers hubble %s', async (line, part) => {
    const {exitCode, stdout, stderr} = await typed(...line.split(' '))

    expect(exitCode, stderr).toBe(0)
    expect(stderr).not.toMatch(/error|warn/i)
    if (part === '') expect(stdout).toBe('')
    else expect(stdout).toContain(part)
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

  test('who follows hears a node again whose agent was away, with certificates that were new meanwhile', async () => {
    const lines: string[] = []
    const {execa} = await import('execa')
    const command = [
      'bin/hubble.js',
      'observe',
      '-f',
      '-P',
      '--port-forward-port',
      '0',
      '--protocol',
      'icmp',
      '-o',
      'json',
    ]
    const follower = execa(process.execPath, command, {
      env: {KUBECONFIG: cluster.kubeconfig},
      reject: false,
      stdin: 'ignore',
      buffer: false,
    })
    createInterface({input: follower.stdout}).on('line', (line) => lines.push(line))
    const pinged = async (what: string) => {
      const before = lines.length
      await until(what, 240_000, async () => {
        await inClient('ping', '-c1', '-W1', (await addresses('pod', 'app=web'))[0]!)
        const nodes = new Set(lines.slice(before).map((line) => (JSON.parse(line) as {node_name?: string}).node_name))
        return nodes.has('node1') && nodes.has('node2') ? true : undefined
      })
    }
    try {
      await pinged('flows of both nodes')
      const uid = () =>
        cluster.kubectl('-n', 'kube-system', 'get', 'secret', 'hubble-server-certs', '-o', 'jsonpath={.metadata.uid}')
      const before = await uid()
      const secrets = ['cilium-ca', 'hubble-server-certs', 'hubble-relay-client-certs']
      await cluster.kubectl('-n', 'kube-system', 'delete', 'secret', ...secrets)
      await cluster.kubectl('-n', 'kube-system', 'rollout', 'restart', 'deploy/cilium-operator')
      await until('new certificates', 120_000, async () => ((await uid()) === before ? undefined : true))
      await cluster.kubectl('-n', 'kube-system', 'delete', '--wait=false', await agentOn('node2'))
      await pinged('flows of both nodes after the agent is back')
    } finally {
      follower.kill()
      await follower
    }
  }, 700_000)

  test('says that a node does not answer, and forgets one that is gone', async () => {
    // the relay must not go with the node
    await cluster.kubectl('cordon', 'node2')
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'restart', 'deploy/hubble-relay')
    await cluster.kubectl('-n', 'kube-system', 'rollout', 'status', 'deploy/hubble-relay', '--timeout=180s')
    await until('both nodes', 60_000, async () =>
      (await hubble('status')).includes('Connected Nodes: 2/2') ? true : undefined,
    )
    await cluster.kubectl('-n', 'kube-system', 'label', 'node', 'node2', 'without=agent')
    const affinity = {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{matchExpressions: [{key: 'without', operator: 'DoesNotExist'}]}],
      },
    }
    const patch = {spec: {template: {spec: {affinity: {nodeAffinity: affinity}}}}}
    await cluster.kubectl('-n', 'kube-system', 'patch', 'ds', 'cilium', '--type=strategic', '-p', JSON.stringify(patch))

    await until('the node is told as away', 240_000, async () =>
      (await hubble('list', 'nodes')).match(/node2\s+Unavailable/) ? true : undefined,
    )
    await until('the status names it', 60_000, async () =>
      (await hubble('status')).match(/Unavailable Nodes: 1\n\s+- .*node2/) ? true : undefined,
    )

    await cluster.kubectl('delete', 'node', 'node2')
    await cluster.kubectl('delete', 'ciliumnode', 'node2', '--ignore-not-found')
    await until('the node is forgotten', 240_000, async () => {
      const text = await hubble('list', 'nodes')
      return text.includes('node1') && !text.includes('node2') ? true : undefined
    })
  }, 600_000)
})
