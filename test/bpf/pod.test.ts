/** Pods of one node: to each other, to the node and back. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {BpfNode, identities, macs, plans} from './node.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmp, tcp, udp} from './support/packet.ts'

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('pod')
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', ({a, b, router, node: host, end}) => {
  test('a pod reaches another on its node, and the answer comes back', () => {
    const request = node.fromPod('a', tcp(end(a, 4000), end(b, 80)).syn())
    const reply = node.fromPod('b', answer(request.packet).synAck())

    expect(request).toMatchObject({action: 'peer', to: 'b', reason: ''})
    expect(request).toMatchPacket({
      src: end(a, 4000),
      dst: end(b, 80),
      ttl: 63,
      macSource: macs.b.node,
      macDestination: macs.b.pod,
    })
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(b, 80), dst: end(a, 4000), flags: 'SA', macDestination: macs.a.pod})
  })

  test('a flow is one pair of entries with both identities', () => {
    node.fromPod('a', udp(end(a, 4000), end(b, 53)).data('q'))
    node.fromPod('a', udp(end(a, 4000), end(b, 53)).data('q'))
    node.fromPod('b', udp(end(b, 53), end(a, 4000)).data('a'))

    const flows = node.flows()

    expect(flows).toHaveLength(2)
    expect(flows.map(({flow}) => [flow.srcIdentity, flow.dstIdentity, flow.answered])).toEqual([
      [identities.a, identities.b, 1],
      [identities.a, identities.b, 1],
    ])
    expect(flows.map(({flow}) => flow.packets).sort()).toEqual([1, 2])
  })

  test('pings pass, told apart by their identifier', () => {
    const first = node.fromPod('a', icmp(a, b).echo(7))
    const second = node.fromPod('a', icmp(a, b).echo(8))
    const reply = node.fromPod('b', answer(first.packet))

    expect(first).toMatchObject({action: 'peer', to: 'b'})
    expect(second).toMatchObject({action: 'peer', to: 'b'})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(node.flows()).toHaveLength(4)
  })

  test('a pod reaches its node, and the node answers', () => {
    const request = node.fromPod('a', tcp(end(a, 4000), end(host, 10250)).syn())
    const reply = node.toPod('a', answer(request.packet).synAck())

    expect(request).toMatchObject({action: 'pass'})
    expect(request).toMatchPacket({ttl: 64, dst: end(host, 10250)})
    expect(reply).toMatchObject({action: 'pass'})
  })

  test('the node reaches its pod, and the pod answers', () => {
    const request = node.toPod('a', tcp(end(router, 4000), end(a, 8080)).syn())
    const reply = node.fromPod('a', tcp(end(a, 8080), end(router, 4000)).synAck())

    expect(request).toMatchObject({action: 'pass'})
    expect(reply).toMatchObject({action: 'pass'})
    expect(node.flows().map(({flow}) => flow.srcIdentity)).toEqual([1, 1])
  })
})
