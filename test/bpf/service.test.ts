/** Services for pods, translated packet by packet. */
import {describe, expect, test} from 'vitest'
import {frontendFlags, frontendKind, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {Ip} from '../../src/model/ip.ts'
import {type BpfNode, identities, plans} from './node.ts'
import {type NodeServices, serviceNode} from './services.ts'
import {answer} from './support/answer.ts'
import './support/match.ts'
import {icmpError} from './support/messages.ts'
import {icmp, protocols, rawIp, tcp, udp} from './support/packet.ts'
import {parsePacket} from './support/parse.ts'

let node: BpfNode
let services: NodeServices
const tunnel = {tunnel: 1}

serviceNode('svc', tunnel, (...made) => {
  ;[node, services] = made
})

describe.each(plans)('IPv$family', (plan) => {
  const {family, a, b, remote, node: host, node2, outside, end} = plan
  const vip = family === 4 ? '10.96.0.10' : 'fd00:96::10'
  const loopback = family === 4 ? '169.254.42.1' : '100::a9fe:2a01'

  test('a pod reaches a backend on its node and gets the answer from the service', () => {
    services.add(end(vip, 80), [end(b, 8080)])

    const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())
    const reply = node.fromPod('b', answer(request.packet).synAck())
    const data = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).push('hello'))

    expect(request).toMatchObject({action: 'peer', to: 'b'})
    expect(request).toMatchPacket({src: end(a, 40001), dst: end(b, 8080), ttl: 63, flags: 'S'})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(vip, 80), dst: end(a, 40001), flags: 'SA'})
    expect(data).toMatchPacket({dst: end(b, 8080), payload: 'hello'})
  })

  test('datagrams go there and back', () => {
    services.add(end(vip, 53), [end(b, 5353)], {protocol: 'udp'})

    const query = node.fromPod('a', udp(end(a, 40001), end(vip, 53)).data('query'))
    const response = node.fromPod('b', answer(query.packet).data('response'))

    expect(query).toMatchPacket({dst: end(b, 5353), payload: 'query'})
    expect(response).toMatchPacket({src: end(vip, 53), dst: end(a, 40001), payload: 'response'})
  })

  test('a backend of another node is reached through the overlay', () => {
    services.add(end(vip, 80), [end(remote, 8080)])

    const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())
    const reply = node.fromOverlay(answer(request.packet).synAck())

    expect(request).toMatchObject({action: 'redirect', to: 'overlay', vni: identities.a})
    expect(request).toMatchPacket({src: end(a, 40001), dst: end(remote, 8080)})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(vip, 80), dst: end(a, 40001)})
  })

  test('a backend on this node itself is reached by the stack', () => {
    services.add(end(vip, 443), [end(host, 6443)])

    const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 443)).syn())
    const reply = node.toPod('a', answer(request.packet).synAck())

    expect(request).toMatchObject({action: 'pass'})
    expect(request).toMatchPacket({src: end(a, 40001), dst: end(host, 6443)})
    expect(reply).toMatchObject({action: 'pass'})
    expect(reply).toMatchPacket({src: end(vip, 443), dst: end(a, 40001)})
  })

  test('a backend on another node itself, or outside, sees the node as the client', () => {
    for (const backend of [node2, outside]) {
      services.reset()
      node.flush()
      services.add(end(vip, 443), [end(backend, 6443)])

      const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 443)).syn())
      const reply = node.fromNet(answer(request.packet).synAck())

      expect(request).toMatchObject({action: 'neighbour', to: 'eth0'})
      expect(request).toMatchPacket({src: end(host, 40001), dst: end(backend, 6443)})
      expect(reply).toMatchObject({action: 'peer', to: 'a'})
      expect(reply).toMatchPacket({src: end(vip, 443), dst: end(a, 40001)})
    }
  })

  test('a pod that reaches itself sees the loopback address, whatever its policy says', () => {
    services.add(end(vip, 80), [end(a, 8080)])
    node.pod('a', {egressSet: ruleSetNumber.SET_CLOSED, ingressSet: ruleSetNumber.SET_CLOSED})

    const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())
    const reply = node.fromPod('a', answer(request.packet).synAck())
    node.moveEpoch()
    const data = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).push('hello'))

    expect(request).toMatchObject({action: 'peer', to: 'a'})
    expect(request).toMatchPacket({src: end(loopback, 40001), dst: end(a, 8080)})
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(reply).toMatchPacket({src: end(vip, 80), dst: end(a, 40001)})
    expect(data).toMatchPacket({src: end(loopback, 40001), dst: end(a, 8080), payload: 'hello'})
  })

  test('a pod to which an address is redirected goes itself where it would go without that', () => {
    const kind = frontendKind.FRONTEND_LOCAL_REDIRECT
    const flags = frontendFlags.FRONTEND_INTERNAL_ONLY
    const scopes = flags | frontendFlags.FRONTEND_SCOPES
    const spares = flags | frontendFlags.FRONTEND_SPARES_BACKENDS
    const ask = (pod: 'a' | 'b', to: string) => node.fromPod(pod, udp(end(plan[pod], 40001), to).data('x'))
    services.add(end(vip, 53), [end(remote, 53)], {protocol: 'udp', kind, flags: scopes})
    services.add(end(vip, 53), [end(b, 5353)], {protocol: 'udp', kind, flags: spares, scope: 1})
    services.add(end(outside, 53), [], {protocol: 'udp', kind, flags: scopes})
    services.add(end(outside, 53), [end(b, 5353)], {protocol: 'udp', kind, flags: spares, scope: 1})

    for (const to of [end(vip, 53), end(outside, 53)]) expect(ask('a', to)).toMatchPacket({dst: end(b, 5353)})
    expect(ask('b', end(vip, 53))).toMatchPacket({src: end(b, 40001), dst: end(remote, 53)})
    expect(ask('b', end(outside, 53))).toMatchObject({action: 'neighbour', to: 'eth0'})
    expect(ask('b', end(outside, 53))).toMatchPacket({dst: end(outside, 53)})
  })

  test('policy judges the backend, not the service', () => {
    services.add(end(vip, 80), [end(b, 8080)])
    node.pod('b', {ingressSet: ruleSetNumber.SET_CLOSED})

    const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())

    expect(request).toMatchObject({action: 'drop', reason: 'POLICY_DENIED'})
  })

  test('a service that nobody serves refuses at once', () => {
    services.add(end(vip, 80), [])
    services.add(end(vip, 53), [], {protocol: 'udp'})

    const syn = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())
    const query = node.fromPod('a', udp(end(a, 40001), end(vip, 53)).data('query'))

    for (const [run, port] of [
      [syn, 80],
      [query, 53],
    ] as const) {
      expect(run).toMatchObject({action: 'peer', to: 'a', reason: 'SERVICE_BACKEND_NOT_FOUND'})
      expect(run).toMatchPacket({
        dst: a,
        icmp: family === 4 ? {type: 3, code: 3} : {type: 1, code: 4},
        inner: {src: end(a, 40001), dst: end(vip, port)},
      })
    }
    expect(node.flows()).toEqual([])
  })

  test('another port or protocol of a service address is dropped for that, and never leaves', () => {
    services.add(end(vip, 80), [end(b, 8080)])

    for (const packet of [
      tcp(end(a, 40001), end(vip, 81)).syn(),
      udp(end(a, 40001), end(vip, 80)).data('x'),
      icmp(a, vip).echo(1),
    ])
      expect(node.fromPod('a', packet)).toMatchObject({action: 'drop', reason: 'NO_SERVICE_PORT'})
  })

  test('SCTP is served by backends on the port of the service; no other can be', () => {
    const chunk = (sport: number, dport: number) =>
      Uint8Array.of(sport >> 8, sport & 255, dport >> 8, dport & 255, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 4)
    services.add(end(vip, 90), [end(b, 90)], {protocol: 'sctp'})
    services.add(end(vip, 91), [end(b, 9091)], {protocol: 'sctp'})
    services.add(end(vip, 92), [end(remote, 92)], {protocol: 'sctp'})

    const request = node.fromPod('a', rawIp(a, vip, protocols.sctp).data(chunk(4000, 90)))
    const reply = node.fromPod('b', rawIp(b, a, protocols.sctp).data(chunk(90, 4000)))
    const away = node.fromPod('a', rawIp(a, vip, protocols.sctp).data(chunk(4000, 92)))
    const other = node.fromPod('a', rawIp(a, vip, protocols.sctp).data(chunk(4000, 91)))

    expect(request).toMatchObject({action: 'peer', to: 'b'})
    expect(String(Ip.fromBytes(parsePacket(request.packet).ip!.destinationBytes))).toBe(b)
    expect(reply).toMatchObject({action: 'peer', to: 'a'})
    expect(String(Ip.fromBytes(parsePacket(reply.packet).ip!.sourceBytes))).toBe(vip)
    expect(away).toMatchObject({action: 'redirect', to: 'overlay'})
    expect(other).toMatchObject({action: 'drop', reason: 'UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE'})
  })

  test('a connection to a backend does not get the answers of one through its service', () => {
    services.add(end(vip, 80), [end(b, 8080)])

    const through = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())
    const straight = node.fromPod('a', tcp(end(a, 40001), end(b, 8080)).syn())
    const toThrough = node.fromPod('b', answer(through.packet).synAck())
    const toStraight = node.fromPod('b', answer(straight.packet).synAck())

    expect(parsePacket(straight.packet).transport!.sport).not.toBe(40001)
    expect(toThrough).toMatchPacket({src: end(vip, 80), dst: end(a, 40001)})
    expect(toStraight).toMatchPacket({src: end(b, 8080), dst: end(a, 40001)})
  })

  test('an established connection stays with its backend when the service changes', () => {
    services.add(end(vip, 80), [end(b, 8080)])
    const request = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).syn())
    node.fromPod('b', answer(request.packet).synAck())
    services.add(end(vip, 80), [end(remote, 8080)])

    const old = node.fromPod('a', tcp(end(a, 40001), end(vip, 80)).push('more'))
    const fresh = node.fromPod('a', tcp(end(a, 40002), end(vip, 80)).syn())

    expect(old).toMatchPacket({dst: end(b, 8080)})
    expect(fresh).toMatchPacket({dst: end(remote, 8080)})
  })

  test('datagrams of a client find another backend when theirs is gone', () => {
    const [gone] = services.add(end(vip, 53), [end(remote, 5353)], {protocol: 'udp'})
    const ask = () => node.fromPod('a', udp(end(a, 40001), end(vip, 53)).data('x'))
    const before = ask()

    services.add(end(vip, 53), [end(b, 5353)], {protocol: 'udp'})
    const kept = ask()
    services.removeBackend(gone!)
    node.moveEpoch()
    const after = ask()

    expect(before).toMatchPacket({dst: end(remote, 5353)})
    expect(kept).toMatchPacket({dst: end(remote, 5353)})
    expect(after).toMatchPacket({dst: end(b, 5353)})
    expect(node.fromPod('b', answer(after.packet).data('y'))).toMatchPacket({src: end(vip, 53)})
  })

  test('new connections are spread over all backends', () => {
    const backends = [end(a, 8080), end(b, 8080), end(remote, 8080)]
    services.add(end(vip, 80), backends)
    const seen = new Map<string, number>()

    for (let port = 1; port <= 300; port++) {
      const {packet} = node.fromPod('a', tcp(end(a, 20000 + port), end(vip, 80)).syn())
      const {dst} = parsePacket(packet)
      seen.set(dst!, (seen.get(dst!) ?? 0) + 1)
    }

    expect([...seen.keys()].sort()).toEqual([...backends].sort())
    for (const count of seen.values()) expect(count).toBeGreaterThan(60)
  })

  test('with affinity a client stays with its backend, until that is gone', () => {
    const backends = Array.from({length: 8}, (_, i) => end(remote, 8000 + i))
    const affine = {flags: frontendFlags.FRONTEND_AFFINITY, affinityS: 60}
    const ask = (port: number) => parsePacket(node.fromPod('a', tcp(end(a, port), end(vip, 80)).syn()).packet).dst!
    services.add(end(vip, 80), backends, affine)
    const first = ask(20001)

    const again = new Set(Array.from({length: 20}, (_, i) => ask(20100 + i)))
    services.add(end(vip, 80), [...backends].reverse(), {...affine, service: 1, reuse: true})
    const moved = new Set(Array.from({length: 20}, (_, i) => ask(20200 + i)))
    services.add(
      end(vip, 80),
      backends.filter((one) => one !== first),
      {...affine, service: 1, reuse: true},
    )
    const gone = new Set(Array.from({length: 20}, (_, i) => ask(20300 + i)))

    expect([...again]).toEqual([first])
    expect([...moved]).toEqual([first])
    expect(gone.size).toBe(1)
    expect([...gone]).not.toEqual([first])
  })

  test('an error about a translated packet reaches the client as one about the service', () => {
    services.add(end(vip, 53), [end(b, 5353)], {protocol: 'udp'})
    node.fromPod('a', udp(end(a, 40001), end(vip, 53)).data('x'))

    const about = udp(end(a, 40001), end(b, 5353)).data('x')
    const error = node.fromPod('b', icmpError('port-unreachable', b, about))

    expect(error).toMatchObject({action: 'peer', to: 'a'})
    expect(error).toMatchPacket({
      src: vip,
      dst: a,
      inner: {src: end(a, 40001), dst: end(vip, 53)},
    })
  })
})
