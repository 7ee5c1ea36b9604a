/** Services for clients outside: node ports and addresses of load balancers, through the node that is asked. */
import {describe, expect, test} from 'vitest'
import {frontendFlags, frontendKind, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {type BpfNode, plans} from './node.ts'
import {type NodeServices, serviceNode} from './services.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmpError} from './support/messages.ts'
import {tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

const kind = frontendKind.FRONTEND_NODE_PORT

describe.each([
  {name: 'np', mode: 'native routing', config: {nodeport: 1, tunnel: 0}},
  {name: 'npt', mode: 'the overlay', config: {nodeport: 1, tunnel: 1}},
])('with $mode', ({name, config}) => {
  let node: BpfNode
  let services: NodeServices
  serviceNode(name, config, (...made) => {
    ;[node, services] = made
  })

  describe.each(plans)('IPv$family', (plan) => {
    const {family, b, remote, node: host, node2, router, outside, gateway, end} = plan
    const external = family === 4 ? '198.51.100.77' : '2001:db8:7::77'

    test('a pod of this node sees the client, and answers from the node port', () => {
      services.add(end(host, 30080), [end(b, 8080)], {kind})

      const request = node.fromNet(tcp(end(outside, 40001), end(host, 30080)).syn())
      const reply = node.fromPod('b', answer(request.packet).synAck())
      const data = node.fromNet(tcp(end(outside, 40001), end(host, 30080)).push('hello'))

      expect(request).toMatchObject({action: 'peer', to: 'b'})
      expect(request).toMatchPacket({src: end(outside, 40001), dst: end(b, 8080), ttl: 63})
      expect(reply).toMatchObject({action: 'neighbour', to: 'eth0', hop: gateway})
      expect(reply).toMatchPacket({src: end(host, 30080), dst: end(outside, 40001)})
      expect(data).toMatchPacket({dst: end(b, 8080), payload: 'hello'})
    })

    test('a pod of another node sees this one, and its answer goes back through here', () => {
      services.add(end(host, 30053), [end(remote, 5353)], {kind, protocol: 'udp'})
      const own = config.tunnel ? router : host

      const query = node.fromNet(udp(end(outside, 40001), end(host, 30053)).data('query'))
      const back = answer(query.packet).data('response')
      const response = config.tunnel ? node.fromOverlay(back) : node.fromNet(back)

      if (config.tunnel) expect(query).toMatchObject({action: 'redirect', to: 'overlay', vni: 2})
      else expect(query).toMatchObject({action: 'neighbour', to: 'eth0', hop: node2})
      expect(query).toMatchPacket({src: end(own, 40001), dst: end(remote, 5353), payload: 'query'})
      expect(response).toMatchObject({action: 'neighbour', to: 'eth0', hop: gateway})
      expect(response).toMatchPacket({src: end(host, 30053), dst: end(outside, 40001), payload: 'response'})
    })

    test('two clients with the same port keep their own answers', () => {
      services.add(end(external, 80), [end(remote, 8080)], {kind: frontendKind.FRONTEND_LOAD_BALANCER})
      const first = node.fromNet(tcp(end(outside, 40001), end(external, 80)).syn())
      const other = node.fromNet(tcp(end(gateway, 40001), end(external, 80)).syn())
      const send = (back: ReturnType<typeof answer>) => (config.tunnel ? node.fromOverlay(back) : node.fromNet(back))

      expect(parsePacket(other.packet).transport!.sport).not.toBe(40001)
      expect(send(answer(first.packet).synAck())).toMatchPacket({src: end(external, 80), dst: end(outside, 40001)})
      expect(send(answer(other.packet).synAck())).toMatchPacket({src: end(external, 80), dst: end(gateway, 40001)})
    })

    test('a process of this node answers from the node port', () => {
      services.add(end(host, 30443), [end(host, 6443)], {kind})

      const request = node.fromNet(tcp(end(outside, 40001), end(host, 30443)).syn())
      const reply = node.toNet(answer(request.packet).synAck())

      expect(request).toMatchObject({action: 'pass'})
      expect(request).toMatchPacket({src: end(outside, 40001), dst: end(host, 6443)})
      expect(reply).toMatchObject({action: 'pass'})
      expect(reply).toMatchPacket({src: end(host, 30443), dst: end(outside, 40001)})
    })

    test('policy judges the client', () => {
      services.add(end(host, 30080), [end(b, 8080)], {kind})
      node.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})

      const request = node.fromNet(tcp(end(outside, 40001), end(host, 30080)).syn())

      expect(request).toMatchObject({action: 'drop', reason: 'POLICY_DENIED'})
    })

    test('without backends the client is refused, unless only those of this node count', () => {
      services.add(end(host, 30080), [], {kind})
      services.add(end(host, 30081), [], {kind, flags: frontendFlags.FRONTEND_DROP})

      const refused = node.fromNet(tcp(end(outside, 40001), end(host, 30080)).syn())
      const silent = node.fromNet(tcp(end(outside, 40001), end(host, 30081)).syn())

      expect(refused).toMatchObject({action: 'redirect', to: 'eth0', reason: 'SERVICE_BACKEND_NOT_FOUND'})
      expect(refused).toMatchPacket({
        src: host,
        dst: outside,
        icmp: family === 4 ? {type: 3, code: 3} : {type: 1, code: 4},
      })
      expect(silent).toMatchObject({action: 'drop', reason: 'NO_LOCAL_BACKEND'})
    })

    test('a local policy counts only from outside', () => {
      const flags = frontendFlags.FRONTEND_SCOPES | frontendFlags.FRONTEND_DROP
      services.add(end(host, 30080), [], {kind, flags})
      services.add(end(host, 30080), [end(remote, 8080)], {kind, scope: 1})

      expect(node.fromNet(tcp(end(outside, 40001), end(host, 30080)).syn())).toMatchObject({reason: 'NO_LOCAL_BACKEND'})
      expect(node.fromPod('a', tcp(end(plan.a, 40001), end(host, 30080)).syn())).toMatchPacket({dst: end(remote, 8080)})
    })

    test('a pod reaches a NodePort on every address of every node, and only NodePorts there', () => {
      const any = family === 4 ? '0.0.0.0' : '::'
      services.add(end(any, 30080), [end(b, 8080)], {kind, flags: frontendFlags.FRONTEND_INTERNAL_ONLY})

      for (const at of [node2, host, router]) {
        const request = node.fromPod('a', tcp(end(plan.a, 40001), end(at, 30080)).syn())
        const reply = node.fromPod('b', answer(request.packet).synAck())

        expect(request).toMatchObject({action: 'peer', to: 'b'})
        expect(request).toMatchPacket({dst: end(b, 8080)})
        expect(reply).toMatchPacket({src: end(at, 30080), dst: end(plan.a, 40001)})
      }
      expect(node.fromPod('a', tcp(end(plan.a, 40001), end(node2, 22)).syn())).toMatchPacket({dst: end(node2, 22)})
      expect(node.fromPod('a', tcp(end(plan.a, 40001), end(node2, 30081)).syn())).toMatchPacket({
        dst: end(node2, 30081),
      })
      // from outside only the node's own rows count
      expect(node.fromNet(tcp(end(outside, 40001), end(host, 30080)).syn())).toMatchObject({action: 'pass'})
    })

    test('source ranges let in whom they name, or keep them out', () => {
      const range = family === 4 ? '203.0.113.0/24' : '2001:db8:9::/48'
      const allow = {kind: frontendKind.FRONTEND_LOAD_BALANCER, flags: frontendFlags.FRONTEND_SOURCE_RANGES}
      const ask = (from: string) => node.fromNet(tcp(end(from, 40001), end(external, 80)).syn())

      services.add(end(external, 80), [end(b, 8080)], {...allow, service: 7})
      services.ranges(7, [range])
      expect(ask(outside)).toMatchObject({action: 'peer'})
      expect(ask(gateway)).toMatchObject({action: 'drop', reason: 'DENIED_BY_LB_SRC_RANGE_CHECK'})

      node.flush()
      const deny = allow.flags | frontendFlags.FRONTEND_DENY_RANGES
      services.add(end(external, 80), [end(b, 8080)], {...allow, service: 7, flags: deny})
      expect(ask(outside)).toMatchObject({action: 'drop', reason: 'DENIED_BY_LB_SRC_RANGE_CHECK'})
      expect(ask(gateway)).toMatchObject({action: 'peer'})
    })

    test('a ClusterIP is not for clients outside, nor is another port of an address', () => {
      services.add(end(external, 80), [end(b, 8080)], {flags: frontendFlags.FRONTEND_INTERNAL_ONLY})

      expect(node.fromNet(tcp(end(outside, 40001), end(external, 80)).syn())).toMatchObject({reason: 'IS_A_CLUSTERIP'})
      expect(node.fromNet(tcp(end(outside, 40001), end(external, 81)).syn())).toMatchObject({reason: 'NO_SERVICE_PORT'})
    })

    test('what is not for a service is left to the node', () => {
      services.add(end(host, 30080), [end(b, 8080)], {kind})

      for (const packet of [
        tcp(end(outside, 40001), end(host, 22)).syn(),
        tcp(end(outside, 40001), end(host, 30080)).ack(),
        udp(end(outside, 40001), end(host, 30080)).data('x'),
      ])
        expect(node.fromNet(packet)).toMatchObject({action: 'pass'})
    })

    test('an error about a packet to a backend elsewhere reaches the client', () => {
      services.add(end(host, 30053), [end(remote, 5353)], {kind, protocol: 'udp'})
      const own = config.tunnel ? router : host
      node.fromNet(udp(end(outside, 40001), end(host, 30053)).data('x'))

      const error = icmpError('port-unreachable', remote, udp(end(own, 40001), end(remote, 5353)).data('x'))
      const seen = config.tunnel ? node.fromOverlay(error) : node.fromNet(error)

      expect(seen).toMatchObject({action: 'neighbour', to: 'eth0'})
      expect(seen).toMatchPacket({dst: outside, inner: {src: end(outside, 40001), dst: end(host, 30053)}})
    })
  })
})
