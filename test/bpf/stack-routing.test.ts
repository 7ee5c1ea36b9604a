/** With the node's own stack between pods and the wire: a translator such as kube-proxy may live there. */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {BpfNode, plans} from './node.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {tcp} from './support/packet.ts'

let node: BpfNode
beforeAll(async () => {
  node = await BpfNode.make('stackroute', {config: {hostRouting: 0}})
})
afterAll(() => node?.close())
beforeEach(() => node.reset())

describe.each(plans)('IPv$family', ({a, b, node: host, outside, end}) => {
  test('whoever asks a pod by its own address is answered from it', () => {
    const request = tcp(end(outside, 4000), end(b, 80)).syn()
    const wire = node.fromNet(request)
    const delivered = node.toPod('b', wire.packet)
    const reply = node.fromPod('b', answer(delivered.packet).synAck())
    const sent = node.toNet(reply.packet)

    expect(wire).toMatchObject({action: 'pass'})
    expect(reply).toMatchObject({action: 'pass'})
    expect(sent).toMatchObject({action: 'pass'})
    expect(sent).toMatchPacket({src: end(b, 80), dst: end(outside, 4000), flags: 'SA'})
  })

  test('what a pod begins leaves with the address of the node, and the answer finds the pod', () => {
    const request = node.fromPod('a', tcp(end(a, 40001), end(outside, 443)).syn())
    const sent = node.toNet(request.packet)
    const reply = node.fromNet(answer(sent.packet).synAck())

    expect(request).toMatchObject({action: 'pass'})
    expect(sent).toMatchPacket({src: end(host, 40001), dst: end(outside, 443)})
    expect(reply).toMatchPacket({src: end(outside, 443), dst: end(a, 40001), flags: 'SA'})
  })
})
