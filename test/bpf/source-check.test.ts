/** What a pod may not send, each with its own reason; ARP and neighbour discovery between pod and node. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {endpointFlags} from '../../src/datapath/gen/enums.ts'
import {endpointZero} from '../../src/datapath/gen/types.ts'
import {BpfNode, macs, plans} from './node.ts'
import './support/match.ts'
import {arp, frame, neighbourAdvertisement, neighbourSolicitation} from './support/messages.ts'
import {icmp, protocols, rawIp, tcp, udp} from './support/packet.ts'

const drop = (reason: string) => ({action: 'drop', result: 2, reason})

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('source')
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', ({family, a, b, node: own, outside, end}) => {
  const good = udp(end(a, 1), end(b, 53))

  test('a foreign source address is refused', () => {
    expect(node.fromPod('a', udp(end(b, 1), end(outside, 53)))).toMatchObject(drop('INVALID_SOURCE_IP'))
    expect(node.fromPod('a', udp(end(own, 1), end(b, 53)))).toMatchObject(drop('INVALID_SOURCE_IP'))
    expect(node.fromPod('a', udp(end(family === 4 ? '0.0.0.0' : '::', 1), end(b, 53)))).toMatchObject(
      drop('INVALID_SOURCE_IP'),
    )
    expect(node.flows()).toEqual([])
  })

  test('so is a family that the pod has no address of, and the address of none', () => {
    node.pod('a', family === 4 ? {v4: new Uint8Array(16)} : {v6: new Uint8Array(16)})

    expect(node.fromPod('a', good)).toMatchObject(drop('INVALID_SOURCE_IP'))
    expect(node.fromPod('a', udp(end(family === 4 ? '0.0.0.0' : '::', 1), end(b, 53)))).toMatchObject(
      drop('INVALID_SOURCE_IP'),
    )
  })

  test('a foreign Ethernet address is refused, at either end', () => {
    const raw = (src: string, dst: string) => node.fromPod('a', good.mac(src, dst).bytes)

    expect(raw(macs.b.pod, macs.a.node)).toMatchObject(drop('INVALID_SOURCE_MAC'))
    expect(raw(macs.a.pod, macs.b.node)).toMatchObject(drop('INVALID_DESTINATION_MAC'))
    expect(raw(macs.a.pod, 'ff:ff:ff:ff:ff:ff')).toMatchObject(drop('INVALID_DESTINATION_MAC'))
  })

  test('an exempt endpoint may send what it likes', () => {
    node.pod('a', {flags: endpointFlags.ENDPOINT_SKIP_SOURCE_CHECK})
    const foreign = family === 4 ? '198.51.100.7' : '2001:db8::7'

    expect(node.fromPod('a', udp(end(foreign, 1), end(b, 53)))).toMatchObject({action: 'peer', to: 'b'})
  })

  test('groups and links are not forwarded', () => {
    const groups = family === 4 ? ['224.0.0.251', '255.255.255.255', '0.0.0.1'] : ['ff02::fb', 'fe80::1']
    for (const group of groups)
      expect(node.fromPod('a', udp(end(a, 5353), end(group, 5353)))).toMatchObject(drop('UNKNOWN_L3_TARGET_ADDRESS'))
  })

  test('a device without endpoint passes nothing, in either direction', () => {
    node.endpoints.put(1, endpointZero)

    expect(node.fromPod('a', good)).toMatchObject(drop('EP_NOT_READY'))
    expect(node.toPod('a', udp(end(own, 1), end(a, 53)))).toMatchObject(drop('EP_NOT_READY'))
    expect(node.run('cil_from_container', good, {ifindex: 40})).toMatchObject(drop('EP_NOT_READY'))
  })

  test('an address that still names the pod before is refused', () => {
    node.pod('b', {generation: 2})

    expect(node.fromPod('a', good)).toMatchObject(drop('STALE_ENDPOINT'))
    expect(node.fromNet(udp(end(outside, 1), end(b, 53)))).toMatchObject(drop('STALE_ENDPOINT'))
  })

  test('a flow of the pod before is no flow of the next', () => {
    node.fromPod('a', good)
    node.pod('b', {generation: 2, identity: 5005})
    node.address(b, {identity: 5005, endpoint: 2 | (2 << 16)})

    expect(node.fromPod('a', good)).toMatchObject({action: 'peer', to: 'b'})
    expect(node.flows().map(({flow}) => flow.dstIdentity)).toEqual([5005, 5005])
  })

  test('nothing is known about an address: it is refused', () => {
    node.prefixes.clear()

    expect(node.fromPod('a', udp(end(a, 1), end(outside, 53)))).toMatchObject(drop('UNKNOWN_ADDRESS'))
  })

  test('the node sends a pod nothing but its own', () => {
    expect(node.toPod('a', udp(end(own, 1), end(b, 53)))).toMatchObject(drop('UNKNOWN_L3_TARGET_ADDRESS'))
  })

  test('other kinds of frames are refused by name', () => {
    const ends = {src: macs.a.pod, dst: macs.a.node}
    expect(node.fromPod('a', frame(0x88cc, new Uint8Array(50), ends))).toMatchObject(drop('UNSUPPORTED_L3_PROTOCOL'))
    expect(node.fromPod('a', frame(0x8100, new Uint8Array(50), ends))).toMatchObject(drop('VLAN_FILTERED'))
    const ofOther = family === 4 ? protocols.icmpv6 : protocols.icmp
    expect(node.fromPod('a', rawIp(a, b, ofOther).data(20))).toMatchObject(drop('UNKNOWN_L4_PROTOCOL'))
  })

  test('a family that is off does not pass', async () => {
    const other = await BpfNode.make('one-family', {config: family === 4 ? {enableIpv4: 0} : {enableIpv6: 0}})
    try {
      expect(other.fromPod('a', good)).toMatchObject(drop('UNSUPPORTED_L3_PROTOCOL'))
    } finally {
      other.close()
    }
  })
})

describe('IPv4 neighbours', () => {
  const me = {ip: '10.0.1.10', mac: macs.a.pod}

  test('the gateway answers with the node’s end of the pod’s device', () => {
    const answered = node.fromPod('a', arp('request', me, {ip: '10.0.1.1'}))

    expect(answered).toMatchObject({action: 'peer', to: 'a'})
    expect(answered).toMatchPacket({
      macSource: macs.a.node,
      macDestination: macs.a.pod,
      arp: {operation: 2, senderIp: '10.0.1.1', senderMac: macs.a.node, targetIp: '10.0.1.10', targetMac: macs.a.pod},
    })
  })

  test('nobody else is asked for', () => {
    expect(node.fromPod('a', arp('request', me, {ip: '10.0.1.11'}))).toMatchObject(drop('UNKNOWN_L3_TARGET_ADDRESS'))
    expect(node.fromPod('a', arp('request', {...me, ip: '0.0.0.0'}, {ip: '10.0.1.10'}))).toMatchObject(
      drop('UNKNOWN_L3_TARGET_ADDRESS'),
    )
  })

  test('a pod answers the node for itself only', () => {
    const to = {ip: '10.0.1.1', mac: macs.a.node}
    expect(node.fromPod('a', arp('reply', me, to))).toMatchObject({action: 'pass'})
    expect(node.fromPod('a', arp('reply', {...me, ip: '10.0.1.11'}, to))).toMatchObject(drop('INVALID_SOURCE_IP'))
    const forged = arp('reply', me, to)
    forged.set([2, 0, 0, 0, 0xbb, 1], 22)
    expect(node.fromPod('a', forged)).toMatchObject(drop('INVALID_SOURCE_MAC'))
  })

  test('the node asks its pod', () => {
    expect(node.toPod('a', arp('request', {ip: '10.0.1.1', mac: macs.a.node}, {ip: '10.0.1.10'}))).toMatchObject({
      action: 'pass',
    })
  })

  test('malformed questions are invalid', () => {
    const short = arp('request', me, {ip: '10.0.1.1'})
    expect(node.fromPod('a', short.subarray(0, 41))).toMatchObject(drop('INVALID_PACKET'))
    const odd = arp('request', me, {ip: '10.0.1.1'})
    odd[15] = 6
    expect(node.fromPod('a', odd)).toMatchObject(drop('INVALID_PACKET'))
  })

  test('IGMP has its own reason', () => {
    expect(node.fromPod('a', rawIp('10.0.1.10', '224.0.0.22', 2).data(8))).toMatchObject(drop('IGMP_HANDLED'))
  })
})

describe('IPv6 neighbours', () => {
  const me = {ip: 'fd00:1::a', mac: macs.a.pod}
  const local = {ip: 'fe80::a', mac: macs.a.pod}

  test.each([me, local])('the gateway answers $ip', (who) => {
    const answered = node.fromPod('a', neighbourSolicitation(who, 'fd00:1::1').bytes)

    expect(answered).toMatchObject({action: 'peer', to: 'a'})
    expect(answered).toMatchPacket({
      src: 'fd00:1::1',
      dst: who.ip,
      ttl: 255,
      macSource: macs.a.node,
      macDestination: macs.a.pod,
      icmp: {type: 136},
    })
    expect([...answered.packet.subarray(62, 86)]).toEqual([
      ...[0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      ...[2, 1, 2, 0, 0, 0, 0xaa, 2],
    ])
  })

  test('a question without the asker’s Ethernet address is answered, too', () => {
    const whole = neighbourSolicitation(me, 'fd00:1::1')
    const bare = icmp(me.ip, 'ff02::1:ff00:1')
      .message(135, 0)
      .data(whole.spec.payload.slice(0, 16))
      .ttl(255)
      .mac(macs.a.pod, '33:33:ff:00:00:01')

    expect(node.fromPod('a', bare.bytes)).toMatchPacket({src: 'fd00:1::1', icmp: {type: 136}})
  })

  test('what concerns the link goes to the stack', () => {
    const link = [
      neighbourSolicitation({...me, ip: '::'}, 'fd00:1::a'),
      neighbourSolicitation(local, 'fe80::1'),
      neighbourAdvertisement(me, {ip: 'fe80::1', mac: macs.a.node}),
      icmp('fe80::a', 'ff02::2').message(133, 0).ttl(255).mac(macs.a.pod, '33:33:00:00:00:02'),
      icmp('fe80::a', 'ff02::16').message(143, 0).ttl(1).mac(macs.a.pod, '33:33:00:00:00:16'),
    ]
    for (const packet of link) expect(node.fromPod('a', packet.bytes)).toMatchObject({action: 'pass'})
    expect(node.flows()).toEqual([])
  })

  test('a pod cannot play the router', () => {
    for (const type of [134, 137, 130])
      expect(
        node.fromPod(
          'a',
          icmp('fe80::a', 'ff02::1').message(type, 0).ttl(255).mac(macs.a.pod, '33:33:00:00:00:01').bytes,
        ),
      ).toMatchObject(drop('FORBIDDEN_ICMPV6_MESSAGE'))
  })

  test('tricks with neighbours are refused', () => {
    const far = neighbourSolicitation(me, 'fd00:1::1').ttl(64)
    expect(node.fromPod('a', far.bytes)).toMatchObject(drop('FORBIDDEN_ICMPV6_MESSAGE'))

    const hidden = neighbourSolicitation(me, 'fd00:1::1').extension(protocols.destination)
    expect(node.fromPod('a', hidden.bytes)).toMatchObject(drop('FORBIDDEN_ICMPV6_MESSAGE'))

    const asOther = neighbourSolicitation({ip: me.ip, mac: macs.b.pod}, 'fd00:1::1').mac(
      macs.a.pod,
      '33:33:ff:00:00:01',
    )
    expect(node.fromPod('a', asOther.bytes)).toMatchObject(drop('INVALID_SOURCE_MAC'))

    const ofOther = neighbourAdvertisement({ip: 'fd00:1::b', mac: macs.a.pod}, {ip: 'fe80::1', mac: macs.a.node})
    expect(node.fromPod('a', ofOther.bytes)).toMatchObject(drop('INVALID_SOURCE_IP'))

    const inItsName = icmp(me.ip, 'fe80::1')
      .message(136, 0, [0x60, 0, 0, 0])
      .data(Uint8Array.from([...[0xfd, 0, 0, 1], ...new Array(11).fill(0), 0xb, 2, 1, 2, 0, 0, 0, 0xaa, 1]))
      .ttl(255)
      .mac(macs.a.pod, macs.a.node)
    expect(node.fromPod('a', inItsName.bytes)).toMatchObject(drop('INVALID_SOURCE_IP'))

    expect(node.fromPod('a', neighbourSolicitation(me, 'fd00:1::b').bytes)).toMatchObject(
      drop('UNKNOWN_L3_TARGET_ADDRESS'),
    )
  })

  test('the node asks and answers its pod, but does not redirect it', () => {
    const from = {ip: 'fe80::1', mac: macs.a.node}
    expect(node.toPod('a', neighbourSolicitation(from, 'fd00:1::a'))).toMatchObject({action: 'pass'})
    expect(node.toPod('a', icmp('fe80::1', 'fd00:1::a').message(137, 0).ttl(255))).toMatchObject(
      drop('FORBIDDEN_ICMPV6_MESSAGE'),
    )
  })
})

describe('IPv6 extension headers', () => {
  const plain = () => tcp('[fd00:1::a]:4000', '[fd00:1::b]:80').syn()

  test('are walked to the ports', () => {
    const packet = plain()
      .extension(protocols.hopByHop)
      .extension(protocols.routing, [2, 0, 0, 0, 0, 0])
      .extension(protocols.destination, new Uint8Array(14))
      .extension(protocols.authentication, new Uint8Array(22))

    const verdict = node.fromPod('a', packet)

    expect(verdict).toMatchObject({action: 'peer', to: 'b'})
    expect(node.flows().some(({key}) => key.sport === 4000 && key.dport === 80)).toBe(true)
    expect(node.fromPod('b', tcp('[fd00:1::b]:80', '[fd00:1::a]:4000').synAck())).toMatchObject({to: 'a'})
    expect(node.flows()).toHaveLength(2)
  })

  test('source routes, endless chains and cut headers are invalid', () => {
    const invalid = drop('INVALID_IPV6_EXTENSION_HEADER')
    expect(node.fromPod('a', plain().extension(protocols.routing, [0, 1, 0, 0, 0, 0]))).toMatchObject(invalid)
    let chain = plain()
    for (let i = 0; i < 9; i++) chain = chain.extension(protocols.destination)
    expect(node.fromPod('a', chain)).toMatchObject(invalid)
    const cut = plain().extension(protocols.hopByHop).mac(macs.a.pod, macs.a.node).bytes.slice()
    cut[55] = 200
    expect(node.fromPod('a', cut)).toMatchObject(invalid)
  })

  test('a masqueraded packet keeps them', () => {
    const sent = udp('[fd00:1::a]:40001', '[2001:db8:9::9]:53').extension(protocols.destination).data('q')

    expect(node.fromPod('a', sent)).toMatchPacket({src: '[fd01::1]:40001', extensions: [60]})
  })

  test('nothing after the headers is a packet without ports', () => {
    expect(node.fromPod('a', rawIp('fd00:1::a', 'fd00:1::b', protocols.noNext))).toMatchObject({action: 'peer'})
  })
})
