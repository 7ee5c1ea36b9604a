import {describe, expect, test} from 'vitest'
import {needsApiServerOnControlPlane} from '../../../../src/cli/connectivity/requirements.ts'
import {podToControlPlaneHost, podToK8sLocal} from '../../../../src/cli/connectivity/scenarios/control-plane.ts'
import {podToPodCounted} from '../../../../src/cli/connectivity/scenarios/forwarded.ts'
import {ciliumHealth, healthProblem} from '../../../../src/cli/connectivity/scenarios/health.ts'
import {hostToPod, podToHost, podToHostPort} from '../../../../src/cli/connectivity/scenarios/host.ts'
import {podToPodNoFrag} from '../../../../src/cli/connectivity/scenarios/no-frag.ts'
import {outsideToPod} from '../../../../src/cli/connectivity/scenarios/outside.ts'
import {clientToClient, podToItself, podToPod} from '../../../../src/cli/connectivity/scenarios/pod-to-pod.ts'
import {
  podToItselfViaService,
  podToRemoteNodePort,
  podToService,
} from '../../../../src/cli/connectivity/scenarios/service.ts'
import {podToCidr, podToWorld} from '../../../../src/cli/connectivity/scenarios/world.ts'
import type {Action, Scenario, TestContext} from '../../../../src/cli/connectivity/test.ts'
import {context, features, fine, options, peer} from './fake-context.ts'

async function actions(scenario: Scenario, where: TestContext = context()): Promise<Action[]> {
  const found: Action[] = []
  for await (const action of scenario.actions(where)) found.push(action)
  return found
}

const answer = (hostname: string, address: string) => ({
  ...fine,
  stdout: JSON.stringify({hostname, client: {address, port: 40_000}}),
})

test('each client asks each echo over each family', async () => {
  const found = await actions(podToPod)

  expect(found).toHaveLength(3 * 2 * 2)
  expect(found[0]!.command).toEqual([
    'curl',
    '--silent',
    '--verbose',
    '--fail',
    '--connect-timeout',
    '2',
    '--max-time',
    '10',
    '-4',
    '--write-out',
    '%{stderr}%{json}',
    'http://10.0.0.11:8080/',
  ])
  expect(found.at(-1)!.command.at(-1)).toBe('http://[fd00::12]:8080/')
  expect(new Set(found.map(({name}) => name)).size).toBe(found.length)
})

test('pod to pod is right only when that pod answered and saw the client itself', async () => {
  const [first] = await actions(podToPod)

  expect(first!.check!(answer('echo-same-node', '10.0.0.1'))).toBeUndefined()
  expect(first!.check!(answer('echo-same-node', '172.18.0.2'))).toBe(
    'the server saw 172.18.0.2 instead of 10.0.0.1 as client',
  )
  expect(first!.check!(answer('echo-other-node', '10.0.0.1'))).toBe(
    'echo-other-node answered instead of echo-same-node',
  )
  expect(first!.check!({...fine, stdout: 'hello'})).toBe('the answer is not that of the test workload')
})

test('one family only leaves out the other', async () => {
  const found = await actions(podToPod, context({families: ['ipv6']}))

  expect(found.every(({command}) => command.includes('-6'))).toBe(true)
})

test('a client does not ping itself', async () => {
  const found = await actions(clientToClient)

  expect(found).toHaveLength(3 * 2 * 2)
  expect(found.every(({from, to}) => from.name !== to.name)).toBe(true)
})

test('each echo asks itself', async () => {
  const found = await actions(podToItself)

  expect(found).toHaveLength(2 * 2)
  expect(found.every(({from, to}) => from.name === to.name)).toBe(true)
})

test('each client pings all nodes and each node asks all echoes', async () => {
  expect(await actions(podToHost)).toHaveLength(3 * 2 * 2)
  expect(await actions(hostToPod)).toHaveLength(2 * 2 * 2)
})

describe('nodes of the control plane', () => {
  const nodes = [
    {metadata: {name: 'n1', labels: {'node-role.kubernetes.io/control-plane': ''}}, spec: {}, status: {}},
    {metadata: {name: 'n2'}, spec: {}, status: {}},
  ]

  test('each client pings those alone, and asks the API server', async () => {
    const pings = await actions(podToControlPlaneHost, context({nodes}))

    expect(new Set(pings.map(({to}) => to.name))).toEqual(new Set(['node n1']))
    expect(pings).toHaveLength(3 * 2)
    expect(await actions(podToK8sLocal, context({nodes}))).toHaveLength(3)
  })

  test('they have to be asked for, and to be there', () => {
    const requires = podToControlPlaneHost.requires![0]!
    const asked = {...options(), k8sLocalhost: true}

    expect(requires(context({nodes}))).toMatch(/--k8s-localhost-test/)
    expect(requires(context({nodes: [], options: asked}))).toMatch(/^no node says/)
    expect(requires(context({nodes, options: asked}))).toBeUndefined()
  })

  test('their prefixes say nothing of an API server that is elsewhere', () => {
    const reason = (...apiServers: string[]) => needsApiServerOnControlPlane(context({nodes, apiServers}))

    expect(reason('10.0.0.101', 'fd00::101')).toBeUndefined()
    expect(reason('10.0.0.101', '10.0.0.102')).toBe('the API server is at 10.0.0.102: on no such node')
  })
})

test('host ports are asked for at the node of the echo', async () => {
  const echoes = context().echoes.map((one) => ({...one, hostPort: 4001}))

  const found = await actions(podToHostPort, context({echoes}))

  expect(found[0]!.command.at(-1)).toBe('http://10.0.0.101:4001/')
})

test('without anybody who serves host ports the reason is given', () => {
  expect(podToHostPort.requires![0]!(context())).toMatch(/^nobody serves host ports/)
})

const services = [
  {
    metadata: {name: 'echo-same-node', namespace: 'cilium-test-1'},
    spec: {clusterIPs: ['10.96.0.5', 'fd00:96::5'], ports: [{port: 8080, nodePort: 30_001}]},
  },
]

test('services are asked by name, in the families that they have', async () => {
  const single = [{...services[0]!, spec: {...services[0]!.spec, clusterIPs: ['10.96.0.5']}}]

  expect(await actions(podToService, context({services}))).toHaveLength(3 * 2)
  const found = await actions(podToService, context({services: single}))
  expect(found).toHaveLength(3)
  expect(found[0]!.command.at(-1)).toBe('http://echo-same-node.cilium-test-1:8080/')
})

test('a pod asks its own service by its addresses', async () => {
  const found = await actions(podToItselfViaService, context({services}))

  expect(found.map(({command}) => command.at(-1))).toEqual(['http://10.96.0.5:8080/', 'http://[fd00:96::5]:8080/'])
})

test('services need somebody who translates them', () => {
  const reason = podToService.requires![0]!

  expect(reason(context())).toMatch(/^nobody translates service addresses/)
  expect(reason(context({features: {...features, services: 'kube-proxy'}}))).toBeUndefined()
})

test('remote node ports are those of nodes that the client is not on', async () => {
  const nodes = ['n1', 'n2'].map((name, index) => ({
    metadata: {name},
    spec: {},
    status: {addresses: [{type: 'InternalIP', address: `172.18.0.${index + 1}`}]},
  }))

  const found = await actions(podToRemoteNodePort, context({services, nodes}))

  expect(found.map(({from, command}) => `${from.node} ${command.at(-1)}`)).toEqual([
    'n1 http://172.18.0.2:30001/',
    'n1 http://172.18.0.2:30001/',
    'n2 http://172.18.0.1:30001/',
  ])
})

test('outside addresses are tried again, over TLS where they speak it', async () => {
  const where = context()
  const plain = await actions(podToCidr, where)
  const secret = await actions(podToCidr, context({external: {...where.external, tls: true}}))

  expect(plain).toHaveLength(3 * 2 * 2)
  expect(plain[0]!.command.at(-1)).toBe('http://1.1.1.1:80/')
  expect(plain[0]!.retries).toBe(3)
  expect(secret[0]!.command.at(-1)).toBe('https://1.1.1.1:443/')
})

test('outside names are asked over IPv6 only when they have it', async () => {
  const where = context()
  const without = context({external: {...where.external, targetHasIpv6: false}})

  expect(await actions(podToWorld, where)).toHaveLength(3 * 2)
  expect(await actions(podToWorld, without)).toHaveLength(3)
})

test('packets as large as the MTU of the route go between nodes, and a transfer of full segments', async () => {
  const exec = async (command: readonly string[]) =>
    command[0] === 'ip'
      ? {...fine, stdout: '[{"dst":"10.0.0.12","dev":"eth0","metrics":[{"mtu":1450}]}]'}
      : {...fine, stdout: '1500\n'}
  const where = context({clients: [peer('client', 'n1', 1, exec)]})

  const found = await actions(podToPodNoFrag, where)

  expect(found.map(({name}) => name)).toEqual([
    'ping-no-frag-ipv4-0',
    'curl-ipv4-0',
    'ping-no-frag-ipv6-0',
    'curl-ipv6-0',
  ])
  expect(found[0]!.command).toContain(String(1450 - 28))
  expect(found[2]!.command).toContain(String(1450 - 48))
  expect(found[1]!.check!({...fine, stdout: 'x'})).toBe('1 of 1000000 bytes arrived')
})

test('a route without an MTU has that of its device', async () => {
  const exec = async (command: readonly string[]) =>
    command[0] === 'ip' ? {...fine, stdout: '[{"dev":"eth0"}]'} : {...fine, stdout: '9000\n'}

  const found = await actions(podToPodNoFrag, context({clients: [peer('client', 'n1', 1, exec)]}))

  expect(found[0]!.command).toContain(String(9000 - 28))
})

test('the outside asks each echo by its addresses', async () => {
  const outside = peer('outside', '', 200)

  expect(await actions(outsideToPod, context({outside}))).toHaveLength(2 * 2)
  expect(outsideToPod.requires![0]!(context())).toBe('no machine outside is known')
})

test('each agent probes all nodes', async () => {
  const found = await actions(ciliumHealth)

  expect(found).toHaveLength(2)
  expect(found[0]!.command).toContain('/var/run/cilium/health.sock')
})

const path = (status: string) => ({ip: '10.0.0.1', icmp: {status}, http: {status: ''}})
const healthy = {
  nodes: [
    {
      name: 'n1',
      host: {'primary-address': path(''), 'secondary-addresses': []},
      'health-endpoint': {'primary-address': path(''), 'secondary-addresses': []},
    },
  ],
}

test('a health answer without failures over enough nodes is fine', () => {
  expect(healthProblem(JSON.stringify(healthy), 1)).toBeUndefined()
  expect(healthProblem(JSON.stringify(healthy), 2)).toBe('1 of 2 nodes are probed')
})

test('a path that fails is named', () => {
  const failing = structuredClone(healthy)
  failing.nodes[0]!['health-endpoint']['primary-address'].icmp.status = 'Connection timed out'

  expect(healthProblem(JSON.stringify(failing), 1)).toBe(
    'n1: health endpoint 10.0.0.1 does not answer ICMP: Connection timed out',
  )
  expect(healthProblem('curl: (7)', 1)).toBe('the health server did not answer with JSON')
})

describe('what agents count as forwarded', () => {
  const counted = (...values: number[]) => ({
    ...fine,
    stdout: JSON.stringify(values.map((value) => ({name: 'cilium_forward_count_total', value}))),
  })

  /** The questions to the agents, before and after what clients send. */
  async function questions(where: TestContext = context()) {
    const found = await actions(podToPodCounted, where)
    const asked = found.filter(({tool}) => tool === 'other')
    return {found, before: asked.slice(0, asked.length / 2), after: asked.slice(asked.length / 2)}
  }

  test('is asked of the nodes of clients, around everything that clients send', async () => {
    const foreign = peer('cilium-c', 'n3', 103)
    const {found, before, after} = await questions(context({agents: [...context().agents, foreign]}))

    expect(before.map(({from}) => from.node)).toEqual(['n1', 'n2'])
    expect(after.map(({from}) => from.node)).toEqual(['n1', 'n2'])
    expect(found.slice(2, -2).map(({command}) => command)).toEqual(
      (await actions(podToPod)).map(({command}) => command),
    )
    expect(podToPodCounted.requires![0]!(context({agents: []}))).toBe('no agent is known')
  })

  test('has to grow', async () => {
    const {before, after} = await questions()
    expect(before[0]!.check!(counted(40, 2))).toBeUndefined()

    expect(after[0]!.check!(counted(41, 2))).toBeUndefined()
    expect(after[0]!.check!(counted(40, 2))).toBe('cilium_forward_count_total was 42 and is 42')
    expect(after[1]!.check!(counted(50))).toBe('cilium_forward_count_total was not told before')
  })

  test('has to be told', async () => {
    const {before} = await questions()
    for (const stdout of ['', '[]', '[{"name":"cilium_version","value":1}]'])
      expect(before[0]!.check!({...fine, stdout})).toBe('cilium_forward_count_total is not told')
  })
})
