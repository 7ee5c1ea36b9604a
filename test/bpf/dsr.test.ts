/** Direct server return: the node that is asked hands packets to the backend's node, which answers the client. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {addressFlags, dsrDispatch, flowFlags, frontendFlags, frontendKind} from '../../src/datapath/gen/enums.ts'
import {addr, BpfNode, type Outcome, plans} from './node.ts'
import {NodeServices, serviceConfig} from './services.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmpError} from './support/messages.ts'
import {fragments, type Packet, tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'
import {unwrap, wrap} from './support/wrapped.ts'

const kind = frontendKind.FRONTEND_LOAD_BALANCER
const flags = frontendFlags.FRONTEND_DSR
const common = {...serviceConfig, nodeport: 1}

describe.each([
  {name: 'ipip', mode: 'packets inside packets', config: {...common, tunnel: 0, dsr: dsrDispatch.DSR_IPIP}},
  {
    name: 'ipipt',
    mode: 'packets inside packets, in the overlay',
    config: {...common, tunnel: 1, dsr: dsrDispatch.DSR_IPIP},
  },
  {name: 'opt', mode: 'options', config: {...common, tunnel: 0, dsr: dsrDispatch.DSR_OPTION}},
])('with $mode', ({name, config}) => {
  const wrapped = config.dsr === dsrDispatch.DSR_IPIP
  /** is asked */
  let front: BpfNode
  /** has the backend, as pod b */
  let back: BpfNode
  let asked: NodeServices
  let answering: NodeServices
  beforeAll(async () => {
    front = await BpfNode.make(`f-${name}`, {config})
    back = await BpfNode.make(`b-${name}`, {config: {...config, hostV4: addr('10.0.2.1'), hostV6: addr('fd00:2::1')}})
    asked = new NodeServices(front)
    answering = new NodeServices(back)
  })
  afterAll(() => {
    asked?.close()
    answering?.close()
    front?.close()
    back?.close()
  })
  beforeEach(() => {
    for (const services of [asked, answering]) services.reset()
    for (const node of [front, back]) node.reset()
    back.pod('b', {v4: addr(plans[0]!.remote), v6: addr(plans[1]!.remote)})
    for (const plan of plans) {
      back.address(plan.remote, {identity: 1002, endpoint: 2 | (1 << 16)})
      for (const ip of [plan.node, plan.router])
        back.address(ip, {identity: 6, flags: addressFlags.ADDRESS_REMOTE_NODE})
      back.address(plan.node2, {identity: 1, flags: addressFlags.ADDRESS_LOCAL_HOST})
    }
  })

  /** What has left one node, to the other. */
  const hand = ({packet}: Outcome, context = {}) =>
    config.tunnel
      ? back.fromOverlay(packet, {remote: '192.168.0.1', identity: 2}, context)
      : back.fromNet(packet, context)

  describe.each(plans)('IPv$family', (plan) => {
    const {family, remote, node, router, node2, outside, gateway, elsewhere, end} = plan
    const vip = family === 4 ? '198.51.100.77' : '2001:db8:7::77'
    const more = wrapped ? (family === 4 ? 20 : 40) : family === 4 ? 8 : 24
    const client = end(outside, 40001)
    const both = (backends: readonly string[], options = {}) => {
      for (const services of [asked, answering]) services.add(end(vip, 80), backends, {kind, flags, ...options})
    }

    test('a connection is answered from the service by the node of its backend', () => {
      both([end(remote, 8080)])

      const sent = front.fromNet(tcp(client, end(vip, 80)).syn())
      const request = hand(sent)
      const reply = back.fromPod('b', answer(request.packet).synAck())
      const sentAgain = front.fromNet(tcp(client, end(vip, 80)).push('hello'))
      const data = hand(sentAgain)

      if (config.tunnel) expect(sent).toMatchObject({action: 'redirect', to: 'overlay', vni: 2})
      else expect(sent).toMatchObject({action: 'neighbour', to: 'eth0', hop: node2})
      expect(request).toMatchObject({action: 'peer', to: 'b'})
      expect(request).toMatchPacket({src: client, dst: end(remote, 8080), flags: 'S', extensions: []})
      expect(reply).toMatchObject({action: 'neighbour', to: 'eth0', hop: gateway})
      expect(reply).toMatchPacket({src: end(vip, 80), dst: client, flags: 'SA'})
      expect(data).toMatchObject({action: 'peer', to: 'b'})
      expect(data).toMatchPacket({src: client, dst: end(remote, 8080), payload: 'hello'})
    })

    test('what travels between the nodes is sound', () => {
      both([end(remote, 8080)])

      const syn = front.fromNet(tcp(client, end(vip, 80)).syn())
      const data = front.fromNet(tcp(client, end(vip, 80)).push('hello'))

      if (wrapped) {
        const own = config.tunnel ? router : node
        for (const {packet} of [syn, data]) {
          const {outer, inner} = unwrap(packet)
          expect(outer.problems).toEqual([])
          expect([outer.src, outer.dst]).toEqual([own, remote])
          expect(inner).toMatchPacket({src: client, dst: end(vip, 80), ttl: 63})
        }
      } else {
        expect(syn).toMatchPacket({src: client, dst: end(remote, 8080), extensions: family === 4 ? [] : [60]})
        expect(parsePacket(syn.packet).ip!.transportOffset).toBe(14 + (family === 4 ? 28 : 64))
        // named once
        expect(parsePacket(data.packet).ip!.transportOffset).toBe(14 + (family === 4 ? 20 : 40))
      }
    })

    test('datagrams are answered from the service, each of them', () => {
      both([end(remote, 5353)], {protocol: 'udp'})

      for (const payload of ['one', 'two']) {
        const query = hand(front.fromNet(udp(client, end(vip, 80)).data(payload)))
        const response = back.fromPod('b', answer(query.packet).data('response'))

        expect(query).toMatchPacket({src: client, dst: end(remote, 5353), payload, extensions: []})
        expect(response).toMatchPacket({src: end(vip, 80), dst: client, payload: 'response'})
      }
    })

    test('the pieces of a datagram arrive', () => {
      both([end(remote, 5353)], {protocol: 'udp'})
      const pieces = fragments(udp(client, end(vip, 80)).data(1200), 600)

      const arrived = pieces.map((piece) => hand(front.fromNet(piece)))

      for (const piece of arrived) expect(piece).toMatchObject({action: 'peer', to: 'b'})
      expect(parsePacket(arrived[0]!.packet).dst).toBe(end(remote, 5353))
      expect(arrived.map(({packet}) => parsePacket(packet).payload.length)).toEqual(
        pieces.map(({bytes}) => parsePacket(bytes).payload.length),
      )
    })

    test('a node port of any node is answered for', () => {
      const any = family === 4 ? '0.0.0.0' : '::'
      const nodePort = {kind: frontendKind.FRONTEND_NODE_PORT}
      asked.add(end(node, 30080), [end(remote, 8080)], {...nodePort, flags})
      answering.add(end(any, 30080), [end(remote, 8080)], {
        ...nodePort,
        flags: flags | frontendFlags.FRONTEND_INTERNAL_ONLY,
      })

      const request = hand(front.fromNet(tcp(client, end(node, 30080)).syn()))
      const reply = back.fromPod('b', answer(request.packet).synAck())

      expect(request).toMatchPacket({dst: end(remote, 8080)})
      expect(reply).toMatchPacket({src: end(node, 30080), dst: client})
    })

    test('a process of the node answers, too', () => {
      both([end(node2, 6443)])
      front.address(node2, {identity: 6, flags: addressFlags.ADDRESS_REMOTE_NODE})

      const request = back.fromNet(front.fromNet(tcp(client, end(vip, 80)).syn()).packet)
      const reply = back.toNet(answer(request.packet).synAck())

      expect(request).toMatchObject({action: 'pass'})
      expect(request).toMatchPacket({src: client, dst: end(node2, 6443)})
      expect(reply).toMatchPacket({src: end(vip, 80), dst: client})
    })

    test('a client is told of the room that is left', () => {
      both([end(remote, 5353)], {protocol: 'udp'})
      const most = (config.tunnel ? 1450 : 1500) - more
      const size = (length: number) => length - (family === 4 ? 28 : 48)

      const fits = front.fromNet(udp(client, end(vip, 80)).data(size(most)).dontFragment())
      const large = front.fromNet(
        udp(client, end(vip, 80))
          .data(size(most + 1))
          .dontFragment(),
      )
      const cuttable = front.fromNet(udp(client, end(vip, 80)).data(size(most + 1)))

      expect(hand(fits)).toMatchObject({action: 'peer'})
      for (const told of [large, cuttable]) {
        expect(told).toMatchObject({action: 'redirect', to: 'eth0', reason: 'FRAGMENTATION_NEEDED'})
        expect(told).toMatchPacket({
          src: vip,
          dst: outside,
          icmp: family === 4 ? {type: 3, code: 4, mtu: most} : {type: 2, code: 0, mtu: most},
          inner: {src: client, dst: end(vip, 80)},
        })
      }
    })

    test('segments count, not what the device has put together', () => {
      both([end(remote, 8080)])
      front.fromNet(tcp(client, end(vip, 80)).syn())
      const burst = tcp(client, end(vip, 80)).push(3000).dontFragment()
      const most = (config.tunnel ? 1450 : 1500) - (wrapped ? more : 0) - (family === 4 ? 40 : 60)

      // a test run's segments are of no kind that the kernel wraps: that is as far as it gets
      const fits = front.fromNet(burst, {gsoSize: most})
      expect(fits.reason).toBe(wrapped ? 'ERROR_WRITING_TO_PACKET' : '')
      expect(front.fromNet(burst, {gsoSize: most + 1})).toMatchObject({reason: 'FRAGMENTATION_NEEDED'})
    })

    test('an error about an answer finds its way to the backend', () => {
      both([end(remote, 8080)])
      const request = hand(front.fromNet(tcp(client, end(vip, 80)).syn()))
      const reply = back.fromPod('b', answer(request.packet).synAck())
      expect(reply).toMatchPacket({src: end(vip, 80)})

      // a router meets the answer, and tells the address that it came from
      const error = icmpError('too-big', elsewhere, answer(tcp(client, end(vip, 80)).syn().bytes).synAck(), {mtu: 1400})
      const seen = hand(front.fromNet(error))

      expect(seen).toMatchObject({action: 'peer', to: 'b'})
      expect(seen).toMatchPacket({
        src: elsewhere,
        dst: remote,
        icmp: {mtu: 1400},
        inner: {src: end(remote, 8080), dst: client},
      })
    })

    test("a backend's error about a request tells the client of the service", () => {
      both([end(remote, 5353)], {protocol: 'udp'})
      hand(front.fromNet(udp(client, end(vip, 80)).data('x')))

      const error = back.fromPod('b', icmpError('port-unreachable', remote, udp(client, end(remote, 5353)).data('x')))

      expect(error).toMatchObject({action: 'neighbour'})
      expect(error).toMatchPacket({src: vip, dst: outside, inner: {src: client, dst: end(vip, 80)}})
    })

    test('without hops left the client is told so', () => {
      both([end(remote, 8080)])

      const told = front.fromNet(tcp(client, end(vip, 80)).syn().ttl(1))

      expect(told).toMatchObject({action: 'redirect', to: 'eth0', reason: 'TTL_EXCEEDED'})
    })

    test('the same client port at two services of one backend', () => {
      both([end(remote, 8080)])
      const other = family === 4 ? '198.51.100.78' : '2001:db8:7::78'
      for (const services of [asked, answering]) services.add(end(other, 80), [end(remote, 8080)], {kind, flags})

      const first = hand(front.fromNet(tcp(client, end(vip, 80)).syn()))
      const second = front.fromNet(tcp(client, end(other, 80)).syn())

      expect(back.fromPod('b', answer(first.packet).synAck())).toMatchPacket({src: end(vip, 80), dst: client})
      // an option cannot tell the two apart from the second packet on
      if (!wrapped) expect(second).toMatchObject({action: 'drop', reason: 'NO_MAPPING_FOR_NAT_MASQUERADE'})
      else {
        const request = hand(second)
        expect(parsePacket(request.packet).src).not.toBe(client)
        expect(back.fromPod('b', answer(request.packet).synAck())).toMatchPacket({src: end(other, 80), dst: client})
      }
    })

    test('a connection lives by what its client sends', () => {
      both([end(remote, 8080)])
      const state = () => {
        const {flow} = front.flows().find((one) => one.flow.flags & flowFlags.FLOW_DSR)!
        return {state: flow.state, answered: flow.answered}
      }

      front.fromNet(tcp(client, end(vip, 80)).syn())
      const opening = state()
      front.fromNet(tcp(client, end(vip, 80)).ack())
      const established = state()
      front.fromNet(tcp(client, end(vip, 80)).fin())

      expect(opening).toEqual({state: 0, answered: 0})
      expect(established).toEqual({state: 1, answered: 1})
      expect(state()).toEqual({state: 2, answered: 1})
    })

    test('a flow ends as a pair, at both nodes', () => {
      both([end(remote, 8080)])
      hand(front.fromNet(tcp(client, end(vip, 80)).syn()))
      expect([front.flows().length, back.flows().length]).toEqual([2, 2])

      for (const each of [front, back]) {
        for (const {key} of each.flows()) {
          each.changeFlow(key, {expires: 1n})
          each.expire()
          // the other entry speaks for both
          expect(each.flows().map(({flow}) => flow.expires > 1n)).toEqual([true, true])
        }
        for (const {key} of each.flows()) each.changeFlow(key, {expires: 1n})
        each.expire()
        expect(each.flows()).toHaveLength(0)
      }
    })

    test('backends of this node, and services without, are as ever', () => {
      asked.add(end(vip, 80), [end(plan.b, 8080)], {kind, flags})
      asked.add(end(node, 30080), [end(remote, 8080)], {kind: frontendKind.FRONTEND_NODE_PORT})

      const local = front.fromNet(tcp(client, end(vip, 80)).syn())
      const translated = front.fromNet(tcp(client, end(node, 30080)).syn())

      expect(local).toMatchObject({action: 'peer', to: 'b'})
      expect(translated).toMatchPacket({src: end(config.tunnel ? router : node, 40001), dst: end(remote, 8080)})
    })

    test('nodes are answered by way of the node they ask: they may be that of the backend', () => {
      both([end(remote, 8080)])

      const request = front.fromNet(tcp(end(node2, 40001), end(vip, 80)).syn())

      expect(request).toMatchPacket({src: end(config.tunnel ? router : node, 40001), dst: end(remote, 8080)})
    })

    test('nobody makes a backend answer as what is no service, or as one that others answer for', () => {
      asked.add(end(vip, 80), [end(remote, 8080)], {kind, flags})
      const sent = front.fromNet(tcp(client, end(vip, 80)).syn())

      expect(hand(sent)).toMatchObject({action: 'drop', reason: 'NO_SERVICE_PORT'})
      answering.add(end(vip, 80), [end(remote, 8080)], {kind})
      expect(hand(sent)).toMatchObject({action: 'drop', reason: 'NO_SERVICE_PORT'})
    })

    if (wrapped) {
      test('only nodes put packets into packets, and only for what is here', () => {
        both([end(remote, 8080)])
        const inner: Packet = tcp(client, end(vip, 80)).syn()
        if (config.tunnel) return

        expect(back.fromNet(wrap(elsewhere, remote, inner)).action).not.toBe('pass')
        const foreign = back.fromNet(wrap(elsewhere, node2, inner))
        expect(foreign).toMatchObject({action: 'pass'})
        expect(unwrap(foreign.packet).outer.src).toBe(elsewhere)
      })

      test('a backend that this node does not list is not guessed', () => {
        asked.add(end(vip, 80), [end(remote, 8080)], {kind, flags})
        answering.add(end(vip, 80), [end(plan.a, 8080)], {kind, flags})

        expect(hand(front.fromNet(tcp(client, end(vip, 80)).syn())).action).not.toBe('peer')
      })
    }
  })
})
