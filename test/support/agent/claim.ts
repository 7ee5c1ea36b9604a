/** Numbers that only one process of this machine has at a time; the kernel takes them back however it ends. */
import {createServer, type Server} from 'node:net'
import {clearLeftovers, numbersSeen} from './leftovers.ts'

const first = 100
const count = 140

export interface Claim {
  readonly number: number
  release(): void
}

let cleared: Promise<void> | undefined

/** The first of a process also removes what killed tests have left. @returns a number from 100 to 239 */
export async function claimNumber(): Promise<Claim> {
  cleared ??= clearDead()
  await cleared
  const start = process.pid % count // several runs at once seldom meet
  for (let i = 0; i < count; i++) {
    const number = first + ((start + i) % count)
    const server = await hold(number)
    if (server !== undefined) return {number, release: () => server.close()}
  }
  throw new Error('every number for test nodes is taken')
}

async function clearDead(): Promise<void> {
  for (const number of numbersSeen()) {
    const server = await hold(number)
    if (server === undefined) continue // somebody runs
    try {
      clearLeftovers(number)
    } finally {
      server.close()
    }
  }
}

function hold(number: number): Promise<Server | undefined> {
  return listen(`\0cilium-test-node-${number}`)
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
