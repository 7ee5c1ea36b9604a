/**
 * The outside's HTTP server, a process of its own: `node http-server.ts ipv4,ipv6`. Port 80 of every address.
 *
 * Answers with whom it saw: {"client":"172.30.0.11","port":40312,"server":"203.0.113.10","method":"GET","path":"/"}.
 * GET /client gives the bare client address. GET /bytes/N gives N bytes, to fill links and find the path MTU.
 */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {LabFamily} from '../plan.ts'

const largestBody = 64 * 1024 * 1024

const families = process.argv[2]!.split(',') as LabFamily[]
for (const family of families) {
  createServer(answer).listen({port: 80, host: family === 'ipv4' ? '0.0.0.0' : '::', ipv6Only: family === 'ipv6'})
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const {socket, method, url: path = '/'} = request
  request.resume()
  const bytes = /^\/bytes\/(\d{1,8})$/.exec(path)
  if (bytes !== null) {
    const length = Math.min(Number(bytes[1]), largestBody)
    response.writeHead(200, {'content-type': 'application/octet-stream', 'content-length': length})
    response.end(Buffer.alloc(length, 'x'))
    return
  }
  const seen = {client: socket.remoteAddress, port: socket.remotePort, server: socket.localAddress, method, path}
  const text = path === '/client' ? `${seen.client}\n` : `${JSON.stringify(seen)}\n`
  response.writeHead(200, {'content-type': path === '/client' ? 'text/plain' : 'application/json'})
  response.end(text)
}
