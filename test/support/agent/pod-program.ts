/** Runs inside a network namespace (nsenter) and does what its parent says: an echo server, and connections to others. */
import {createSocket, type Socket as Datagrams} from 'node:dgram'
import {connect, createServer, type Socket} from 'node:net'

export type PodOrder =
  | {readonly id: number; readonly do: 'serve'; readonly port: number}
  | {
      readonly id: number
      readonly do: 'tcp' | 'udp'
      readonly host: string
      readonly port: number
      readonly text: string
      readonly timeoutMs: number
    }
  | {readonly id: number; readonly do: 'peer'; readonly host: string; readonly port: number}
  | {readonly id: number; readonly do: 'stream'; readonly host: string; readonly port: number}
  | {readonly id: number; readonly do: 'stream-report'}
  | {
      readonly id: number
      readonly do: 'hold'
      readonly protocol: 'tcp' | 'udp'
      readonly host: string
      readonly port: number
    }
  | {readonly id: number; readonly do: 'held'}
  | {
      readonly id: number
      readonly do: 'listen'
      readonly protocol: 'tcp' | 'udp'
      readonly host: string
      readonly port: number
    }
  | {
      readonly id: number
      readonly do: 'ask-all'
      readonly ends: readonly {readonly host: string; readonly port: number}[]
    }

export type PodReport = {readonly id: number; readonly result?: unknown; readonly error?: string}

const answer = (report: PodReport) => process.send?.(report)
let stream: {sent: number; received: number; out: number; broken: string | undefined} | undefined

process.on('message', (order: PodOrder) => {
  run(order).then(
    (result) => answer({id: order.id, result}),
    (error: Error) => answer({id: order.id, error: error.message}),
  )
})
process.on('disconnect', () => process.exit(0))

async function run(order: PodOrder): Promise<unknown> {
  switch (order.do) {
    case 'serve':
      return serve(order.port)
    case 'tcp':
      return overTcp(order.host, order.port, order.text, order.timeoutMs)
    case 'udp':
      return overUdp(order.host, order.port, order.text, order.timeoutMs)
    case 'peer':
      return {tcp: await tcpPeer(order.host, order.port), udp: await udpPeer(order.host, order.port)}
    case 'stream':
      return startStream(order.host, order.port)
    case 'stream-report':
      return stream
    case 'hold':
      return hold(order.protocol, order.host, order.port)
    case 'held':
      return held
    case 'listen':
      return listen(order.protocol, order.host, order.port)
    case 'ask-all':
      return askAll(order.ends)
  }
}

/** What became of connections that are held open: '' while they are. */
const held: Record<string, string> = {}

function hold(protocol: 'tcp' | 'udp', host: string, port: number): Promise<void> {
  const name = `${protocol} ${host} ${port}`
  held[name] = ''
  return new Promise((resolve, reject) => {
    if (protocol === 'tcp') {
      const socket = connect({host, port}, resolve)
      socket.on('error', (error) => {
        held[name] ||= error.message
        reject(error)
      })
      socket.on('close', () => {
        held[name] ||= 'closed'
      })
      return
    }
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    socket.on('error', (error) => {
      held[name] ||= error.message
    })
    socket.connect(port, host, () => resolve())
  })
}

/** @returns '' or why it may not */
function listen(protocol: 'tcp' | 'udp', host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    if (protocol === 'tcp') {
      const server = createServer()
      server.on('error', (error) => resolve(error.message))
      server.listen(port, host, () => server.close(() => resolve('')))
      return
    }
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    socket.on('error', (error) => resolve(error.message))
    socket.bind(port, host, () => socket.close(() => resolve('')))
  })
}

/** Asks all from one socket, which knows them by their order: from whom each answer came, or why it was not asked. */
function askAll(ends: readonly {readonly host: string; readonly port: number}[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(ends[0]!.host.includes(':') ? 'udp6' : 'udp4')
    const answers: string[] = []
    let count = 0
    const timer = setTimeout(() => {
      socket.close()
      reject(new Error(`answers: ${JSON.stringify(answers)}`))
    }, 5000)
    const met = (i: number, what: string) => {
      answers[i] = what
      if (++count < ends.length) return
      clearTimeout(timer)
      socket.close()
      resolve(answers)
    }
    socket.on('error', reject)
    socket.on('message', (text, {address, port}) => met(Number(text.toString().slice(1)), `${address} ${port}`))
    for (const [i, {host, port}] of ends.entries())
      socket.send(`#${i}`, port, host, (error) => {
        if (error !== null) met(i, (error as NodeJS.ErrnoException).code ?? error.message)
      })
  })
}

async function serve(port: number): Promise<void> {
  const server = createServer((socket) => {
    const from = socket.remoteAddress
    socket.on('error', () => {})
    socket.once('data', (chunk) => {
      if (chunk.toString().startsWith('who')) socket.end(String(from))
      else {
        socket.write(chunk)
        socket.pipe(socket)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '::', resolve))
  const udp = createSocket('udp6')
  udp.on('message', (text, {address, port: back}) =>
    udp.send(text.toString() === 'who' ? address : text, back, address),
  )
  await new Promise<void>((resolve) => udp.bind(port, '::', resolve))
}

function overTcp(host: string, port: number, text: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({host, port})
    const timer = setTimeout(() => socket.destroy(new Error('timeout')), timeoutMs)
    socket.on('connect', () => socket.write(text))
    socket.on('data', (chunk) => {
      clearTimeout(timer)
      resolve(chunk.toString())
      socket.destroy()
    })
    socket.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
  })
}

function overUdp(host: string, port: number, text: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Datagrams = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const end = (work: () => void) => {
      clearTimeout(timer)
      socket.close()
      work()
    }
    const timer = setTimeout(() => end(() => reject(new Error('timeout'))), timeoutMs)
    socket.on('message', (answered) => end(() => resolve(answered.toString())))
    socket.on('error', (error) => end(() => reject(error)))
    socket.send(text, port, host)
  })
}

/** One connection with numbered lines both ways, every 5 ms: what is missing or out of order is seen. */
function startStream(host: string, port: number): Promise<void> {
  const state = {sent: 0, received: 0, out: 0, broken: undefined as string | undefined}
  stream = state
  return new Promise((resolve, reject) => {
    const socket = connect({host, port})
    let rest = ''
    socket.on('connect', () => {
      setInterval(() => {
        if (state.broken === undefined) socket.write(`${state.sent++}\n`)
      }, 5)
      resolve()
    })
    socket.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        if (Number(line) !== state.received) state.out++
        state.received++
      }
    })
    socket.on('error', (error) => {
      state.broken = error.message
      reject(error)
    })
    socket.on('close', () => {
      state.broken ??= 'closed'
    })
  })
}

function tcpPeer(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({host, port}, () => {
      resolve(String(socket.remoteAddress))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

function udpPeer(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    const timer = setTimeout(() => {
      socket.close()
      reject(new Error('no answer'))
    }, 3000)
    socket.on('message', (_, from) => {
      clearTimeout(timer)
      socket.close()
      resolve(`${from.address} ${from.port}`)
    })
    socket.send('hello', port, host)
  })
}
