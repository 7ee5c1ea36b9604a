/** Direct server return: the node that is asked hands packets to the backend's node, which answers the client. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {addressFlags, dsrDispatch, flowFlags, frontendFlags, frontendKind} from '../../src/datapath/gen/enums.ts'
import {MaglevPages} from '../../src/datapath/maps/maglev.ts'
import {Ip} from '../../src/model/ip.ts'
import {addr, BpfNode, type Outcome, plans} from './node.ts'
import {NodeServices, serviceConfig} from './services.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmpError} from './support/messages.ts'
import {fragments, type Packet, tcp, udp} from './support/packet.ts'
import {type ParsedPacket, parsePacket} from './support/parse.ts'
import {type GeneveFields, unwrap, wrap, wrapGeneve} from './support/wrapped.ts'

const kind = frontendKind.FRONTEND_LOAD_BALANCER
const flags = frontendFlags.FRONTEND_DSR
const common = {...serviceConfig, nodeport: 1}
const addressesOf = ({ip}: ParsedPacket) =>
  [ip!.sourceBytes, ip!.destinationBytes].map((bytes) => Ip.fromBytes(bytes).toString())

describe.each([
  {name: 'ipip', mode: 'packets inside packets', config: {...common, tunnel: 0, dsr: dsrDispatch.DSR_IPIP}},
  {
    name: 'ipipt',
    mode: 'packets inside packets, in the overlay',
    config: {...common, tunnel: 1, dsr: dsrDispatch.DSR_IPIP},
  },
  {name: 'gnv', mode: 'Geneve', config: {...common, tunnel: 0, dsr: dsrDispatch.DSR_GENEVE}},
  {name: 'gnvt', mode: 'Geneve, in the overlay', config: {...common, tunnel: 1, dsr: dsrDispatch.DSR_GENEVE}},
  {name: 'opt', mode: 'options', config: {...common, tunnel: 0, dsr: dsrDispatch.DSR_OPTION}},
])('with $mode', ({name, config}) => {
  const wrapped = config.dsr !== dsrDispatch.DSR_OPTION
  const geneve = config.dsr === dsrDispatch.DSR_GENEVE
  const added = {4: geneve ? 48 : wrapped ? 20 : 8, 6: geneve ? 80 : wrapped ? 40 : 24} as const
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
    const more = added[family]
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
          const {outer, inner, service} = unwrap(packet)
          expect(outer.problems).toEqual([])
          expect(addressesOf(outer)).toEqual([own, remote])
          expect(service).toBe(geneve ? end(vip, 80) : undefined)
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

    describe('in the middle of a connection that another node began', () => {
      const size = 251
      /** The asked node has a table that leads to the second of two backends, always. */
      const withTable = (options = {}) => {
        using pages = new MaglevPages((map) => front.fd(map))
        pages.write(1, new Uint16Array(size).fill(1))
        both([end(elsewhere, 8080), end(remote, 8080)], {table: 1, tableSize: size, ...options})
      }
      const begin = () => {
        const request = hand(front.fromNet(tcp(client, end(vip, 80)).syn()))
        const reply = back.fromPod('b', answer(request.packet).synAck())
        expect(reply).toMatchPacket({src: end(vip, 80), dst: client})
        // the next node knows what the first one does, but for its flows
        front.flush()
        return answer(reply.packet)
      }

      test('a node with a table hands it to the same backend', () => {
        withTable()
        const middle = begin()

        for (const packet of [middle.push('one'), middle.push('two'), middle.fin(), middle.rst()]) {
          const request = hand(front.fromNet(packet))

          expect(request).toMatchObject({action: 'peer', to: 'b'})
          expect(request).toMatchPacket({src: client, dst: end(remote, 8080), extensions: []})
          expect(parsePacket(request.packet).ip!.options).toHaveLength(0)
        }
        expect(front.flows()).toHaveLength(2)
        expect(back.flows()).toHaveLength(2)
      })

      test('its backend answers as the service', () => {
        withTable()
        const middle = begin()
        const request = hand(front.fromNet(middle.push('one')))

        expect(back.fromPod('b', answer(request.packet).push('response'))).toMatchPacket({
          src: end(vip, 80),
          dst: client,
          payload: 'response',
        })
      })

      test('a backend that has forgotten it says so as the service', () => {
        withTable()
        const middle = begin()
        back.flush()

        const request = hand(front.fromNet(middle.push('one')))
        const reset = back.fromPod('b', answer(request.packet).rst())

        expect(request).toMatchPacket({src: client, dst: end(remote, 8080), extensions: []})
        expect(reset).toMatchPacket({src: end(vip, 80), dst: client, flags: 'R'})
      })

      test('whoever sends such packets has no more room than who begins many', () => {
        withTable()
        const middle = begin()

        for (let i = 0; i < 3; i++) hand(front.fromNet(middle.push('x')))

        expect(front.flows().map(({flow}) => [flow.state, flow.answered])).toEqual([
          [0, 0],
          [0, 0],
        ])
      })

      test('without a table, or answered by way of the node that was asked, it is left to the stack', () => {
        both([end(remote, 8080)])
        const middle = begin()
        expect(front.fromNet(middle.push('x'))).toMatchObject({action: 'pass'})
        withTable({flags: 0})
        expect(front.fromNet(middle.push('x'))).toMatchObject({action: 'pass'})
        withTable()
        // a node of the cluster asks
        expect(front.fromNet(tcp(end(node2, 40001), end(vip, 80)).push('x'))).toMatchObject({action: 'pass'})
        // nor is it a beginning
        expect(front.fromNet(tcp(client, end(vip, 80)).synAck())).toMatchObject({action: 'pass'})
        expect(front.flows()).toHaveLength(0)
      })

      test('who may not use the service may not go on with it', () => {
        withTable({flags: flags | frontendFlags.FRONTEND_SOURCE_RANGES})

        expect(front.fromNet(tcp(client, end(vip, 80)).push('x'))).toMatchObject({
          action: 'drop',
          reason: 'DENIED_BY_LB_SRC_RANGE_CHECK',
        })
      })
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

        const put = (from: string, to: string) =>
          geneve ? wrapGeneve(from, to, inner, end(vip, 80)) : wrap(from, to, inner)
        expect(back.fromNet(put(node, remote))).toMatchPacket({src: client, dst: end(remote, 8080)})
        expect(back.fromNet(put(elsewhere, remote)).packet).not.toMatchPacket({src: client})
        const foreign = back.fromNet(put(elsewhere, node2))
        expect(foreign).toMatchObject({action: 'pass'})
        expect(addressesOf(unwrap(foreign.packet).outer)).toEqual([elsewhere, node2])
      })

      test('a backend that this node does not list is not guessed', () => {
        asked.add(end(vip, 80), [end(remote, 8080)], {kind, flags})
        answering.add(end(vip, 80), [end(plan.a, 8080)], {kind, flags})

        expect(hand(front.fromNet(tcp(client, end(vip, 80)).syn())).action).not.toBe('peer')
      })
    }

    if (geneve && !config.tunnel) {
      const inner = tcp(client, end(vip, 80)).syn()
      const put = (change: Partial<GeneveFields> = {}, service = end(vip, 80)) =>
        back.fromNet(wrapGeneve(node, remote, inner, service, change))

      test.each<[string, Partial<GeneveFields>]>([
        ['another version', {first: 0x40 | (family === 4 ? 3 : 6)}],
        ['more options', {first: 7}],
        ['fewer options', {first: 1}],
        ['an option that is longer', {words: 7}],
        ['an option that is empty', {words: 0}],
        ['the option not marked as critical', {flags: 0}],
        ['a control packet', {flags: 0xc0}],
        ['the other family', {etherType: family === 4 ? 0x86dd : 0x0800}],
        ['a frame', {etherType: 0x6558}],
      ])('what a node would not send is dropped: %s', (_, change) => {
        both([end(remote, 8080)])

        expect(put(change)).toMatchObject({action: 'drop', reason: 'INVALID_GENEVE_OPTION'})
      })

      test('so is an option that names another service than the packet', () => {
        both([end(remote, 8080)])
        const other = family === 4 ? '198.51.100.78' : '2001:db8:7::78'

        expect(put({}, end(other, 80))).toMatchObject({action: 'drop', reason: 'INVALID_GENEVE_OPTION'})
      })

      test('and one that ends before its time', () => {
        both([end(remote, 8080)])
        const whole = wrapGeneve(node, remote, inner, end(vip, 80))
        const headers = 16 + (family === 4 ? 4 : 16)
        const cut = (bytes: number) => back.fromNet(whole.data(whole.spec.payload.subarray(0, bytes))).reason

        expect([headers - 8, headers - 1].map(cut)).toEqual(['INVALID_GENEVE_OPTION', 'INVALID_GENEVE_OPTION'])
        const least = headers + (family === 4 ? 20 : 40)
        expect([headers, headers + 1, least - 1].map(cut)).toEqual(Array(3).fill('INVALID_PACKET'))
        expect(cut(least + 19)).toBe('INVALID_PACKET')
      })

      test("somebody else's Geneve is for the pod that it is sent to", () => {
        both([end(remote, 8080)])

        for (const change of [{first: 0}, {class: 0x0102}, {type: 0x01}]) {
          const sent = wrapGeneve(node, remote, inner, end(vip, 80), change)
          const seen = back.fromNet(sent)

          expect(seen).toMatchObject({action: 'peer', to: 'b'})
          expect(parsePacket(seen.packet).payload).toEqual(parsePacket(sent.bytes).payload)
        }
      })
    }
  })
})
