/** The real agent process on a node of its own: real programs, maps, devices and CNI shim; Kubernetes in memory. */
import {existsSync, readdirSync, readlinkSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {createServer, type Server} from 'node:http'
import {join} from 'node:path'
import {isDeepStrictEqual} from 'node:util'
import {execa} from 'execa'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {openEndpoints, pinnedMaps} from '../../../src/datapath/maps/open.ts'
import {
  type CiliumEndpoint,
  type CiliumIdentity,
  type KubeObject,
  type Pod,
  resources,
} from '../../../src/k8s/resources.ts'
import {AgentNode, type AgentNodeOptions} from '../../support/agent/agent-node.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'
import {ApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'

let api: ApiServer
let node: AgentNode
const processes: PodProcess[] = []

async function makeNode(options: Partial<AgentNodeOptions> = {}): Promise<AgentNode> {
  node = await AgentNode.create({api, ...options})
  return node
}

beforeEach(async () => {
  api = await new ApiServer().start()
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  await node?.destroy()
  await api?.stop()
})

function processIn(netns: string): PodProcess {
  const made = new PodProcess(netns)
  processes.push(made)
  return made
}

/** The local API of the agent. */
// biome-ignore lint/suspicious/noExplicitAny: models of many shapes
async function ask(path: string): Promise<any> {
  const {stdout} = await execa('curl', [
    '-sf',
    '--unix-socket',
    join(node.folder, 'run/cilium.sock'),
    `http://l/v1${path}`,
  ])
  return JSON.parse(stdout)
}

function endpointRows(): {slot: number; generation: number; ifindex: number}[] {
  using map = openEndpoints(pinnedMaps(join(node.folder, 'bpf/cilium')))
  return [...map.entries()]
    .map(([slot, {generation, ifindex}]) => ({slot, generation, ifindex}))
    .filter(({ifindex}) => ifindex !== 0)
}

/** Endpoints as the disk has them. */
function records(): string[] {
  const names = readdirSync(join(node.folder, 'lib/endpoints')).filter((name) => name.endsWith('.json'))
  return names.map((name) => node.read(join('lib/endpoints', name)))
}

/** What a process holds of the kernel: kind of descriptor to number; sockets come and go with requests. */
function descriptors(pid: number): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const kind = linkOf(`/proc/${pid}/fd/${fd}`)?.replace(/\d+/g, '')
    if (kind !== undefined && !kind.startsWith('socket')) counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined // closed since
  }
}

const podDevices = () => node.links().filter(({name}) => /^lxc[0-9a-f]{12}$/.test(name))

describe('pods of one node', () => {
  test('talk over both families, TCP and UDP, and with their node', async () => {
    await makeNode()
    await node.start()
    const a = await node.addPod('a')
    const b = await node.addPod('b')
    const [client, server, host] = [processIn(a.netns), processIn(b.netns), processIn(node.netns)]
    await server.serve()
    await host.serve(9090)

    expect(await client.tcp(b.ipv4, 'hello')).toBe('hello')
    expect(await client.tcp(b.ipv6, 'hello six')).toBe('hello six')
    expect(await client.udp(b.ipv4, 'who')).toBe(`::ffff:${a.ipv4}`)
    expect(await client.udp(b.ipv6, 'who')).toBe(a.ipv6)
    for (const [ip, router] of [
      [b.ipv4, node.addresses[0]],
      [b.ipv6, node.addresses[1]],
    ] as const) {
      expect(await host.tcp(ip, 'from the node')).toBe('from the node')
      expect(await client.tcp(router, 'to the node', 9090)).toBe('to the node')
    }
  })

  test('reach the outside with the address of their node', async () => {
    await makeNode()
    await node.start()
    const a = await node.addPod('a')
    const seen: string[] = []
    const outside: Server = createServer((request, response) => {
      seen.push(request.socket.remoteAddress ?? '')
      response.end('ok')
    })
    await new Promise<void>((resolve) => outside.listen(9191, '::', resolve))
    try {
      for (const url of [`http://${node.gateways[0]}:9191/`, `http://[${node.gateways[1]}]:9191/`]) {
        const {stdout} = await execa('nsenter', [`--net=${a.netns}`, 'curl', '-sf', '-m', '5', url])
        expect(stdout).toBe('ok')
      }
      expect(seen).toEqual([`::ffff:${node.addresses[0]}`, node.addresses[1]])
    } finally {
      outside.close()
    }
  })

  test('are gone without a trace after DEL, and DEL again is fine', async () => {
    await makeNode()
    await node.start()
    await node.addPod('keep')
    const before = {pins: node.pins(), links: node.links().length, rows: endpointRows()}

    for (let i = 0; i < 5; i++) await node.addPod(`gone${i}`)
    expect(podDevices()).toHaveLength(6)
    for (let i = 0; i < 5; i++) {
      expect((await node.deletePod(`gone${i}`)).exitCode).toBe(0)
      expect((await node.cni('DEL', `gone${i}`)).exitCode).toBe(0)
    }

    expect(node.links().length).toBe(before.links)
    expect(node.pins()).toEqual(before.pins)
    expect(endpointRows()).toEqual(before.rows)
    expect(readdirSync(join(node.folder, 'lib/endpoints'))).toHaveLength(1)
    await eventually(() => api.all(resources.ciliumEndpoints).length === 1)
    const ips = (await ask('/ip')).filter((one: {metadata: {name?: string}}) => one.metadata.name !== undefined)
    expect(ips).toHaveLength(2)
  })

  test('may come and go many at once: the agent holds no more than before', async () => {
    await makeNode()
    await node.start()
    const round = async (name: string) => {
      const names = Array.from({length: 12}, (_, i) => `${name}${i}`)
      await Promise.all(names.map((one) => node.addPod(one)))
      expect(podDevices()).toHaveLength(12)
      await Promise.all(names.map((one) => node.deletePod(one)))
    }
    await round('first')
    const held = () => ({descriptors: descriptors(node.agentPid), rows: endpointRows(), pins: node.pins()})
    const before = held()
    // records are synced a moment after the calls
    for (const path of Object.keys(before.descriptors)) {
      if (path.includes('lib/endpoints')) delete before.descriptors[path]
    }

    for (const name of ['b', 'c', 'd']) await round(name)

    await eventually(() => isDeepStrictEqual(held(), before)).catch(() => expect(held()).toEqual(before))
    expect(podDevices()).toEqual([])
  })
})

describe('a restart', () => {
  test('after SIGKILL at any moment cuts no connection, and new pods work', async () => {
    await makeNode()
    await node.start()
    const a = await node.addPod('a')
    const b = await node.addPod('b')
    const [client, server] = [processIn(a.netns), processIn(b.netns)]
    await server.serve()
    await client.startStream(b.ipv4)
    const before = {
      pins: node.pins(),
      rows: endpointRows(),
      links: node.links().map(({name, ifindex}) => [name, ifindex]),
    }

    // in the middle of a start, in the middle of a write, and at rest
    for (const waitMs of [0, 300, 700, 1200]) {
      await node.stop('SIGKILL')
      await node.start({wait: false})
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
    await node.stop('SIGKILL')
    await node.start()

    const later = (await client.streamReport()).received
    await eventually(async () => (await client.streamReport()).received > later + 50)
    const report = await client.streamReport()
    expect(report.broken).toBeUndefined()
    expect(report.out).toBe(0)
    expect(report.sent - report.received).toBeLessThan(100)
    expect(node.pins().filter((pin) => !pin.startsWith('links'))).toEqual(
      before.pins.filter((pin) => !pin.startsWith('links')),
    )
    const own = new Set(podDevices().map(({ifindex}) => ifindex))
    expect(endpointRows().filter(({ifindex}) => own.has(ifindex))).toEqual(
      before.rows.filter(({ifindex}) => own.has(ifindex)),
    )
    expect(
      podDevices()
        .map(({name}) => name)
        .sort(),
    ).toEqual(
      before.links
        .map(([name]) => name)
        .filter((name) => /^lxc[0-9a-f]{12}$/.test(String(name)))
        .sort(),
    )
    const c = await node.addPod('c')
    expect(await processIn(c.netns).tcp(b.ipv4, 'new')).toBe('new')
  })

  test('without the API server goes on from the disk', async () => {
    await makeNode()
    await node.start()
    const a = await node.addPod('a')
    const b = await node.addPod('b')
    const [client, server] = [processIn(a.netns), processIn(b.netns)]
    await server.serve()
    await node.stop('SIGKILL')
    await node.cutApi(true)

    await node.start()

    expect(await client.tcp(b.ipv6, 'still')).toBe('still')
    expect(
      (await ask('/endpoint')).filter((one: {status: {state: string}}) => one.status.state === 'ready'),
    ).toHaveLength(3)
    expect((await ask('/healthz')).kubernetes.state).toBe('Failure')
    expect((await node.deletePod('a')).exitCode).toBe(0)
    await node.cutApi(false)
    const c = await node.addPod('c')
    expect(await processIn(c.netns).tcp(b.ipv4, 'new')).toBe('new')
  })

  test('after which the namespaces are gone (a reboot) gives pods their addresses again, also without the API server', async () => {
    await makeNode()
    await node.start()
    const before = await node.addPod('a')
    const other = await node.addPod('b')
    await node.addPod('c')
    api.put(resources.networkPolicies, {
      metadata: {name: 'closed', namespace: 'default'},
      spec: {podSelector: {matchLabels: {app: 'c'}}, policyTypes: ['Ingress'], ingress: []},
    } as KubeObject)
    await eventually(() => records().some((text) => text.includes('"isolated":{"ingress":true,"egress":false}')))
    await node.stop('SIGKILL')
    await node.cutApi(true)
    for (const name of ['a', 'b', 'c']) node.dropNetns(name)
    await node.start()
    expect(podDevices()).toHaveLength(0)

    const b = await node.addSandbox('b')
    const a = await node.addSandbox('a')

    expect([a.ipv4, a.ipv6, b.ipv4, b.ipv6]).toEqual([before.ipv4, before.ipv6, other.ipv4, other.ipv6])
    await processIn(b.netns).serve()
    const client = processIn(a.netns)
    expect(await client.tcp(b.ipv4, 'again')).toBe('again')
    // its rules are not known, but that it has some
    const c = await node.addSandbox('c')
    await processIn(c.netns).serve()
    await expect(client.tcp(c.ipv4, 'denied')).rejects.toThrow()
  })
})

describe('when something is missing', () => {
  test('a used up pool makes the pod wait with an event, and it starts when an address is free', async () => {
    await makeNode({podPrefixLengths: [29, 125]})
    await node.start()
    for (let i = 0; i < 4; i++) await node.addPod(`p${i}`)
    node.createPod('late')

    const refused = await node.cni('ADD', 'late')

    expect([refused.exitCode, refused.document.code]).toEqual([1, 11])
    expect(refused.document.msg).toContain(`no IPv4 address is free in ${node.podCidrs[0]}`)
    await eventually(() =>
      api.all<KubeObject & {reason?: string}>(resources.events).some(({reason}) => reason === 'IpamExhausted'),
    )
    expect(podDevices()).toHaveLength(4)
    await node.deletePod('p2')
    expect((await node.cni('ADD', 'late')).exitCode).toBe(0)
  })

  test('while the agent is away pods cannot start, but can end: that is made good at its next start', async () => {
    await makeNode()
    await node.start()
    await node.addPod('a')
    await node.stop()
    node.createPod('b')

    expect((await node.cni('ADD', 'b')).document.code).toBe(11)
    expect((await node.cni('STATUS', 'b', {input: {cniVersion: '1.1.0'}})).document.code).toBe(50)
    expect((await node.cni('DEL', 'a')).exitCode).toBe(0)
    expect(podDevices()).toHaveLength(1)
    await node.start()

    expect(podDevices()).toHaveLength(0)
    expect(readdirSync(join(node.folder, 'run/deleteQueue'))).toEqual([])
    expect((await node.cni('ADD', 'b')).exitCode).toBe(0)
  })

  test('a pod that Kubernetes does not know is refused and leaves nothing', async () => {
    await makeNode()
    await node.start()
    node.createPod('a')
    api.remove(resources.pods, 'default/a')

    const {exitCode, document} = await node.cni('ADD', 'a')

    expect([exitCode, document.code]).toEqual([1, 11])
    expect(document.msg).toContain('POD_UNKNOWN')
    expect(podDevices()).toHaveLength(0)
    expect(endpointRows()).toHaveLength(1)
  })

  test('malformed calls get the error of the specification and change nothing', async () => {
    await makeNode()
    await node.start()
    node.createPod('a')

    const codes = [
      (await node.cni('ADD', 'a', {variables: {CNI_CONTAINERID: '../x'}})).document.code,
      (await node.cni('ADD', 'a', {variables: {CNI_NETNS: '/run/netns/none'}})).document.code,
      (await node.cni('ADD', 'a', {variables: {CNI_IFNAME: 'a b'}})).document.code,
      (await node.cni('ADD', 'a', {variables: {CNI_ARGS: 'x'}})).document.code,
      (await node.cni('FLY', 'a')).document.code,
      (await node.cni('GC', 'a', {input: {cniVersion: '1.1.0'}})).document.code,
    ]

    expect(codes).toEqual([4, 3, 4, 4, 4, 7])
    expect(podDevices()).toHaveLength(0)
  })
})

describe('the other verbs', () => {
  test('CHECK is fine until something of the attachment is gone', async () => {
    await makeNode()
    await node.start()
    const {netns, ipv4} = await node.addPod('a')
    const check = () => node.cni('CHECK', 'a', {input: {prevResult: {ips: [{address: `${ipv4}/32`}]}}})

    expect((await check()).exitCode).toBe(0)
    await execa('nsenter', [`--net=${netns}`, 'ip', 'addr', 'del', `${ipv4}/32`, 'dev', 'eth0'])
    const {exitCode, document} = await check()

    expect([exitCode, document.code]).toEqual([1, 3])
    expect(document.msg).toContain(`lost the address ${ipv4}`)
  })

  test('GC removes what is not listed, and only that', async () => {
    await makeNode()
    await node.start()
    await node.addPod('a')
    await node.addPod('b')
    const valid = [{containerID: node.containerOf('b'), ifname: 'eth0'}]

    const {exitCode} = await node.cni('GC', 'a', {input: {cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid}})

    expect(exitCode).toBe(0)
    expect(podDevices()).toHaveLength(1)
    expect((await node.cni('CHECK', 'b')).exitCode).toBe(0)
    expect((await node.cni('STATUS', 'b', {input: {cniVersion: '1.1.0'}})).exitCode).toBe(0)
  })

  test('a repeated ADD takes the place of the first', async () => {
    await makeNode()
    await node.start()
    await node.addPod('a')

    expect((await node.cni('ADD', 'a')).exitCode).toBe(0)
    expect(podDevices()).toHaveLength(1)
    expect(endpointRows()).toHaveLength(2)
  })

  test('a namespace that vanishes without DEL is noticed at the next start', async () => {
    await makeNode()
    await node.start()
    await node.addPod('a')
    await node.stop()
    node.dropNetns('a')

    await node.start()

    expect(podDevices()).toHaveLength(0)
    expect(endpointRows()).toHaveLength(1)
  })
})

describe('identities', () => {
  const identityOf = (name: string) =>
    api.get<CiliumEndpoint>(resources.ciliumEndpoints, `default/${name}`)?.status?.identity?.id

  test('are shared by pods with the same labels and follow their labels', async () => {
    await makeNode({config: {'identity-change-grace-period': '100ms'}})
    await node.start()
    await node.addPod('a', {app: 'web', 'pod-template-hash': 'x'})
    await node.addPod('b', {app: 'web', 'pod-template-hash': 'y'})
    await eventually(() => identityOf('a') !== undefined && identityOf('b') !== undefined)
    const first = identityOf('a')
    expect(identityOf('b')).toBe(first)

    const pod = api.get<Pod>(resources.pods, 'default/b')!
    api.put<Pod>(resources.pods, {...pod, metadata: {...pod.metadata, labels: {app: 'db'}}})

    await eventually(() => identityOf('b') !== first)
    expect(identityOf('a')).toBe(first)
    const made = api.get<CiliumIdentity>(resources.ciliumIdentities, String(identityOf('b')))
    expect(made?.['security-labels']?.['k8s:app']).toBe('db')
    expect(made?.metadata.labels?.['app']).toBe('db')
  })

  test('come back under the same number when somebody deletes them', async () => {
    await makeNode()
    await node.start()
    await node.addPod('a')
    await eventually(() => identityOf('a') !== undefined)
    const id = String(identityOf('a'))

    api.remove(resources.ciliumIdentities, id)

    await eventually(() => api.get(resources.ciliumIdentities, id) !== undefined)
  })
})

test('an agent that is stopped leaves the datapath, and removes its CNI configuration when told to', async () => {
  await makeNode({config: {'cni-uninstall': 'true'}})
  await node.start()
  const a = await node.addPod('a')
  const b = await node.addPod('b')
  await processIn(b.netns).serve()

  expect(await node.stop()).toBe(0)

  expect(await processIn(a.netns).tcp(b.ipv4, 'without')).toBe('without')
  expect(existsSync(join(node.folder, 'cni/05-cilium.conflist'))).toBe(false)
})

test('its metrics tell of Kubernetes, addresses, maps and probes', async () => {
  await makeNode()
  const began = Date.now() / 1000
  await node.start()
  await node.addPod('a')
  type Metric = {name: string; value: number; labels: Record<string, string>}
  const read = async (name: string, labels: Record<string, string> = {}) => {
    const all = ((await ask('/metrics')) as Metric[]).filter((one) => one.name === name)
    const wanted = Object.entries(labels)
    return all.filter((one) => wanted.every(([key, value]) => one.labels[key] === value)).map(({value}) => value)
  }

  const pod = {scope: 'Pod', action: 'update'}
  expect(
    (await read('cilium_kubernetes_events_received_total', {...pod, valid: 'true', equal: 'false'}))[0],
  ).toBeGreaterThan(0)
  expect((await read('cilium_event_ts', {source: 'k8s', ...pod}))[0]).toBeGreaterThan(began - 1)
  expect(await read('cilium_kubernetes_resource_sync_duration', {scope: 'Pod'})).toHaveLength(1)
  expect((await read('cilium_nodes_all_events_received_total', {event_type: 'add'}))[0]).toBeGreaterThan(0)
  for (const family of ['ipv4', 'ipv6'])
    expect((await read('cilium_ipam_events_total', {action: 'allocate', family}))[0]).toBeGreaterThan(0)
  expect((await read('cilium_bpf_map_capacity', {map_group: 'cilium_events'}))[0]).toBe(64)
  const written = {map_name: 'cilium_lxc', operation: 'update'}
  expect((await read('cilium_bpf_map_ops_total', {...written, outcome: 'success'}))[0]).toBeGreaterThan(0)
  expect((await read('cilium_bpf_map_ops_total', {...written, outcome: 'fail'}))[0]).toBe(0)
  const [maps] = await read('cilium_bpf_maps_virtual_memory_max_bytes')
  // the rings of events alone are megabytes
  expect(maps).toBeGreaterThan(4 << 20)
  expect((await read('cilium_bpf_progs_virtual_memory_max_bytes'))[0]).toBeGreaterThan(100_000)
  expect((await read('cilium_controllers_runs_total', {status: 'success'}))[0]).toBeGreaterThan(0)
  expect(await read('cilium_controllers_failing')).toEqual([0])
  await eventually(
    async () => (await read('cilium_node_health_connectivity_status', {type: 'node', status: 'reachable'}))[0] === 1,
  )
})

test('what changes in the mounted ConfigMap is taken over where that needs no restart, and named where it does', async () => {
  await makeNode()
  await node.start()

  node.configure('policy-audit-mode', 'true')
  node.configure('routing-mode', 'tunnel')

  await eventually(async () => (await ask('/config')).status.daemonConfigurationMap['policy-audit-mode'] === 'true')
  await eventually(() => /count from the next start.*routing-mode/.test(node.agentLog))
  expect((await ask('/config')).status.daemonConfigurationMap['routing-mode']).toBe('native')
})

test('a cleaned node has nothing of ours any more, and cleaning it again is fine', async () => {
  await makeNode({config: {'routing-mode': 'tunnel'}})
  await writeFile(join(node.folder, 'cni/10-other.conflist'), '{}')
  await node.start()
  await node.addPod('a')
  expect(readdirSync(join(node.folder, 'cni')).sort()).toEqual(['05-cilium.conflist', '10-other.conflist.cilium_bak'])
  expect((await node.cleanUp()).exitCode).toBe(1) // an agent runs
  await node.stop()
  node.configure('tunnel-protocol', 'carrier-pigeon') // what agents refuse is no reason to leave things lying

  const first = await node.cleanUp()
  const again = await node.cleanUp()

  expect(first.exitCode).toBe(0)
  expect(again.stdout).toBe('this node is clean')
  expect(
    node
      .links()
      .map(({name}) => name)
      .sort(),
  ).toEqual(['eth0', 'lo'])
  expect(node.pins()).toEqual([])
  expect(readdirSync(join(node.folder, 'cni'))).toEqual(['10-other.conflist'])
  expect([readdirSync(join(node.folder, 'lib')), readdirSync(join(node.folder, 'run'))]).toEqual([[], []])
  const {stdout} = await execa('nsenter', [
    `--net=${node.netns}`,
    'sh',
    '-c',
    'ip route show proto 193; ip -6 route show proto 193; ip rule; ip -6 rule',
  ])
  expect(stdout.split('\n').filter((line) => !/lookup (local|main|default)/.test(line))).toEqual([])
})
