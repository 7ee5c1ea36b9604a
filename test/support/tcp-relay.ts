import {type AddressInfo, connect, createServer, type Socket} from 'node:net'

export interface TcpRelay {
  readonly port: number
  /** Passes nothing on any more over present connections, without closing them: a network that lost its way. */
  freeze(): void
  /** Ends all present connections. */
  cut(): void
  /** Ends all connections and refuses new ones. @returns lets them in again */
  refuse(): () => void
  close(): Promise<void>
}

/** Listens on loopback and passes every connection on to `target` on loopback. */
export async function startTcpRelay(target: number): Promise<TcpRelay> {
  const sockets = new Set<Socket>()
  let refusing = false
  const server = createServer((inner) => {
    if (refusing) {
      inner.destroy()
      return
    }
    const outer = connect(target, '127.0.0.1')
    for (const socket of [inner, outer]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
    }
    inner.pipe(outer).pipe(inner)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    freeze() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    cut,
    refuse() {
      refusing = true
      cut()
      return () => {
        refusing = false
      }
    },
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
