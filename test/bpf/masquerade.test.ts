/** To other nodes by the routing table, and outside with the node's address. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {addressFlags, deviceFlags, flowState} from '../../src/datapath/gen/enums.ts'
import {deviceZero} from '../../src/datapath/gen/types.ts'
import {addr, BpfNode, devices, plans} from './node.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmp, protocols, rawIp, tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

const done = 0x0300
const portOf = (packet: Uint8Array) => parsePacket(packet).transport!.sport

let node: BpfNode
beforeAll(async () => {
  // a range of sixteen ports can be used up
  node = await BpfNode.make('masq', {config: {natPortMin: 40000, natPortMax: 40015}})
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', (plan) => {
  const {family, a, b, remote, node: host, node2, gateway, outside, end} = plan

  test('a pod of another node is reached by its node, untranslated, and answers', () => {
    const request = node.fromPod('a', tcp(end(a, 40001), end(remote, 80)).syn())
    const reply = node.fromNet(answer(request.packet).synAck())

    expect(request).toMatchObject({action: 'neighbour', to: 'eth0', hop: node2, mark: done})
    expect(request).toMatchPacket({src: end(a, 40001), dst: end(remote, 80), ttl: 63})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(remote, 80), dst: end(a, 40001), ttl: 63})
  })

  test('a pod of another node reaches one here', () => {
    const request = node.fromNet(tcp(end(remote, 4000), end(b, 80)).syn())
    const reply = node.fromPod('b', answer(request.packet).synAck())

    expect(request).toMatchObject({action: 'peer', to: 'b'})
    expect(reply).toMatchObject({action: 'neighbour', to: 'eth0', hop: node2})
  })

  test('outside sees the node, and its answer finds the pod', () => {
    const request = node.fromPod('a', tcp(end(a, 40001), end(outside, 443)).syn())
    const reply = node.fromNet(answer(request.packet).synAck())
    const data = node.fromPod('a', tcp(end(a, 40001), end(outside, 443)).push('hello'))

    expect(request).toMatchObject({action: 'neighbour', to: 'eth0', hop: gateway, mark: done})
    expect(request).toMatchPacket({src: end(host, 40001), dst: end(outside, 443), ttl: 63})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(outside, 443), dst: end(a, 40001), flags: 'SA'})
    expect(data).toMatchPacket({src: end(host, 40001), payload: 'hello'})
  })

  test('datagrams and pings are translated there and back', () => {
    const query = node.fromPod('a', udp(end(a, 40001), end(outside, 53)).data('query'))
    const response = node.fromNet(answer(query.packet).data('response'))
    const ping = node.fromPod('a', icmp(a, outside).echo(99, 3).data('ping'))
    const pong = node.fromNet(answer(ping.packet))

    expect(query).toMatchPacket({src: end(host, 40001), payload: 'query'})
    expect(response).toMatchPacket({dst: end(a, 40001), payload: 'response'})
    expect(ping).toMatchPacket({src: host, icmp: {id: 99}})
    expect(pong).toMatchObject({action: 'peer', to: 'a'})
    expect(pong).toMatchPacket({src: outside, dst: a, icmp: {id: 99}, payload: 'ping'})
  })

  test('two pods that want the same port get two, and each its own answer', () => {
    const first = node.fromPod('a', tcp(end(a, 40001), end(outside, 443)).syn())
    const second = node.fromPod('b', tcp(end(b, 40001), end(outside, 443)).syn())
    const toFirst = node.fromNet(answer(first.packet).synAck())
    const toSecond = node.fromNet(answer(second.packet).synAck())

    expect(portOf(first.packet)).toBe(40001)
    expect(portOf(second.packet)).not.toBe(40001)
    expect(toFirst).toMatchPacket({dst: end(a, 40001)})
    expect(toSecond).toMatchPacket({dst: end(b, 40001)})
    expect(toSecond).toMatchObject({action: 'peer', to: 'b'})
  })

  test('two pings with the same identifier get two', () => {
    const first = node.fromPod('a', icmp(a, outside).echo(5))
    const second = node.fromPod('b', icmp(b, outside).echo(5))

    expect(first).toMatchPacket({src: host, icmp: {id: 5}})
    expect(parsePacket(second.packet).transport!.icmp!.rest.slice(0, 2)).not.toEqual(Uint8Array.of(0, 5))
    expect(node.fromNet(answer(second.packet))).toMatchPacket({dst: b, icmp: {id: 5}})
  })

  test('a port outside the range is not kept', () => {
    const request = node.fromPod('a', tcp(end(a, 22), end(outside, 443)).syn())

    expect(portOf(request.packet)).toBeGreaterThanOrEqual(40000)
    expect(portOf(request.packet)).toBeLessThanOrEqual(40015)
    expect(node.fromNet(answer(request.packet).synAck())).toMatchPacket({dst: end(a, 22)})
  })

  test('when all ports to one destination are taken the packet is refused, never sent as it is', () => {
    const ports = new Set<number>()
    let refused = 0
    for (let i = 0; i < 40; i++) {
      const {action, reason, packet} = node.fromPod('a', udp(end(a, 1000 + i), end(outside, 53)))
      if (action === 'drop') refused += reason === 'NO_MAPPING_FOR_NAT_MASQUERADE' ? 1 : 100
      else ports.add(portOf(packet))
    }

    // ports are tried at random places of the range: with 128 tries none of 16 is overlooked
    expect(ports.size).toBe(16)
    expect(refused).toBe(24)
    expect(node.fromPod('a', udp(end(a, 5000), end(outside, 54))).action).toBe('neighbour')
  })

  test('ports of connections that have ended, and of flows that have expired, are taken again', () => {
    for (let i = 0; i < 16; i++) node.fromPod('a', tcp(end(a, 40000 + i), end(outside, 443)).syn())
    const before = node.fromPod('b', tcp(end(b, 40000), end(outside, 443)).syn())
    const [ended, expired] = node.flows().filter(({key, flow}) => key.sport !== 443 && flow.toDport === 443)
    node.changeFlow(ended!.key, {state: flowState.FLOW_CLOSING})
    for (const {key, flow} of node.flows())
      if (key.dport === ended!.flow.toSport) node.changeFlow(key, {...flow, state: flowState.FLOW_CLOSING})
    const reused = node.fromPod('b', tcp(end(b, 40001), end(outside, 443)).syn())
    for (const {key, flow} of node.flows())
      if (key.dport === expired!.flow.toSport) node.changeFlow(key, {...flow, expires: 1n})
    const again = node.fromPod('b', tcp(end(b, 40002), end(outside, 443)).syn())

    expect(before.reason).toBe('NO_MAPPING_FOR_NAT_MASQUERADE')
    expect(portOf(reused.packet)).toBe(ended!.flow.toSport)
    expect(portOf(again.packet)).toBe(expired!.flow.toSport)
  })

  test("the node's own connection and a pod's never share a tuple", () => {
    const own = node.toNet(tcp(end(host, 40005), end(outside, 443)).syn())
    const pods = node.fromPod('a', tcp(end(a, 40005), end(outside, 443)).syn())
    const toOwn = node.fromNet(answer(own.packet).synAck())
    const toPod = node.fromNet(answer(pods.packet).synAck())

    expect(own).toMatchPacket({src: end(host, 40005)})
    expect(portOf(pods.packet)).not.toBe(40005)
    expect(toOwn).toMatchObject({action: 'pass'})
    expect(toOwn).toMatchPacket({dst: end(host, 40005)})
    expect(toPod).toMatchObject({action: 'peer', to: 'a'})
  })

  test("the node's connection gives way when a pod was first", () => {
    const pods = node.fromPod('a', tcp(end(a, 40005), end(outside, 443)).syn())
    const own = node.toNet(tcp(end(host, 40005), end(outside, 443)).syn())
    const toOwn = node.fromNet(answer(own.packet).synAck())

    expect(portOf(pods.packet)).toBe(40005)
    expect(portOf(own.packet)).not.toBe(40005)
    expect(toOwn).toMatchObject({action: 'pass'})
    expect(toOwn).toMatchPacket({src: end(outside, 443), dst: end(host, 40005)})
  })

  test("the node's other traffic leaves no trace in the flows", () => {
    const server = node.toNet(tcp(end(host, 22), end(outside, 5000)).synAck())
    const question = node.fromNet(tcp(end(outside, 5000), end(host, 22)).syn())

    expect(server).toMatchObject({action: 'pass'})
    expect(question).toMatchObject({action: 'pass'})
    expect(node.flows()).toHaveLength(0)
  })

  test('what a pod sent by way of the stack is translated on its way out', () => {
    const request = node.toNet(udp(end(a, 40003), end(outside, 53)).data('q'))
    const reply = node.fromNet(answer(request.packet).data('r'))

    expect(request).toMatchObject({action: 'pass'})
    expect(request).toMatchPacket({src: end(host, 40003)})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({dst: end(a, 40003), payload: 'r'})
  })

  test('a translation made when the packet came by holds on the way out of the stack', () => {
    const direct = node.fromPod('a', udp(end(a, 22), end(outside, 53)).data('small'))
    const cut = node.toNet(udp(end(a, 22), end(outside, 53)).data('large'))

    expect(portOf(cut.packet)).toBe(portOf(direct.packet))
    expect(node.flows()).toHaveLength(2)
  })

  test('no masquerade inside the native range, for exempt addresses and devices', () => {
    const native = family === 4 ? '10.0.77.1' : 'fd00:77::1'
    node.address(outside, {identity: 2, flags: addressFlags.ADDRESS_NATIVE})
    expect(node.fromPod('a', udp(end(a, 50000), end(native, 53)))).toMatchPacket({src: end(a, 50000)})
    expect(node.fromPod('a', udp(end(a, 50000), end(outside, 53)))).toMatchPacket({src: end(a, 50000)})

    node.reset()
    node.deviceRows.put(devices.eth0, {...deviceZero, v4: addr('192.168.0.1'), v6: addr('fd01::1'), flags: 0})
    expect(node.fromPod('a', udp(end(a, 50000), end(outside, 53)))).toMatchPacket({src: end(a, 50000)})
  })

  test('a pod sees other nodes with its own address', () => {
    expect(node.fromPod('a', tcp(end(a, 50000), end(node2, 10250)).syn())).toMatchPacket({src: end(a, 50000)})
  })

  test('without an address to leave with, or a device that is known, nothing leaves', () => {
    const away = family === 4 ? '172.16.0.9' : 'fd02::9'
    node.deviceRows.put(devices.eth0, {...deviceZero, flags: deviceFlags.DEVICE_MASQUERADE})

    expect(node.fromPod('a', udp(end(a, 1), end(outside, 53)))).toMatchObject({reason: 'NO_MASQUERADE_ADDRESS'})
    expect(node.fromPod('a', udp(end(a, 1), end(away, 53)))).toMatchObject({reason: 'NO_DEVICE'})
  })

  test('what cannot be told apart at the node is not masqueraded', () => {
    expect(node.fromPod('a', rawIp(a, outside, 47).data(20))).toMatchObject({
      action: 'drop',
      reason: 'UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE',
    })
    expect(node.fromPod('a', rawIp(a, b, 47).data(20))).toMatchObject({action: 'peer'})
  })

  test('SCTP keeps its port, and a second association to the same place is refused', () => {
    const header = Uint8Array.of(0x9c, 0x41, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 4)
    const first = node.fromPod('a', rawIp(a, outside, protocols.sctp).data(header))
    const second = node.fromPod('b', rawIp(b, outside, protocols.sctp).data(header))

    expect(first).toMatchObject({action: 'neighbour'})
    expect(first).toMatchPacket({src: expect.stringContaining(host) as unknown as string})
    expect(second).toMatchObject({reason: 'NO_MAPPING_FOR_NAT_MASQUERADE'})
  })

  test('nobody on the wire speaks for a pod or the node', () => {
    node.fromPod('a', udp(end(a, 4000), end(b, 53)))
    for (const source of [a, host])
      expect(node.fromNet(udp(end(source, 4000), end(b, 53)))).toMatchObject({
        action: 'drop',
        reason: 'INVALID_SOURCE_IP',
      })
  })

  test('an unreachable destination is refused with what the routing table said', () => {
    const gone = family === 4 ? '10.0.1.200' : 'fd00:1::200'

    expect(node.fromPod('a', udp(end(a, 1), end(gone, 53)))).toMatchObject({
      action: 'drop',
      reason: 'FIB_LOOKUP_FAILED',
      extError: 2,
    })
  })
})
