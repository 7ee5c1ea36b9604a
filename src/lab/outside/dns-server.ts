/** The outside's DNS server, a process of its own: `node dns-server.ts ipv4,ipv6`. UDP and TCP, port 53. */
import {createSocket} from 'node:dgram'
import {createServer} from 'node:net'
import {type LabFamily, outsideAddresses} from '../plan.ts'
import {answerQuery} from './dns-message.ts'

/** A client that opens a connection and says nothing is sent away. */
const idleMs = 10_000
/** Queries of one connection that wait for their end: more than any client sends. */
const pendingLimit = 64 * 1024

for (const family of process.argv[2]!.split(',') as LabFamily[]) {
  // One socket per address: an answer must come from where the question went.
  for (const which of ['dns', 'main', 'other', 'one', 'oneOther'] as const)
    listen(family, outsideAddresses[which][family])
}

function listen(family: LabFamily, address: string): void {
  const udp = createSocket({type: family === 'ipv4' ? 'udp4' : 'udp6', ipv6Only: family === 'ipv6'})
  udp.on('message', (query, client) => {
    const answer = answerQuery(query)
    if (answer !== undefined) udp.send(answer, client.port, client.address)
  })
  udp.bind(53, address)

  const tcp = createServer((connection) => {
    let pending = Buffer.alloc(0)
    connection.setTimeout(idleMs, () => connection.destroy())
    connection.on('error', () => connection.destroy())
    connection.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes])
      if (pending.length > pendingLimit + 2) {
        connection.destroy()
        return
      }
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0)
        const answer = answerQuery(pending.subarray(2, end))
        if (answer === undefined) {
          connection.destroy()
          return
        }
        const length = Buffer.alloc(2)
        length.writeUInt16BE(answer.length)
        connection.write(Buffer.concat([length, answer]))
        pending = pending.subarray(end)
      }
    })
  })
  tcp.listen({port: 53, host: address})
}
