/** Services served by the real agent process: real programs and maps; Kubernetes in memory. */
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {type EndpointSlice, resources, type Service} from '../../../src/k8s/resources.ts'
import {AgentNode, type AgentNodeOptions} from '../../support/agent/agent-node.ts'
import {PodProcess} from '../../support/agent/pod-process.ts'
import {ApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'

let api: ApiServer
let node: AgentNode
const processes: PodProcess[] = []
const vips = ['10.96.0.10', 'fd00:96::10'] as const

beforeEach(async () => {
  api = await new ApiServer().start()
})
afterEach(async () => {
  for (const one of processes.splice(0)) await one.end()
  await node?.destroy()
  await api?.stop()
})

async function start(options: Partial<AgentNodeOptions> = {}): Promise<void> {
  node = await AgentNode.create({api, ...options})
  await node.start()
}

function processIn(netns: string): PodProcess {
  const made = new PodProcess(netns)
  processes.push(made)
  return made
}

/** A service of both families and both protocols, port 80 to 8080, with these endpoints. */
function putService(name: string, ips: readonly string[], more: Service['spec'] = {}, on?: string): void {
  api.put<Service>(resources.services, {
    metadata: {name, namespace: 'default'},
    spec: {
      clusterIP: vips[0],
      clusterIPs: [...vips],
      ports: [
        {name: 'tcp', port: 80},
        {name: 'udp', port: 80, protocol: 'UDP'},
      ],
      ...more,
    },
  })
  for (const [addressType, of] of [
    ['IPv4', ips.filter((ip) => !ip.includes(':'))],
    ['IPv6', ips.filter((ip) => ip.includes(':'))],
  ] as const)
    api.put<EndpointSlice>(resources.endpointSlices, {
      metadata: {name: `${name}-${addressType}`, namespace: 'default', labels: {'kubernetes.io/service-name': name}},
      addressType,
      ports: [
        {name: 'tcp', port: 8080, protocol: 'TCP'},
        {name: 'udp', port: 8080, protocol: 'UDP'},
      ],
      endpoints: of.map((ip) => ({addresses: [ip], conditions: {ready: true}, ...(on ? {nodeName: on} : {})})),
    })
}

describe('with socket translation', () => {
  function inCgroup(netns: string): PodProcess {
    const made = new PodProcess(netns, node.cgroup)
    processes.push(made)
    return made
  }

  test('processes of pods and of the node reach a service, and see it as their peer', async () => {
    await start()
    const a = await node.addPod('a')
    const b = await node.addPod('b')
    const [client, server, host] = [inCgroup(a.netns), inCgroup(b.netns), inCgroup(node.netns)]
    await server.serve()
    putService('web', [b.ipv4, b.ipv6])

    for (const [vip, own, routerIp] of [
      [vips[0], a.ipv4, 0],
      [vips[1], a.ipv6, 1],
    ] as const) {
      await eventually(async () => (await host.tcp(vip, 'hello', 80)) === 'hello')
      expect(await host.udp(vip, 'hello', 80)).toBe('hello')
      expect(await client.tcp(vip, 'hello', 80)).toBe('hello')
      expect((await client.udp(vip, 'who', 80)).replace('::ffff:', '')).toBe(own)
      // a pod that reaches itself sees itself
      expect((await server.tcp(vip, 'who', 80)).replace('::ffff:', '')).toBe([b.ipv4, b.ipv6][routerIp])
      expect(await client.peerOf(vip, 80)).toEqual({tcp: vip, udp: `${vip} 80`})
    }

    putService('web', [])
    for (const vip of vips)
      await eventually(async () => {
        const error = await host.tcp(vip, 'x', 80).catch((thrown: Error) => thrown.message)
        return error.includes('ECONNREFUSED')
      })
  })

  test('sockets connected to a backend that is gone are closed, in whatever namespace; no others are', async () => {
    await start()
    const [a, b, c] = [await node.addPod('a'), await node.addPod('b'), await node.addPod('c')]
    const [client, server, other, host] = [a, b, c, node].map(({netns}) => inCgroup(netns)) as [
      PodProcess,
      PodProcess,
      PodProcess,
      PodProcess,
    ]
    await server.serve()
    await other.serve()
    putService('web', [b.ipv4, b.ipv6])
    for (const vip of vips) await eventually(async () => (await client.tcp(vip, 'hello', 80)) === 'hello')
    for (const who of [client, host])
      for (const [vip, direct] of [
        [vips[0], b.ipv4],
        [vips[1], b.ipv6],
      ] as const)
        for (const protocol of ['tcp', 'udp'] as const) {
          await who.hold(protocol, vip, 80)
          await who.hold(protocol, direct, 8080)
        }

    putService('web', [c.ipv4, c.ipv6])

    for (const who of [client, host])
      await eventually(async () => {
        const held = await who.held()
        return vips.every((vip) => held[`tcp ${vip} 80`] !== '' && held[`udp ${vip} 80`] !== '')
      })
    for (const who of [client, host]) {
      const held = await who.held()
      for (const direct of [b.ipv4, b.ipv6])
        expect([held[`tcp ${direct} 8080`], held[`udp ${direct} 8080`]]).toEqual(['', ''])
    }
    for (const vip of vips) expect(await client.tcp(vip, 'again', 80)).toBe('again')
  })

  test('one datagram socket that asks nine services hears each by its own name, and backends by theirs', async () => {
    await start()
    const [a, b] = [await node.addPod('a'), await node.addPod('b')]
    const [client, server, host] = [inCgroup(a.netns), inCgroup(b.netns), inCgroup(node.netns)]
    for (let i = 0; i < 9; i++) {
      const name = `s${i}`
      const ips = [`10.96.1.${i}`, `fd00:96::1:${i}`]
      await server.serve(9000 + i)
      api.put<Service>(resources.services, {
        metadata: {name, namespace: 'default'},
        spec: {clusterIP: ips[0]!, clusterIPs: ips, ports: [{port: 53, protocol: 'UDP'}]},
      })
      for (const [addressType, ip] of [
        ['IPv4', b.ipv4],
        ['IPv6', b.ipv6],
      ] as const)
        api.put<EndpointSlice>(resources.endpointSlices, {
          metadata: {
            name: `${name}-${addressType}`,
            namespace: 'default',
            labels: {'kubernetes.io/service-name': name},
          },
          addressType,
          ports: [{name: '', port: 9000 + i, protocol: 'UDP'}],
          endpoints: [{addresses: [ip], conditions: {ready: true}}],
        })
    }
    for (const [prefix, own] of [
      ['10.96.1.', b.ipv4],
      ['fd00:96::1:', b.ipv6],
    ] as const) {
      const all = Array.from({length: 9}, (_, i) => ({host: `${prefix}${i}`, port: 53}))
      for (const {host: name} of all) await eventually(async () => (await client.udp(name, 'hello', 53)) === 'hello')

      expect(await client.askAll(all)).toEqual(all.map(({host: name}) => `${name} 53`))
      // nobody translates the node's own packets: the ninth is refused, and never leaves for the network
      expect(await host.askAll(all)).toEqual([...all.slice(0, 8).map(({host: name}) => `${name} 53`), 'ENOMEM'])
      // straight to the backend of the first: it answers for itself
      const direct = {host: own, port: 9000}
      expect(await client.askAll([all[0]!, direct])).toContain(`${own} 9000`)
    }
  })

  test('of the node alone leaves those of pods to the packet path', async () => {
    await start({config: {'bpf-lb-sock-hostns-only': 'true'}})
    const [a, b] = [await node.addPod('a'), await node.addPod('b')]
    const [client, server, host] = [inCgroup(a.netns), inCgroup(b.netns), inCgroup(node.netns)]
    await server.serve()
    putService('web', [b.ipv4, b.ipv6])

    for (const [vip, loopback] of [
      [vips[0], '169.254.42.1'],
      [vips[1], '100::a9fe:2a01'],
    ] as const) {
      await eventually(async () => (await host.tcp(vip, 'hello', 80)) === 'hello')
      expect(await client.tcp(vip, 'hello', 80)).toBe('hello')
      expect(await client.udp(vip, 'hello', 80)).toBe('hello')
      // packet by packet a pod that reaches itself sees the loopback address; at the socket it would see its own
      expect((await server.tcp(vip, 'who', 80)).replace('::ffff:', '')).toBe(loopback)
    }
  })

  test('processes of the node cannot listen on NodePorts, those of pods can; the loopback leads there, too', async () => {
    await start()
    const [a, b] = [await node.addPod('a'), await node.addPod('b')]
    const [pod, server, host] = [inCgroup(a.netns), inCgroup(b.netns), inCgroup(node.netns)]
    await server.serve()
    putService('web', [b.ipv4, b.ipv6], {
      type: 'NodePort',
      ports: [
        {name: 'tcp', port: 80, nodePort: 30080},
        {name: 'udp', port: 80, protocol: 'UDP', nodePort: 30080},
      ],
    })
    for (const at of ['127.0.0.1', '::1'])
      await eventually(async () => (await host.tcp(at, 'hello', 30080).catch(() => '')) === 'hello')

    for (const at of ['0.0.0.0', '::', '127.0.0.1', ...node.addresses])
      for (const protocol of ['tcp', 'udp'] as const) {
        expect(await host.listen(protocol, at, 30080), `${protocol} ${at}`).toContain('EADDRINUSE')
        expect(await host.listen(protocol, at, 30081), `${protocol} ${at}`).toBe('')
      }
    expect(await pod.listen('tcp', '0.0.0.0', 30080)).toBe('')
    expect(await pod.listen('udp', '::', 30080)).toBe('')
  })
})

describe('a ClusterIP', () => {
  test('is served to pods, packet by packet, also to the backend itself, and refuses when nobody is there', async () => {
    await start()
    const a = await node.addPod('a')
    const b = await node.addPod('b')
    const [client, server] = [processIn(a.netns), processIn(b.netns)]
    await server.serve()
    putService('web', [b.ipv4, b.ipv6])

    for (const [vip, own] of [
      [vips[0], a.ipv4],
      [vips[1], a.ipv6],
    ] as const) {
      await eventually(async () => (await client.tcp(vip, 'hello', 80)) === 'hello')
      expect((await client.tcp(vip, 'who', 80)).replace('::ffff:', '')).toBe(own)
      expect((await client.udp(vip, 'who', 80)).replace('::ffff:', '')).toBe(own)
      expect(await server.tcp(vip, 'myself', 80)).toBe('myself')
      expect((await server.tcp(vip, 'who', 80)).replace('::ffff:', '')).toBe(
        vip.includes(':') ? '100::a9fe:2a01' : '169.254.42.1',
      )
      expect(await server.udp(vip, 'myself', 80)).toBe('myself')
    }

    putService('web', [])
    for (const vip of vips)
      await eventually(async () => {
        const error = await client.tcp(vip, 'x', 80).catch((thrown: Error) => thrown.message)
        return error.includes('ECONNREFUSED')
      })
  })

  test('stays served while the agent is killed and starts again, and follows what changed meanwhile', async () => {
    await start()
    const a = await node.addPod('a')
    const b = await node.addPod('b')
    const c = await node.addPod('c')
    const [client, first, second] = [processIn(a.netns), processIn(b.netns), processIn(c.netns)]
    await first.serve()
    await second.serve()
    putService('web', [b.ipv4, b.ipv6])
    await eventually(async () => (await client.tcp(vips[0], 'hello', 80)) === 'hello')
    await client.startStream(vips[0], 80)

    await node.stop('SIGKILL')
    expect(await client.tcp(vips[1], 'nobody watches', 80)).toBe('nobody watches')
    putService('web', [c.ipv4, c.ipv6])
    await node.start()

    await first.end()
    await eventually(async () => {
      const answers = await Promise.all([1, 2, 3, 4].map(() => client.tcp(vips[0], 'c', 80).catch(() => 'lost')))
      return answers.every((one) => one === 'c')
    })
  })
})

describe('a healthCheckNodePort', () => {
  test('tells whether this node has backends', async () => {
    await start()
    const b = await node.addPod('b')
    const lb = {type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32111} as const
    const ask = async () => {
      const url = `http://${node.addresses[0]}:32111/`
      const response = await fetch(url, {signal: AbortSignal.timeout(2000)}).catch(() => undefined)
      return (
        response && [response.status, response.headers.get('x-load-balancing-endpoint-weight'), await response.json()]
      )
    }
    const body = (localEndpoints: number) => ({
      service: {namespace: 'default', name: 'web'},
      localEndpoints,
      serviceProxyHealthy: true,
    })
    putService('web', [b.ipv4], {...lb, ports: [{name: 'tcp', port: 80, nodePort: 30080}]}, node.name)

    await eventually(async () => (await ask())?.[0] === 200)
    expect(await ask()).toEqual([200, '1', body(1)])
    putService('web', [b.ipv4], {...lb, ports: [{name: 'tcp', port: 80, nodePort: 30080}]}, 'another')
    await eventually(async () => (await ask())?.[0] === 503)
    expect(await ask()).toEqual([503, '0', body(0)])
  })
})

describe('a NodePort', () => {
  test('is served to clients outside, whose address the pod sees, and to the node itself', async () => {
    await start()
    const b = await node.addPod('b')
    const a = await node.addPod('a')
    const [server, outside, pod] = [processIn(b.netns), processIn('/proc/self/ns/net'), processIn(a.netns)]
    const host = new PodProcess(node.netns, node.cgroup)
    processes.push(host)
    await server.serve()
    putService('web', [b.ipv4, b.ipv6], {
      type: 'NodePort',
      ports: [
        {name: 'tcp', port: 80, nodePort: 30080},
        {name: 'udp', port: 80, protocol: 'UDP', nodePort: 30080},
      ],
    })

    for (const family of [0, 1] as const) {
      const at = node.addresses[family]
      await eventually(async () => (await outside.tcp(at, 'hello', 30080)) === 'hello')
      expect((await outside.tcp(at, 'who', 30080)).replace('::ffff:', '')).toBe(node.gateways[family])
      expect((await outside.udp(at, 'who', 30080)).replace('::ffff:', '')).toBe(node.gateways[family])
      expect(await pod.tcp(at, 'from a pod', 30080)).toBe('from a pod')
      expect(await host.tcp(at, 'from the node', 30080)).toBe('from the node')
    }

    putService('web', [], {type: 'NodePort', ports: [{name: 'tcp', port: 80, nodePort: 30080}]})
    for (const at of node.addresses)
      await eventually(async () => {
        const error = await outside.tcp(at, 'x', 30080).catch((thrown: Error) => thrown.message)
        return error.includes('ECONNREFUSED')
      })
  })
})
