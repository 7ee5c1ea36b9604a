import type {Server} from 'node:net'

/**
 * Listens on both families where there are two; on IPv4 alone where the kernel has no IPv6.
 *
 * @returns the port, for port 0
 */
export async function listenDualStack(server: Server, port: number): Promise<number> {
  try {
    await listen(server, port, '::')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw thrown
    await listen(server, port, '0.0.0.0')
  }
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({port, host, ipv6Only: false}, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** An address as people write it: `::ffff:10.0.0.1`, as a dual-stack socket sees it, is `10.0.0.1`. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '')
}
