/**
 * A pod, or somebody on the wire, who wants to be somebody else. What single features refuse has its tests beside them
 * (source-check, overlay, fragment); here is what goes by way of several, each with its reason, in all routings.
 */
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {addressFlags} from '../../src/datapath/gen/enums.ts'
import {BpfNode, identities, plans} from './node.ts'
import {PolicyRules} from './policy-rules.ts'
import {fragments, rawIp, tcp, udp, vxlan} from './support/packet.ts'

const drop = (reason: string) => ({action: 'drop', reason})
const nodes = new Map<string, BpfNode>()
const settings = {
  tunnel: {tunnel: 1, defrag: 1},
  native: {defrag: 1},
  'tunnel by way of the stack': {tunnel: 1, defrag: 1, hostRouting: 0},
} as const

beforeAll(async () => {
  for (const [name, config] of Object.entries(settings)) {
    nodes.set(name, await BpfNode.make(`spoof-${name.replaceAll(' ', '-').slice(0, 12)}`, {config}))
  }
})
afterAll(() => {
  for (const node of nodes.values()) node.close()
})
beforeEach(() => {
  for (const node of nodes.values()) node.reset()
})

describe.each(Object.keys(settings))('%s', (name) => {
  const at = () => nodes.get(name)!
  const {tunnel = 0} = settings[name as keyof typeof settings] as {tunnel?: number}

  describe.each(plans)('IPv$family', ({a, b, remote, router, node: own, node2, outside, end}) => {
    test('a foreign source is refused, whoever has the address', () => {
      for (const foreign of [b, remote, router, own, node2, outside])
        expect(at().fromPod('a', udp(end(foreign, 1), end(b, 53))), foreign).toMatchObject(drop('INVALID_SOURCE_IP'))
      expect(at().flows()).toEqual([])
    })

    test('bits of an identity in a mark open nothing', () => {
      using policy = closePolicy(at())
      at().pod('a', {egressSet: policy.set})
      const marks = [0x0100, 0x0200, 0x0300, 0x0f00, 0xffff_0f00, (1 << 16) | 0x0f00, (identities.b << 16) | 0x0d00]
      for (const mark of marks) {
        const packet = tcp(end(a, 4000), end(b, 80)).syn()
        expect(at().fromPod('a', packet, {mark: mark >>> 0}), `${mark}`).toMatchObject(drop('POLICY_DENIED'))
      }
    })

    test('nor do the bytes of a header that others carry identities in', () => {
      using policy = closePolicy(at())
      at().pod('b', {ingressSet: policy.set})
      for (const tos of [0x04, 0xb8, 0xfc])
        expect(at().fromPod('a', tcp(end(a, 4000), end(b, 80)).syn().tos(tos))).toMatchObject(drop('POLICY_DENIED'))
    })

    test('a datagram in disorder to the own node is judged, too', () => {
      using policy = closePolicy(at())
      at().pod('a', {egressSet: policy.set})
      for (const target of [own, router]) {
        const pieces = fragments(udp(end(a, 40001), end(target, 8053)).data(3000), 1200, 9)
        for (const i of [1, 0, 2]) expect(at().fromPod('a', pieces[i]!).action, `${target} ${i}`).toBe('drop')
      }
    })

    if (tunnel === 1) {
      test('the overlay’s language is refused in pieces and out of order, to every node', () => {
        const forged = vxlan(a, own, 1, tcp(end(remote, 1), end(b, 80)).syn()).data(3000)
        const pieces = fragments(forged, 1200, 11)
        expect(at().fromPod('a', pieces[1]!)).toMatchObject(drop('FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND'))
        expect(at().fromPod('a', pieces[0]!)).toMatchObject(drop('ENCAPSULATION_TRAFFIC_IS_PROHIBITED'))
        expect(at().fromPod('a', pieces[2]!).action).toBe('drop')

        // to another node it goes by way of the stack, which puts it in order: there it is met again
        const far = fragments(vxlan(a, node2, 1, tcp(end(remote, 1), end(b, 80)).syn()).data(3000), 1200, 12)
        for (const i of [1, 0, 2]) at().fromPod('a', far[i]!)
        for (const piece of far) expect(at().toNet(piece).action).toBe('drop')
        expect(at().toNet(far[0]!)).toMatchObject(drop('ENCAPSULATION_TRAFFIC_IS_PROHIBITED'))
      })

      test('on the wire nobody is a pod', () => {
        for (const pod of [a, b, remote])
          expect(at().fromNet(tcp(end(pod, 4000), end(b, 80)).syn()).action, pod).not.toBe('peer')
      })

      test('a tunnel does not make a sender the host, or a pod of this node', () => {
        const packet = udp(end(remote, 1), end(b, 53))
        for (const identity of [0, 1])
          expect(at().fromOverlay(packet, {identity})).toMatchObject(drop('INVALID_IDENTITY'))
        for (const ours of [a, own, router])
          expect(at().fromOverlay(udp(end(ours, 1), end(b, 53)))).toMatchObject(drop('INVALID_SOURCE_IP'))
      })
    }

    test('other encapsulations are judged as the protocols that they are', () => {
      using policy = closePolicy(at())
      at().pod('a', {egressSet: policy.set})
      for (const protocol of [4, 41, 47, 94])
        expect(at().fromPod('a', rawIp(a, node2, protocol)), `${protocol}`).toMatchObject(drop('POLICY_DENIED'))
    })

    test('an address that is a node’s by its flags alone is no way around', () => {
      at().address(outside, {identity: 6, flags: addressFlags.ADDRESS_REMOTE_NODE})
      const asked = at().fromPod('a', vxlan(a, outside, 1, udp(end(a, 1), end(b, 2))))

      if (tunnel === 1) expect(asked).toMatchObject(drop('ENCAPSULATION_TRAFFIC_IS_PROHIBITED'))
      else expect(asked.action).not.toBe('drop')
    })
  })
})

/** A rule set that allows nothing. */
function closePolicy(node: BpfNode): {readonly set: number} & Disposable {
  const rules = new PolicyRules(node)
  return {set: rules.install([]), [Symbol.dispose]: () => rules.close()}
}
