/**
 * Numbered packets there and back, over UDP and one TCP connection, in IPv4 and IPv6.
 *
 *     echo.ts server <ipv4> <ipv6>
 *     echo.ts client <ipv4> <ipv6>     until its standard input ends; then {sent, received, missing, tcp} as JSON
 */
import {createSocket} from 'node:dgram'
import {connect, createServer, type Socket} from 'node:net'

const port = 7007
const everyMs = 2
const [role, ipv4 = '', ipv6 = ''] = process.argv.slice(2)
const ends = [
  {ip: ipv4, type: 'udp4'},
  {ip: ipv6, type: 'udp6'},
] as const

if (role === 'server') serve()
else await ask()

function serve(): void {
  for (const {ip, type} of ends) {
    const socket = createSocket(type)
    socket.on('message', (message, from) => socket.send(message, from.port, from.address))
    socket.bind(port, ip, () => console.log('ready'))
    createServer((connection) => connection.pipe(connection)).listen(port, ip)
  }
}

async function ask(): Promise<void> {
  const results = Promise.all(ends.flatMap(({ip, type}, index) => [udp(ip, type, 4000 + index), tcp(ip, 5000 + index)]))
  console.log('ready')
  console.log(JSON.stringify(await results))
  process.exit(0)
}

/** Ends when standard input does and the last answers had their time. */
function untilEnd(send: (number: number) => void): Promise<number> {
  let number = 0
  const timer = setInterval(() => send(number++), everyMs)
  process.stdin.resume()
  return new Promise((resolve) =>
    process.stdin.once('end', () => {
      clearInterval(timer)
      setTimeout(() => resolve(number), 500)
    }),
  )
}

async function udp(ip: string, type: 'udp4' | 'udp6', from: number): Promise<object> {
  const socket = createSocket(type)
  const received = new Set<number>()
  socket.on('message', (message) => received.add(message.readUInt32LE(0)))
  await new Promise<void>((resolve) => socket.bind(from, resolve))
  const sent = await untilEnd((number) => {
    const bytes = Buffer.alloc(64)
    bytes.writeUInt32LE(number)
    socket.send(bytes, port, ip)
  })
  const missing = Array.from({length: sent}, (_, number) => number).filter((number) => !received.has(number))
  return {way: type, sent, received: received.size, missing: missing.length}
}

async function tcp(ip: string, from: number): Promise<object> {
  let bytes = 0
  let failed = ''
  const socket: Socket = connect({host: ip, port, localPort: from, noDelay: true})
  socket.on('data', (data) => {
    bytes += data.length
  })
  socket.on('error', (error) => {
    failed = error.message
  })
  socket.on('close', () => {
    failed ||= 'closed'
  })
  const sent = await untilEnd(() => void socket.write(Buffer.alloc(64)))
  return {way: 'tcp', sent: sent * 64, received: bytes, missing: sent * 64 - bytes, failed}
}
