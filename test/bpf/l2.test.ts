/** Addresses of services that the node answers for on its links. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {ciliumL2} from '../../src/datapath/gen/maps.ts'
import type {L2Entry, L2Key} from '../../src/datapath/gen/types.ts'
import {BpfMap} from '../../src/kernel/bpf/map.ts'
import {addr, BpfNode, devices, macs} from './node.ts'
import './support/match.ts'
import {arp, frame, neighbourSolicitation} from './support/messages.ts'

let node: BpfNode
let entries: BpfMap<L2Key, L2Entry>
const asker = {mac: '02:00:00:00:cc:01', v4: '192.168.0.77', v6: 'fd01::77'}
const served = {v4: '192.168.0.100', v6: 'fd01::100'}

beforeAll(async () => {
  node = await BpfNode.make('l2', {config: {l2: 1}})
  entries = new BpfMap(node.fd('cilium_l2'), ciliumL2)
})
afterAll(() => {
  entries?.close()
  node?.close()
})
beforeEach(() => {
  node.reset()
  entries.clear()
})

function lead(ip: string, seconds: number, ifindex: number = devices.eth0): void {
  const until = process.hrtime.bigint() + BigInt(seconds) * 1_000_000_000n
  entries.put({addr: addr(ip), ifindex}, {until: until < 0n ? 0n : until, answers: 0})
}

function answersFor(ip: string): number | undefined {
  return entries.get({addr: addr(ip), ifindex: devices.eth0})?.answers
}

describe('IPv4', () => {
  const question = arp('request', {ip: asker.v4, mac: asker.mac}, {ip: served.v4})

  test('who asks for an address that the node leads is told the node’s own', () => {
    lead(served.v4, 10)

    const answered = node.fromNet(question)

    expect(answered).toMatchObject({action: 'redirect', to: 'eth0'})
    expect(answered).toMatchPacket({
      macSource: macs.eth0,
      macDestination: asker.mac,
      arp: {operation: 2, senderIp: served.v4, senderMac: macs.eth0, targetIp: asker.v4, targetMac: asker.mac},
    })
    expect(answersFor(served.v4)).toBe(1)
  })

  test('nobody is told before the node leads, after its lease has ended, or on another link', () => {
    expect(node.fromNet(question)).toMatchObject({action: 'pass'})
    lead(served.v4, -1)
    expect(node.fromNet(question)).toMatchObject({action: 'pass'})
    entries.clear()
    lead(served.v4, 10, devices.eth0 + 1)
    expect(node.fromNet(question)).toMatchObject({action: 'pass'})
  })

  test('announcements of others, answers and what is malformed are the stack’s', () => {
    lead(served.v4, 10)
    const odd = Uint8Array.from(question)
    odd[15] = 6

    for (const packet of [
      arp('request', {ip: served.v4, mac: asker.mac}, {ip: served.v4}),
      arp('reply', {ip: asker.v4, mac: asker.mac}, {ip: served.v4, mac: macs.eth0}),
      question.subarray(0, 41),
      odd,
      frame(0x88cc, new Uint8Array(40)),
    ])
      expect(node.fromNet(packet)).toMatchObject({action: 'pass'})
    expect(answersFor(served.v4)).toBe(0)
  })
})

describe('IPv6', () => {
  test('who asks is answered, with the solicited flag and no claim to be a router', () => {
    lead(served.v6, 10)

    const answered = node.fromNet(neighbourSolicitation({ip: asker.v6, mac: asker.mac}, served.v6))

    expect(answered).toMatchObject({action: 'redirect', to: 'eth0'})
    expect(answered).toMatchPacket({
      src: served.v6,
      dst: asker.v6,
      ttl: 255,
      macSource: macs.eth0,
      macDestination: asker.mac,
      icmp: {type: 136},
    })
    expect([...answered.packet.subarray(58, 62)]).toEqual([0x60, 0, 0, 0])
    expect([...answered.packet.subarray(62, 78)]).toEqual([...addr(served.v6)])
    expect([...answered.packet.subarray(78, 86)]).toEqual([2, 1, 2, 0, 0, 0, 0xee, 1])
  })

  test('who wants to take the address is told, with all others, that it has been taken', () => {
    lead(served.v6, 10)

    const answered = node.fromNet(neighbourSolicitation({ip: '::', mac: asker.mac}, served.v6))

    expect(answered).toMatchPacket({src: served.v6, dst: 'ff02::1', macDestination: '33:33:00:00:00:01'})
    expect([...answered.packet.subarray(58, 62)]).toEqual([0x20, 0, 0, 0])
  })

  test('nobody is told what the node does not lead, nor from beyond the link', () => {
    const question = neighbourSolicitation({ip: asker.v6, mac: asker.mac}, served.v6)
    expect(node.fromNet(question)).toMatchObject({action: 'pass'})
    lead(served.v6, 10)
    expect(node.fromNet(neighbourSolicitation({ip: asker.v6, mac: asker.mac}, served.v6).ttl(64))).toMatchObject({
      action: 'pass',
    })
    expect(node.fromNet(neighbourSolicitation({ip: asker.v6, mac: asker.mac}, 'fd01::101'))).toMatchObject({
      action: 'pass',
    })
    expect(answersFor(served.v6)).toBe(0)
  })
})

test('with the feature off nothing is looked up', () => {
  const off = new BpfNode('l2off')
  try {
    using map = new BpfMap(off.fd('cilium_l2'), ciliumL2)
    map.put({addr: addr(served.v4), ifindex: devices.eth0}, {until: 2n ** 62n, answers: 0})

    expect(off.fromNet(arp('request', {ip: asker.v4, mac: asker.mac}, {ip: served.v4}))).toMatchObject({action: 'pass'})
  } finally {
    off.close()
  }
})
