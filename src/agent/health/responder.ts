/** Answers probes: on the node's own addresses, and from inside the namespace of the health endpoint. */
import {createServer, type Server} from 'node:http'
import {bindSocket, closeFd, openSocket, setSocketOption} from '../../kernel/libc.ts'
import {inNetns} from '../../kernel/netns.ts'

const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SO_REUSEADDR = 2

/** @param asked called with the address of whoever is answered */
export function helloServer(asked: (from: string) => void = () => {}): Server {
  const server = createServer((request, response) => {
    const known = request.url === '/hello'
    if (known) response.once('finish', () => asked(request.socket.remoteAddress ?? ''))
    response.writeHead(known ? 200 : 404, {'content-type': 'text/plain', connection: 'close'})
    response.end()
  })
  server.requestTimeout = 5000
  server.maxConnections = 64
  return server
}

/**
 * Listens on all addresses of a network namespace. The socket belongs to the namespace in which it is made, wherever
 * it is used later: no process has to live in there.
 *
 * @param netns descriptor of the namespace
 */
export function listenInside(server: Server, netns: number, port: number, ipv6: boolean): Promise<void> {
  const fd = inNetns(netns, () => boundSocket(port, ipv6))
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      closeFd(fd)
      reject(error)
    })
    server.listen({fd}, resolve)
  })
}

/** With IPv6 one socket takes both families: IPv4 comes in mapped form. */
function boundSocket(port: number, ipv6: boolean): number {
  const operation = `listen for probes on port ${port}`
  const fd = openSocket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0, operation)
  try {
    setSocketOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, operation)
    const address = new DataView(new ArrayBuffer(ipv6 ? 28 : 16))
    address.setUint16(0, ipv6 ? AF_INET6 : AF_INET, true)
    address.setUint16(2, port)
    bindSocket(fd, new Uint8Array(address.buffer), operation)
    return fd
  } catch (thrown) {
    closeFd(fd)
    throw thrown
  }
}
