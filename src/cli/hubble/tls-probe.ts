/** Finds out whether a server speaks TLS, to name the cause when no connection comes about. */
import {connect as connectTcp} from 'node:net'
import {connect as connectTls} from 'node:tls'

const patienceMs = 2_000

/** `tls`, `plain`, or undefined when nobody listens or nothing can be told. @param server host:port or unix:///path */
export async function probeTls(server: string): Promise<'tls' | 'plain' | undefined> {
  const target = targetOf(server)
  if (target === undefined || !(await listens(target))) return undefined
  return new Promise((resolve) => {
    // whose certificate it is does not matter: is there one?
    const socket = connectTls({...target, rejectUnauthorized: false, ALPNProtocols: ['h2']})
    const end = (answer: 'tls' | 'plain' | undefined) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(patienceMs, () => end('plain'))
    socket.once('secureConnect', () => end('tls'))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // it asks for a certificate that we do not have: that is TLS all the same
      if (/alert/i.test(error.message) && !/wrong version|unknown protocol/i.test(error.message)) end('tls')
      else end('plain')
    })
  })
}

type Target = {readonly path: string} | {readonly host: string; readonly port: number}

function listens(target: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(target)
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(patienceMs, () => end(false))
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

function targetOf(server: string): Target | undefined {
  const bare = server.replace(/^tls:\/\//, '')
  if (bare.startsWith('unix:')) return {path: bare.replace(/^unix:(\/\/)?/, '')}
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(bare) ?? []
  const host = bracketed ?? plain
  return host === undefined ? undefined : {host, port: Number(port)}
}
