/** The XDP program: what a known flow leads to another node leaves from there; everything else goes on to tc. */
import {describe, expect, test} from 'vitest'
import {deviceFlags, dsrDispatch, frontendFlags, frontendKind, monitorLevel} from '../../src/datapath/gen/enums.ts'
import {addr, BpfNode, devices, macs, plans} from './node.ts'
import {NodeServices, serviceConfig, serviceNode} from './services.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {fragments, type Packet, tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'
import {unwrap} from './support/wrapped.ts'

const kind = frontendKind.FRONTEND_LOAD_BALANCER
const common = {nodeport: 1, tunnel: 0}

describe.each([
  {name: 'xdp', mode: 'translation', dsr: dsrDispatch.DSR_OFF},
  {name: 'xdpopt', mode: 'direct return by option', dsr: dsrDispatch.DSR_OPTION},
  {name: 'xdpip', mode: 'direct return by packets inside packets', dsr: dsrDispatch.DSR_IPIP},
  {name: 'xdpgnv', mode: 'direct return by Geneve', dsr: dsrDispatch.DSR_GENEVE},
])('with $mode', ({name, dsr}) => {
  const flags = dsr === dsrDispatch.DSR_OFF ? 0 : frontendFlags.FRONTEND_DSR
  let node: BpfNode
  let services: NodeServices
  serviceNode(name, {...common, dsr}, (...made) => {
    ;[node, services] = made
  })

  describe.each(plans)('IPv$family', (plan) => {
    const {family, b, remote, outside, end} = plan
    const vip = family === 4 ? '198.51.100.77' : '2001:db8:7::77'
    const client = end(outside, 40001)
    const forward = (): Packet => tcp(client, end(vip, 80))
    /** A connection that the tc programs have seen come about. @returns what they sent to the backend */
    const connect = (): Uint8Array => {
      services.add(end(vip, 80), [end(remote, 8080)], {kind, flags})
      const {packet} = node.fromNet(forward().syn())
      if (flags === 0) node.fromNet(answer(packet).synAck())
      return node.fromNet(forward().ack()).packet
    }

    test('the packets of a connection leave as tc sends them', () => {
      connect()
      const data = forward().push('hello').ttl(9).tos(8)

      const frame = node.fromWire(data)
      const packet = node.fromNet(data)

      expect(frame.action).toBe('transmit')
      expect(parsePacket(frame.packet)).toMatchObject({macDestination: macs.node2, macSource: macs.eth0})
      // all but the link's addresses, which the kernel puts before what tc sends
      expect(Buffer.from(frame.packet.subarray(14)).toString('hex')).toBe(
        Buffer.from(packet.packet.subarray(14)).toString('hex'),
      )
      if (dsr === dsrDispatch.DSR_IPIP || dsr === dsrDispatch.DSR_GENEVE) {
        expect(unwrap(frame.packet).inner).toMatchPacket({src: client, dst: end(vip, 80), ttl: 8, payload: 'hello'})
      } else expect(frame.packet).toMatchPacket({dst: end(remote, 8080), ttl: 8, tos: 8, payload: 'hello'})
    })

    if (dsr === dsrDispatch.DSR_OFF) {
      test('so do its answers', () => {
        const back = answer(connect())
        const data = back.push('response')

        const frame = node.fromWire(data)

        expect(frame.action).toBe('transmit')
        expect(frame.packet).toMatchPacket({
          src: end(vip, 80),
          dst: client,
          payload: 'response',
          macDestination: macs.gateway,
        })
        expect(frame.packet.subarray(14)).toEqual(node.fromNet(data).packet.subarray(14))
      })

      test('datagrams leave with sound sums, or without', () => {
        services.add(end(vip, 80), [end(remote, 5353)], {kind, protocol: 'udp'})
        const query = udp(client, end(vip, 80))
        const sent = node.fromNet(query.data('x'))
        expect(node.fromWire(query.data('x')).action).toBe('pass')
        node.fromNet(answer(sent.packet).data('y'))

        expect(node.fromWire(query.data('again')).packet).toMatchPacket({dst: end(remote, 5353), payload: 'again'})
        if (family === 4) {
          const frame = node.fromWire(query.data('again').withoutChecksum())
          expect(frame.packet).toMatchPacket({dst: end(remote, 5353), payload: 'again'})
        }
        // every sum there can be, that of 0 too
        for (let i = 0; i < 300; i++) {
          const payload = Uint8Array.of(i * 219, i * 7, i >> 2, i)
          expect(node.fromWire(query.data(payload)).packet).toMatchPacket({dst: end(remote, 5353)})
        }
      })
    }

    test('what has a step to take, or something special about it, goes on', () => {
      connect()
      const large = forward().push(1500 - (family === 4 ? 40 : 60) + 1)
      const special =
        family === 4
          ? [forward().push().options(1, 1, 1, 0), ...fragments(forward().push(1200), 600)]
          : [forward().push().extension(60)]

      for (const packet of [
        forward().syn(),
        forward().fin(),
        forward().rst(),
        forward().ack().ttl(1),
        tcp(end(outside, 40002), end(vip, 80)).ack(),
        udp(client, end(vip, 80)).data('x'),
        large,
        ...special,
      ]) {
        const frame = node.fromWire(packet)
        expect(frame.action, parsePacket(packet.bytes).protocol).toBe('pass')
        expect(frame.packet).toEqual(packet.bytes)
      }
    })

    test('a flow to this node goes on', () => {
      services.add(end(vip, 80), [end(b, 8080)], {kind})
      const syn = node.fromNet(forward().syn())
      node.fromPod('b', answer(syn.packet).synAck())
      node.fromNet(forward().ack())

      expect(node.fromWire(forward().push()).action).toBe('pass')
    })

    test('a moved epoch, and a flow that is due to be kept alive, are for tc', () => {
      connect()
      expect(node.fromWire(forward().push()).action).toBe('transmit')
      node.moveEpoch()
      expect(node.fromWire(forward().push()).action).toBe('pass')
      node.fromNet(forward().push())
      expect(node.fromWire(forward().push()).action).toBe('transmit')

      for (const {key, flow} of node.flows()) node.changeFlow(key, {expires: flow.expires - 1_500_000_000n})
      expect(node.fromWire(forward().push()).action).toBe('pass')
      node.fromNet(forward().push())
      expect(node.fromWire(forward().push()).action).toBe('transmit')
    })

    test('another device is sent to only where it takes frames', () => {
      connect()
      const away = {...node.deviceRows.get(devices.eth0)!}
      // the backend's node moves behind the other device
      for (const {key} of node.flows()) node.changeFlow(key, {toDst: addr(family === 4 ? '172.16.0.7' : 'fd02::7')})
      expect(node.fromWire(forward().push()).action).toBe('pass')

      node.deviceRows.put(devices.unmanaged, {...away, flags: deviceFlags.DEVICE_XDP})
      // no neighbour is known there: the stack asks for it
      expect(node.fromWire(forward().push()).action).toBe('pass')
    })

    test('each packet counts', () => {
      connect()
      const packets = () => node.flows().reduce((sum, {flow}) => sum + Number(flow.packets), 0)
      const before = packets()

      node.fromWire(forward().push())

      expect(packets()).toBe(before + 1)
    })
  })
})

test('whoever wants to be told of every packet has the shortcut off', async () => {
  const node = await BpfNode.make('xdpall', {
    config: {...serviceConfig, ...common, monitorLevel: monitorLevel.MONITOR_NONE},
  })
  const services = new NodeServices(node)
  services.add('198.51.100.77:80', ['10.0.2.10:8080'], {kind})
  const client = tcp('203.0.113.9:40001', '198.51.100.77:80')
  node.fromNet(answer(node.fromNet(client.syn()).packet).synAck())
  node.fromNet(client.ack())

  expect(node.fromWire(client.push()).action).toBe('pass')
  services.close()
  node.close()
})
