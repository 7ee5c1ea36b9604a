import {execFileSync} from 'node:child_process'
import {resolve} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {answer} from './support/answer.ts'
import {malformed} from './support/malformed.ts'
import './support/match.ts'
import {arp, frame, icmpError, neighbourAdvertisement, neighbourSolicitation} from './support/messages.ts'
import {fragments, icmp, Packet, protocols, rawIp, tcp, udp, vxlan} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'
import {Rig} from './support/rig.ts'

const pairs = [
  {family: 4, a: '10.0.1.9', b: '10.96.0.10', end: (ip: string, port: number) => `${ip}:${port}`},
  {family: 6, a: 'fd00::9', b: 'fd00:96::10', end: (ip: string, port: number) => `[${ip}]:${port}`},
]

/** What tcpdump says of a packet: an opinion that is not ours. */
function tcpdump(bytes: Uint8Array): string {
  const header = Buffer.alloc(40)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(65535, 16)
  header.writeUInt32LE(1, 20)
  header.writeUInt32LE(bytes.length, 32)
  header.writeUInt32LE(bytes.length, 36)
  return execFileSync('tcpdump', ['-n', '-vv', '-r', '-'], {
    input: Buffer.concat([header, bytes]),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
}

describe.each(pairs)('packets of IPv$family', ({family, a, b, end}) => {
  const from = end(a, 4000)
  const to = end(b, 80)

  test('TCP segments are sound to tcpdump', () => {
    const text = tcpdump(tcp(from, to).push('hello').tcpOptions(2, 4, 5, 180).bytes)

    expect(text).toMatch(/Flags \[P.\], cksum 0x\w+ \(correct\), seq 1000:1005, .*options \[mss 1460\], length 5/)
  })

  test('UDP datagrams and pings are sound to tcpdump', () => {
    expect(tcpdump(udp(from, to).data('x').bytes)).toMatch(/\[udp sum ok\] .*length 1/)
    expect(tcpdump(icmp(a, b).echo(7, 9).data(40).bytes)).toMatch(/echo request, id 7, seq 9/)
    expect(tcpdump(icmp(a, b).echo(7, 9).data(40).bytes)).not.toMatch(/wrong|bad|unreachable/)
  })

  test('an ICMP error quotes the packet it is about', () => {
    const about = tcp(from, to).ack().data(100)
    const error = icmpError('too-big', family === 4 ? '192.0.2.1' : '2001:db8::1', about, {mtu: 1400})

    expect(tcpdump(error.bytes)).toMatch(family === 4 ? /need to frag \(mtu 1400\)/ : /packet too big, mtu 1400/)
    expect(error).toMatchPacket({dst: a, icmp: {mtu: 1400}, inner: {src: from, dst: to, protocol: 'tcp', flags: 'A'}})
  })

  test('pieces of a datagram are whole together', () => {
    const pieces = fragments(udp(from, to).data(3000), 1200, 77)

    expect(pieces.map((piece) => parsePacket(piece.bytes).ip?.fragment)).toEqual([
      {offset: 0, more: true},
      {offset: 1200, more: true},
      {offset: 2400, more: false},
    ])
    expect(pieces[0]).toMatchPacket({src: from, dst: to, id: 77})
    expect(pieces[1]).toMatchPacket({src: a, dst: b})
    for (const piece of pieces) expect(tcpdump(piece.bytes)).not.toMatch(/bad|truncated/)
  })

  test('the answer goes the other way', () => {
    const request = tcp(from, to).syn().mac('02:00:00:00:00:0a', '02:00:00:00:00:0b')

    expect(answer(request).synAck()).toMatchPacket({
      src: to,
      dst: from,
      flags: 'SA',
      ack: 1001,
      macSource: '02:00:00:00:00:0b',
      macDestination: '02:00:00:00:00:0a',
    })
    expect(answer(icmp(a, b).echo(3, 4).data('ping'))).toMatchPacket({
      src: b,
      icmp: {type: family === 4 ? 0 : 129, id: 3},
      payload: 'ping',
    })
    expect(answer(udp(from, to).data('q')).data('a')).toMatchPacket({src: to, dst: from, payload: 'a'})
  })

  test('a tunnelled frame is read through its outer headers', () => {
    const outer = vxlan('192.0.2.1', '192.0.2.2', 4711, tcp(from, to).syn())

    expect(outer).toMatchPacket({dst: '192.0.2.2:8472', vni: 4711, inner: {src: from, dst: to, flags: 'S'}})
    expect(tcpdump(outer.bytes)).toMatch(/(vni|instance) 4711/)
  })

  test('broken checksums are seen, and only where they are', () => {
    expect(parsePacket(tcp(from, to).broken('transport').bytes).problems).toEqual(['transport-checksum'])
    expect(parsePacket(udp(from, to).data(9).bytes).problems).toEqual([])
    expect(tcp(from, to).broken('transport')).toMatchPacket({problems: ['transport-checksum']})
    expect(() => expect(tcp(from, to).broken('transport')).toMatchPacket({src: from})).toThrow()
  })

  test('every cut is read without throwing, and none as sound', () => {
    const whole = tcp(from, to).data(20).bytes
    for (let length = 0; length < whole.length; length++)
      expect(parsePacket(whole.subarray(0, length)).problems, `${length} bytes`).not.toEqual([])
  })
})

test('IPv4 options, fields and a broken header checksum', () => {
  const packet = udp('10.0.0.1:1', '10.0.0.2:2').options(7, 3, 4, 0).ttl(3).tos(0x20).id(99).dontFragment()

  expect(packet).toMatchPacket({ttl: 3, tos: 0x20, id: 99})
  expect(tcpdump(packet.bytes)).toMatch(/tos 0x20, ttl 3, id 99, .*flags \[DF\].*options \(RR/)
  expect(parsePacket(packet.broken('ip').bytes).problems).toEqual(['ip-checksum'])
})

test('IPv6 extension headers are walked to the transport', () => {
  const packet = tcp('[fd00::1]:1', '[fd00::2]:2')
    .extension(protocols.hopByHop)
    .extension(protocols.destination, new Uint8Array(14))
    .extension(protocols.authentication, new Uint8Array(22))

  expect(packet).toMatchPacket({src: '[fd00::1]:1', extensions: [0, 60, 51]})
  expect(tcpdump(packet.bytes)).toMatch(/HBH .*DSTOPT .*AH/)
})

test('an unknown protocol is sound and has no ports', () => {
  expect(rawIp('10.0.0.1', '10.0.0.2', 47).data(10)).toMatchPacket({src: '10.0.0.1', protocol: '47'})
})

test('a frame of another protocol is refused by name', () => {
  expect(parsePacket(frame(0x88cc, new Uint8Array(50))).problems).toEqual(['ethertype-unknown'])
})

test('neighbours are asked for and answered in both families', () => {
  const request = arp('request', {ip: '10.0.0.1', mac: '02:00:00:00:00:01'}, {ip: '10.0.0.2'})
  expect(request).toMatchPacket({protocol: 'arp', arp: {operation: 1, senderIp: '10.0.0.1', targetIp: '10.0.0.2'}})
  expect(tcpdump(request)).toMatch(/who-has 10.0.0.2 tell 10.0.0.1/)

  const me = {ip: 'fe80::1', mac: '02:00:00:00:00:01'}
  expect(tcpdump(neighbourSolicitation(me, 'fd00::2').bytes)).toMatch(/neighbor solicitation.*who has fd00::2/)
  expect(tcpdump(neighbourAdvertisement(me, {ip: 'fe80::2', mac: '02:00:00:00:00:02'}).bytes)).toMatch(
    /neighbor advertisement.*tgt is fe80::1/,
  )
})

test('malformed packets come from a seed, sound ones among them, and never upset the parser', () => {
  const sound = [
    tcp('10.0.0.1:1', '10.0.0.2:2').syn(),
    udp('[fd00::1]:1', '[fd00::2]:2').data(30).extension(protocols.hopByHop),
    ...fragments(udp('10.0.0.1:1', '10.0.0.2:2').data(200), 64),
  ]
  const take = (seed: number, count: number) => {
    const packets = malformed(sound, seed)
    return Array.from({length: count}, () => packets.next().value)
  }

  const packets = take(1, 20_000)

  expect(take(1, 100)).toEqual(packets.slice(0, 100))
  expect(take(2, 100)).not.toEqual(packets.slice(0, 100))
  const good = packets.filter((packet) => parsePacket(packet).problems.length === 0).length
  expect(good / packets.length).toBeGreaterThan(1 / 3)
  expect(good / packets.length).toBeLessThan(0.9)
})

describe('a rig', () => {
  let rig: Rig
  beforeAll(async () => {
    const [built] = await buildBpf({
      from: resolve(import.meta.dirname, 'support/programs'),
      to: resolve(import.meta.dirname, '../../dist/test/rig'),
    })
    rig = new Rig({
      name: 'rig-test',
      object: built!.object,
      devices: [
        {name: 'lxc1', ifindex: 4097, mac: '02:00:00:00:10:97'},
        {name: 'eth0', ifindex: 10, addresses: ['192.0.2.1/24', '2001:db8::1/64']},
      ],
    })
  })
  afterAll(() => rig?.close())

  test('runs a program on a packet and reads what it noted', () => {
    const packet = tcp('10.0.1.9:4000', '10.96.0.10:80').syn()

    const verdict = rig.run('rig_echo', packet, {ifindex: 4097, mark: 42})

    expect(verdict).toMatchObject({result: 0, action: 'redirect', ifindex: 4097, mark: 43, reason: ''})
    expect(verdict.tunnel).toEqual({remote: '192.0.2.9', identity: 42})
    expect(verdict).toMatchPacket({src: '10.0.1.9:4000', ttl: 63, problems: ['ip-checksum']})
  })

  test('forgets what an earlier run noted', () => {
    rig.run('rig_echo', tcp('10.0.1.9:4000', '10.96.0.10:80').syn(), {ifindex: 4097})

    expect(rig.run('rig_silent', new Packet(tcp('10.0.0.1:1', '10.0.0.2:2').spec))).toMatchObject({
      result: 2,
      action: 'none',
      ifindex: 0,
      tunnel: undefined,
    })
  })

  test('names the reason of a drop', () => {
    expect(rig.run('rig_drop', tcp('10.0.0.1:1', '10.0.0.2:2'))).toMatchObject({
      action: 'drop',
      reason: 'DROP_POLICY_DENIED',
    })
  })

  test('has the devices with the indexes that were wanted', () => {
    expect(() => rig.run('rig_silent', tcp('10.0.0.1:1', '10.0.0.2:2'), {ifindex: 11})).toThrow(/ENODEV/)
    expect(rig.run('rig_silent', tcp('10.0.0.1:1', '10.0.0.2:2'), {ifindex: 10}).result).toBe(2)
  })
})
