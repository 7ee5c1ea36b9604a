/** Pods leave with the source address that the node's own traffic has: what the route names, if it does. */
import {execFileSync} from 'node:child_process'
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {fibSourceFlag, probeFibFlags} from '../../src/kernel/bpf/probe.ts'
import {BpfNode, plans} from './node.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {udp} from './support/packet.ts'

const special = {
  4: {destination: '198.51.100.7', source: '192.168.0.77'},
  6: {destination: '2001:db8:7::7', source: 'fd01::77'},
} as const

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('source', {config: {routeSource: 1}})
  node.inside(() => {
    for (const {family, gateway} of plans) {
      const {destination, source} = special[family]
      const ip = (...args: string[]) => execFileSync('ip', [`-${family}`, ...args])
      // one that is used only where a route says so
      const more = family === 6 ? ['nodad', 'preferred_lft', '0'] : []
      ip('address', 'add', `${source}/${family === 4 ? 32 : 128}`, 'dev', 'eth0', ...more)
      ip('route', 'add', destination, 'via', gateway, 'dev', 'eth0', 'src', source)
    }
  })
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

// kernels before 6.7 do not tell, and there the agent refuses to start with it
describe.skipIf(!probeFibFlags(fibSourceFlag)).each(plans)('IPv$family', ({family, a, outside, node: host, end}) => {
  const {destination, source} = special[family]

  test('by way of the node, and its answer finds the pod', () => {
    const request = node.fromPod('a', udp(end(a, 40001), end(destination, 53)).data('query'))
    const reply = node.fromNet(answer(request.packet).data('response'))

    expect(request).toMatchPacket({src: end(source, 40001), dst: end(destination, 53), payload: 'query'})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(destination, 53), dst: end(a, 40001), payload: 'response'})
  })

  test("by way of the node's stack", () => {
    const request = node.toNet(udp(end(a, 40001), end(destination, 53)).data('query'))

    expect(request).toMatchObject({action: 'pass'})
    expect(request).toMatchPacket({src: end(source, 40001), payload: 'query'})
  })

  test('where no route names one they leave as the node itself', () => {
    expect(node.fromPod('a', udp(end(a, 40001), end(outside, 53)))).toMatchPacket({src: end(host, 40001)})
    expect(node.toNet(udp(end(a, 40002), end(outside, 53)))).toMatchPacket({src: end(host, 40002)})
  })
})
