/** Source ports for masquerade when those of the first range are used up. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {bindSocket, closeFd, openSocket} from '../../src/kernel/libc.ts'
import {BpfNode, plans} from './node.ts'
import './support/match.ts'
import {answer} from './support/answer.ts'
import {udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

const AF_INET6 = 10
const SOCK_DGRAM = 2
const first = [40000, 40001, 40002, 40003]
const second = [2000, 2001, 2002, 2003]
const used = 2001

let node: BpfNode
let socket: number | undefined
beforeAll(async () => {
  node = await BpfNode.make('ports', {config: {natPortMin: 40000, natPortMax: 40003, natLowMin: 2000, natLowMax: 2003}})
  // as most programs listen: for both families
  const address = new Uint8Array(28)
  new DataView(address.buffer).setUint16(0, AF_INET6, true)
  new DataView(address.buffer).setUint16(2, used)
  socket = node.inside(() => openSocket(AF_INET6, SOCK_DGRAM, 0, 'make a socket'))
  bindSocket(socket, address, 'listen')
})
afterAll(() => {
  if (socket !== undefined) closeFd(socket)
  node?.close()
})
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', ({a, outside, node: host, end}) => {
  test('those of the second range follow, but for one that a process of the node listens on', () => {
    const taken: number[] = []
    let refused = 0
    for (let i = 0; i < 20; i++) {
      const {action, reason, packet} = node.fromPod('a', udp(end(a, 1000 + i), end(outside, 53)))
      if (action === 'drop') refused += reason === 'NO_MAPPING_FOR_NAT_MASQUERADE' ? 1 : 100
      else taken.push(parsePacket(packet).transport!.sport)
    }

    const free = second.filter((port) => port !== used)
    expect([...taken.slice(0, first.length)].sort()).toEqual(first)
    expect([...taken.slice(first.length)].sort()).toEqual(free)
    expect(refused).toBe(20 - first.length - free.length)
  })

  test('an answer to a port of the second range finds its pod', () => {
    for (let i = 0; i < first.length; i++) node.fromPod('a', udp(end(a, 1000 + i), end(outside, 53)))
    const request = node.fromPod('a', udp(end(a, 40000), end(outside, 53)).data('late'))
    const reply = node.fromNet(answer(request.packet).data('heard'))

    expect(second).toContain(parsePacket(request.packet).transport!.sport)
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(outside, 53), dst: end(a, 40000), payload: 'heard'})
    expect(request).toMatchPacket({src: end(host, parsePacket(request.packet).transport!.sport)})
  })
})
