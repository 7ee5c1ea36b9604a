import {createSocket, type RemoteInfo} from 'node:dgram'
import {once} from 'node:events'
import {expect, test} from 'vitest'
import {Stream} from '../../../src/workload/stream.ts'
import {eventually} from '../../support/eventually.ts'

test('a server that gets no processor is not flooded: numbers go on when it answers, and none is missing', async () => {
  const server = createSocket('udp4')
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  const waiting: [Buffer, RemoteInfo][] = []
  let slow = true
  server.on('message', (message, from) => {
    if (slow) waiting.push([message, from])
    else server.send(message, from.port, from.address)
  })
  const stream = new Stream({protocol: 'udp', address: '127.0.0.1', port: server.address().port}, 1)

  await eventually(() => waiting.length === 64)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(stream.count()).toMatchObject({sent: 64, answered: 0})

  slow = false
  for (const [message, from] of waiting) server.send(message, from.port, from.address)
  await eventually(() => stream.count().answered > 100)
  const count = await stream.drain()
  server.close()

  expect(count.answered).toBe(count.sent)
  expect(count.missing).toEqual([])
})
