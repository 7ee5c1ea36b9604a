/** Numbers that only one process of this machine has at a time; the kernel takes them back however it ends. */
import {createServer, type Server} from 'node:net'

const first = 100
const count = 140

export interface Claim {
  readonly number: number
  release(): void
}

/** @returns a number from 100 to 239 */
export async function claimNumber(): Promise<Claim> {
  const start = process.pid % count // several runs at once seldom meet
  for (let i = 0; i < count; i++) {
    const number = first + ((start + i) % count)
    const server = await listen(`\0cilium-test-node-${number}`)
    if (server !== undefined) return {number, release: () => server.close()}
  }
  throw new Error('every number for test nodes is taken')
}

function listen(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(name, () => resolve(server.unref()))
  })
}
