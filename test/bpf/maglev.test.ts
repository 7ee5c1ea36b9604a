/** Maglev: clients from outside are led to backends by a table, the same on every node. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {hashSeed, maglevTable} from '../../src/agent/service/maglev.ts'
import {frontendFlags, frontendKind} from '../../src/datapath/gen/enums.ts'
import {MaglevPages} from '../../src/datapath/maps/maglev.ts'
import {Ip} from '../../src/model/ip.ts'
import {BpfNode, plans} from './node.ts'
import {NodeServices, serviceConfig} from './services.ts'
import './support/match.ts'
import {tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

const seed = Uint8Array.from(Buffer.from('JLfvgnHc2kaSUFaI', 'base64'))
const size = 1021
const config = {...serviceConfig, nodeport: 1, hashSeed: hashSeed(seed)}

const destination = (packet: Uint8Array) => Ip.fromBytes(parsePacket(packet).ip!.destinationBytes).toString()

describe.each(plans)('IPv$family', (plan) => {
  const {family, a, b, node: host, node2, outside, end} = plan
  const names = (ips: readonly string[]) => ips.map((ip) => `${end(ip, 8080)}/TCP`)
  const both = [end(a, 8080), end(b, 8080)]
  let node: BpfNode
  let other: BpfNode
  let services: NodeServices
  let pages: MaglevPages
  beforeAll(async () => {
    node = await BpfNode.make(`mg${family}`, {config})
    other = await BpfNode.make(`mh${family}`, {config})
    services = new NodeServices(node)
    pages = new MaglevPages((name) => node.fd(name))
  })
  afterAll(() => {
    pages?.close()
    services?.close()
    node?.close()
    other?.close()
  })
  beforeEach(() => {
    node.reset()
    services.reset()
  })

  const kind = frontendKind.FRONTEND_NODE_PORT
  const ask = (to: BpfNode, ip: string, port: number) => {
    const {packet} = to.fromNet(tcp(end(outside, port), end(ip, 30080)).syn())
    return destination(packet)
  }
  const ports = Array.from({length: 200}, (_, i) => 20_000 + i)

  test('one table gives each backend its share, whichever address of the service is asked', () => {
    // across the end of a page: a table lies where there is room
    const table = 16_384 - 5
    pages.write(table, maglevTable(names([a, b]), size, seed))
    services.add(end(host, 30080), both, {kind, table, tableSize: size})
    services.add(end(node2, 30080), both, {kind, table, tableSize: size, reuse: true})

    const found = ports.map((port) => ask(node, host, port))
    node.flush()
    const again = ports.map((port) => ask(node, node2, port))

    expect(again).toEqual(found)
    const share = found.filter((ip) => ip === found[0]).length / ports.length
    expect(share).toBeGreaterThan(0.35)
    expect(share).toBeLessThan(0.65)
  })

  test('another node leads the same clients to the same backends', () => {
    using there = new MaglevPages((name) => other.fd(name))
    const theirs = new NodeServices(other)
    pages.write(1, maglevTable(names([a, b]), size, seed))
    services.add(end(host, 30080), both, {kind, table: 1, tableSize: size})
    // listed in another order, and with other numbers
    there.write(
      64,
      maglevTable(names([b, a]).toReversed(), size, seed).map((place) => 1 - place),
    )
    theirs.add(end(outside, 1), [end(outside, 2)], {kind})
    theirs.add(end(host, 30080), both.toReversed(), {kind, table: 64, tableSize: size})

    const here = ports.map((port) => ask(node, host, port))

    expect(ports.map((port) => ask(other, host, port))).toEqual(here)
    theirs.close()
  })

  test('flows stay with their backend when the table leads elsewhere', () => {
    pages.write(1, new Uint16Array(size).fill(0))
    services.add(end(host, 30080), both, {kind, table: 1, tableSize: size})
    const first = ask(node, host, 40_001)

    pages.write(1, new Uint16Array(size).fill(1))
    const data = node.fromNet(tcp(end(outside, 40_001), end(host, 30080)).push('x'))
    const fresh = ask(node, host, 40_002)

    expect(first).toBe(a)
    expect(data).toMatchPacket({dst: end(a, 8080)})
    expect(fresh).toBe(b)
  })

  test('a place that the list does not have, or a page that is not there, leads to some backend', () => {
    pages.write(1, new Uint16Array(size).fill(77))
    services.add(end(host, 30080), both, {kind, table: 1, tableSize: size})
    expect([a, b]).toContain(ask(node, host, 40_001))

    services.add(end(host, 30080), both, {kind, table: 999 * 16_384, tableSize: size})
    expect([a, b]).toContain(ask(node, host, 40_003))
  })

  test('session affinity comes before the table', () => {
    pages.write(1, new Uint16Array(size).fill(0))
    const flags = frontendFlags.FRONTEND_AFFINITY
    services.add(end(host, 30080), both, {kind, table: 1, tableSize: size, flags, affinityS: 60})
    expect(ask(node, host, 40_001)).toBe(a)

    pages.write(1, new Uint16Array(size).fill(1))

    expect(ask(node, host, 40_002)).toBe(a)
  })

  test('a datagram is led by its ports too', () => {
    pages.write(1, maglevTable(names([a, b]), size, seed))
    services.add(end(host, 30053), both, {kind, protocol: 'udp', table: 1, tableSize: size})

    const found = new Set(
      ports.map((port) => destination(node.fromNet(udp(end(outside, port), end(host, 30053)).data('q')).packet)),
    )

    expect([...found].sort()).toEqual([a, b].sort())
  })
})
