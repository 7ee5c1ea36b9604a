/** Servers that send back what they get: for protocols other than HTTP, for large datagrams, for long connections. */
import {createSocket, type Socket} from 'node:dgram'
import {createServer, type Server} from 'node:net'

/** A TCP echo server, not yet listening. */
export function tcpEcho(): Server {
  const server = createServer({allowHalfOpen: true}, (socket) => {
    socket.on('error', () => socket.destroy()) // the peer went away: nobody is left to tell
    socket.pipe(socket)
  })
  server.maxConnections = 4096
  return server
}

/** As much as the kernel gives: what comes while others have the processor waits here, and is no loss of the network. */
const recvBufferSize = 4 << 20

/**
 * A UDP echo server that listens.
 *
 * @returns the socket; one per family, because an answer must leave with the family of its request
 */
export async function udpEcho(port: number, family: 'udp4' | 'udp6'): Promise<Socket> {
  const socket = createSocket({type: family, ipv6Only: family === 'udp6', recvBufferSize})
  socket.on('message', (message, from) => socket.send(message, from.port, from.address))
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, () => {
      socket.off('error', reject)
      resolve()
    })
  })
  // a datagram that cannot be answered is lost, as datagrams are; the server goes on
  socket.on('error', () => {})
  return socket
}
