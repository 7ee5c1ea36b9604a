import {createSocket} from 'node:dgram'
import {once} from 'node:events'
import {expect, test} from 'vitest'
import {udpEcho} from '../../../src/workload/byte-echo.ts'
import {dnsOverUdp} from '../../../src/workload/dns-server.ts'

test.each(['udp4', 'udp6'] as const)('what is sent over %s comes back', async (family) => {
  const server = await udpEcho(0, family)
  const client = createSocket(family)
  const answer = once(client, 'message')

  client.send('one', server.address().port, family === 'udp4' ? '127.0.0.1' : '::1')
  const [bytes] = (await answer) as [Buffer]

  expect(bytes.toString()).toBe('one')
  client.close()
  server.close()
})

test('both families listen on one port, for echo and for DNS', async () => {
  const echo4 = await udpEcho(0, 'udp4')
  const echo6 = await udpEcho(echo4.address().port, 'udp6')
  const dns4 = await dnsOverUdp(new Map(), 0, 'udp4')
  const dns6 = await dnsOverUdp(new Map(), dns4.address().port, 'udp6')

  expect(echo6.address().port).toBe(echo4.address().port)
  expect(dns6.address().port).toBe(dns4.address().port)
  for (const socket of [echo4, echo6, dns4, dns6]) socket.close()
})
