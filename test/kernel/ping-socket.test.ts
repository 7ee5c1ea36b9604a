/** Echoes from one namespace to another, in both families: answered, refused on the way, without a way, never answered. */
import {writeFileSync} from 'node:fs'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {echo} from '../../src/kernel/ping-socket.ts'
import {Ip} from '../../src/model/ip.ts'
import {type TestNamespace, testNamespace} from './support/namespace.ts'

const patienceMs = 20_000
let here: TestNamespace
let there: TestNamespace

beforeEach(() => {
  here = testNamespace('ping-here')
  there = testNamespace('ping-there')
  here.ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', there.name)
  for (const [end, device, v4, v6] of [
    [here, 'near', '192.0.2.1/24', '2001:db8::1/64'],
    [there, 'far', '192.0.2.2/24', '2001:db8::2/64'],
  ] as const) {
    end.ip('address', 'add', v4, 'dev', device)
    end.ip('address', 'add', v6, 'dev', device, 'nodad')
    end.ip('link', 'set', device, 'up')
    end.run(() => writeFileSync('/proc/sys/net/ipv4/ping_group_range', '0 0'))
  }
  there.run(() => {
    for (const name of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding']) writeFileSync(`/proc/sys/net/${name}`, '1')
  })
})
afterEach(() => {
  here.close()
  there.close()
})

/** The socket is of the namespace; what follows happens anywhere. */
function ping(ip: string, timeoutMs = patienceMs): Promise<number> {
  return here.run(() => [echo(Ip.of(ip), timeoutMs)])[0]!
}

describe.each([
  {own: '192.0.2.1', peer: '192.0.2.2', nobody: '192.0.2.3', gone: '198.51.100.1', net: '198.51.100.0/24'},
  {own: '2001:db8::1', peer: '2001:db8::2', nobody: '2001:db8::3', gone: '2001:db8:1::1', net: '2001:db8:1::/64'},
])('$peer', ({own, peer, nobody, gone, net}) => {
  test('answers in a time that is one', async () => {
    for (const ip of [own, peer]) {
      const ns = await ping(ip)
      expect(ns).toBeGreaterThan(0)
      expect(ns).toBeLessThan(patienceMs * 1e6)
    }
  })

  test('many at once are told apart', async () => {
    const outcomes = await Promise.allSettled(Array.from({length: 40}, (_, i) => ping(i % 2 === 0 ? peer : gone)))
    expect(outcomes.map(({status}) => status)).toEqual(outcomes.map((_, i) => (i % 2 === 0 ? 'fulfilled' : 'rejected')))
  })

  test('where there is no way, the error says so at once', async () => {
    await expect(ping(gone)).rejects.toMatchObject({errno: 'ENETUNREACH', operation: `ping ${gone}`})
  })

  test('what a router says on the way is the error', async () => {
    here.ip('route', 'add', net, 'via', peer)
    there.ip('route', 'add', 'unreachable', net)
    await expect(ping(gone)).rejects.toMatchObject({errno: expect.stringMatching(/^E(HOST|NET)UNREACH$/)})
  })

  test('no answer ends after the time that was given', async () => {
    there.ip('route', 'add', 'blackhole', net)
    here.ip('route', 'add', net, 'via', peer)
    await expect(ping(gone, 50)).rejects.toMatchObject({errno: 'ETIMEDOUT'})
  })

  test('a neighbour that does not exist is unreachable', async () => {
    await expect(ping(nobody)).rejects.toMatchObject({errno: 'EHOSTUNREACH'})
  })

  test('a group that may not ping is told so', async () => {
    here.run(() => writeFileSync('/proc/sys/net/ipv4/ping_group_range', '1 0'))
    await expect(ping(peer)).rejects.toMatchObject({errno: 'EACCES', code: 'KERNEL_PERMISSION'})
  })
})
