/** The programs on real devices, with the kernel's own sockets at both ends. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {fragments, udp} from '../bpf/support/packet.ts'
import {Cluster, nodes, outside, pods} from './dp-cluster.ts'

describe.each([
  {mode: 'native routing', tunnel: false},
  {mode: 'the overlay', tunnel: true},
])('with $mode', ({mode, tunnel}) => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await Cluster.make({name: tunnel ? 'tun' : 'nat', tunnel})
    for (const family of [4, 6] as const) {
      for (const pod of ['b', 'c', 'a'] as const) {
        await cluster.serve(pod, 'tcp', pods[pod].ip[family], '8080')
        await cluster.serve(pod, 'udp', pods[pod].ip[family], '5353')
      }
      await cluster.serve('outside', 'tcp', outside[family], '8080')
      await cluster.serve('outside', 'udp', outside[family], '5353')
      await cluster.serve('n1', 'tcp', nodes.n1.ip[family], '8080')
      await cluster.serve('n2', 'tcp', nodes.n2.ip[family], '8080')
    }
  }, 120_000)
  afterAll(() => cluster?.close())

  const counted = (text: string) => Number(text.split(' ')[0])

  describe.each([4, 6] as const)('IPv%i', (family) => {
    const targets = [
      ['pod on the same node', 'a', pods.b.ip[family]],
      ['pod on another node', 'a', pods.c.ip[family]],
      ['outside', 'a', outside[family]],
      ['its node', 'a', nodes.n1.ip[family]],
      ['another node', 'a', nodes.n2.ip[family]],
      ['its pod, from the node', 'n1', pods.a.ip[family]],
      ["another node's pod, from a node", 'n1', pods.c.ip[family]],
      ['outside, from the node', 'n1', outside[family]],
    ] as const

    test.each(targets)('TCP to %s: large messages there and back', (_, from, to) => {
      const text = cluster.traffic(from, 'rr', 'tcp', to, '8080', '60000', '0.5')

      expect(text).not.toMatch(/^!/)
      expect(counted(text)).toBeGreaterThan(20)
    })

    test.each(targets.slice(0, 3))('datagrams to %s, small and larger than any device takes', (_, from, to) => {
      expect(cluster.traffic(from, 'count', 'udp', to, '5353', '100', '200')).toBe('200')
      expect(cluster.traffic(from, 'count', 'udp', to, '5353', '5000', '50')).toBe('50')
    })

    test('many short connections to outside, from two pods at once', () => {
      for (const pod of ['a', 'b'] as const) {
        const text = cluster.traffic(pod, 'crr', outside[family], '8080', '0.5')
        expect(text).toMatch(/ 0$/)
        expect(counted(text)).toBeGreaterThan(100)
      }
    })

    test('iperf sends segments of 64 kB through every path', async () => {
      for (const [name, to] of [
        ['b', pods.b.ip[family]],
        ['c', pods.c.ip[family]],
        ['outside', outside[family]],
      ] as const) {
        cluster.run(name, 'iperf3', '-s', '-D', '-1', '-B', to)
        await new Promise((done) => setTimeout(done, 200))
        const report = cluster.run('a', 'iperf3', '-J', '-t', '1', '-c', to)
        const {end} = JSON.parse(report) as {end: {sum_received: {bits_per_second: number}}}
        expect(end.sum_received.bits_per_second, name).toBeGreaterThan(100e6)
      }
    })

    test('a closed port answers, from anywhere', () => {
      const refused = family === 4 ? 'Connection refused 3 3' : 'Connection refused 1 4'
      for (const to of [pods.b.ip[family], pods.c.ip[family], outside[family], nodes.n1.ip[family]])
        expect(cluster.traffic('a', 'error', to, '9', '10', '0')).toBe(`${refused} ${to} 0`)
      expect(cluster.traffic('n1', 'error', pods.a.ip[family], '9', '10', '0')).toMatch(refused)
    })

    test('a hop too few is told by the gateway', () => {
      const exceeded = family === 4 ? 'No route to host 11 0' : 'No route to host 3 0'
      for (const to of [pods.b.ip[family], pods.c.ip[family], outside[family]])
        expect(cluster.traffic('a', 'error', to, '5353', '10', '1')).toBe(`${exceeded} ${nodes.n1.router[family]} 0`)
    })

    test('pieces of a datagram arrive in any order', async () => {
      const {pod: from, node: to} = cluster.mac('a')
      const end = (ip: string, port: number) => (family === 4 ? `${ip}:${port}` : `[${ip}]:${port}`)
      const orders = [
        [0, 1, 2],
        [2, 1, 0],
        [1, 2, 0],
      ]
      for (const [name, ip] of [
        ['b', pods.b.ip[family]],
        ['c', pods.c.ip[family]],
        ['outside', outside[family]],
      ] as const) {
        const port = 6000
        const sink = cluster.receive(name, ip, port, orders.length)
        await sink.ready
        for (const [i, order] of orders.entries()) {
          const datagram = udp(end(pods.a.ip[family], 40000 + i), end(ip, port))
            .data(3000)
            .mac(from, to)
          const pieces = fragments(datagram, 1200, 100 + i)
          cluster.sendFrames(
            'a',
            'eth0',
            order.map((at) => pieces[at]!.bytes),
          )
        }
        const source = name === 'outside' ? nodes.n1.ip[family] : pods.a.ip[family]
        expect(await sink.lines, `to ${name}`).toEqual(orders.map(() => `3000 ${source}`))
      }
    })

    test('answers in pieces and out of order come back through masquerade', async () => {
      const end = (ip: string, port: number) => (family === 4 ? `${ip}:${port}` : `[${ip}]:${port}`)
      const sink = cluster.receive('a', pods.a.ip[family], 40123, 2)
      await sink.ready
      const {pod: from, node: to} = cluster.mac('a')
      const request = udp(end(pods.a.ip[family], 40123), end(outside[family], 7777)).data('q').mac(from, to)
      cluster.sendFrames('a', 'eth0', [request.bytes])
      const [theirs, ours] = [cluster.deviceMac('outside'), cluster.deviceMac('n1')]
      for (const [i, order] of [
        [1, 0, 2],
        [2, 1, 0],
      ].entries()) {
        const reply = udp(end(outside[family], 7777), end(nodes.n1.ip[family], 40123)).data(3000).mac(theirs, ours)
        const pieces = fragments(reply, 1200, 500 + i)
        cluster.sendFrames(
          'outside',
          'eth0',
          order.map((at) => pieces[at]!.bytes),
        )
      }

      expect(await sink.lines).toEqual([`3000 ${outside[family]}`, `3000 ${outside[family]}`])
    })

    test('a packet larger than the way is answered with what fits, and TCP goes on in smaller segments', () => {
      const ip = (where: string, ...args: string[]) =>
        expect(cluster.run(where, 'ip', `-${family}`, 'route', ...args), args.join(' ')).toBe('')
      const tooBig = family === 4 ? 'Message too long 3 4' : 'Message too long 2 0'
      const via = family === 4 ? '192.168.50.254' : 'fd50::fe'
      // a router goes by a route's MTU when that is locked (Documentation/networking/ip-sysctl: ip_forward_use_pmtu)
      ip('n1', 'replace', outside[family], 'via', via, 'dev', 'eth0', 'mtu', 'lock', '1300')
      // a pod that does not know of the overlay
      ip('a', 'replace', 'default', 'via', nodes.n1.router[family], 'dev', 'eth0')

      const gateway = nodes.n1.router[family]
      expect(cluster.traffic('a', 'error', outside[family], '5353', '1400', '0')).toBe(`${tooBig} ${gateway} 1300`)
      if (tunnel)
        expect(cluster.traffic('a', 'error', pods.c.ip[family], '5353', '1440', '0')).toBe(`${tooBig} ${gateway} 1450`)
      for (const to of [outside[family], pods.c.ip[family]]) {
        cluster.run('a', 'ip', `-${family}`, 'route', 'flush', 'cache')
        const text = cluster.traffic('a', 'rr', 'tcp', to, '8080', '60000', '0.5')
        expect(text).toMatch(/ 0$/)
        expect(counted(text)).toBeGreaterThan(20)
      }
    })
  })

  test(`nothing was lost on the way (${mode})`, () => {
    const expected = ['REASON_FORWARDED', 'DROP_TTL_EXCEEDED', 'DROP_FRAGMENTATION_NEEDED']
    const dropped = cluster.counters('n1').filter(({reason}) => !expected.includes(reason))
    // the stack tells the overlay of its multicast groups when the device comes up (MLD, RFC 3810), in its own time
    const reports = (one: {reason: string; packets: number}) =>
      tunnel && one.reason === 'DROP_UNKNOWN_L3_TARGET_ADDRESS' && one.packets <= 8
    expect(dropped.filter((one) => !reports(one))).toEqual([])
  })
})
