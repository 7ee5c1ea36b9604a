/** A small authoritative DNS server over UDP and TCP, for tests that must not depend on anybody else's names. */
import {createSocket, type Socket} from 'node:dgram'
import {createServer, type Server} from 'node:net'
import {formatAnswer, isOfType, parseQuestion, responseCodes} from './dns-message.ts'

const ttlSeconds = 5
const maxTcpMessageBytes = 4096

/** Addresses by name; a name `*.zone` answers for everything below the zone that has no entry of its own. */
export type Zone = ReadonlyMap<string, readonly string[]>

/** Answers one query; undefined for what is no query. */
export function resolve(zone: Zone, message: Buffer): Buffer | undefined {
  const question = parseQuestion(message)
  if (question === undefined) return undefined
  const {name, type} = question
  const addresses = zone.get(name) ?? zone.get(`*${name.slice(Math.max(name.indexOf('.'), 0))}`)
  if (addresses === undefined) return formatAnswer(question, responseCodes.noSuchName, [], ttlSeconds)
  const matching = addresses.filter((address) => isOfType(address, type))
  return formatAnswer(question, responseCodes.ok, matching, ttlSeconds)
}

/** Serves a zone over UDP, one socket per family. */
export async function dnsOverUdp(zone: Zone, port: number, family: 'udp4' | 'udp6'): Promise<Socket> {
  const socket = createSocket({type: family, ipv6Only: family === 'udp6'})
  socket.on('message', (message, from) => {
    const answer = resolve(zone, message)
    if (answer !== undefined) socket.send(answer, from.port, from.address)
  })
  await new Promise<void>((done, reject) => {
    socket.once('error', reject)
    socket.bind(port, () => {
      socket.off('error', reject)
      done()
    })
  })
  socket.on('error', () => {}) // an answer that cannot be sent is asked for again
  return socket
}

/** A server for the same zone over TCP (two bytes of length before each message), not yet listening. */
export function dnsOverTcp(zone: Zone): Server {
  const server = createServer((socket) => {
    let pending = Buffer.alloc(0)
    socket.setTimeout(10_000, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data])
      while (pending.length >= 2) {
        const length = pending.readUInt16BE(0)
        if (length > maxTcpMessageBytes) return void socket.destroy()
        if (pending.length < 2 + length) return
        const answer = resolve(zone, pending.subarray(2, 2 + length))
        pending = pending.subarray(2 + length)
        if (answer === undefined) return void socket.destroy()
        const prefix = Buffer.alloc(2)
        prefix.writeUInt16BE(answer.length)
        socket.write(Buffer.concat([prefix, answer]))
      }
    })
  })
  server.maxConnections = 1024
  return server
}
