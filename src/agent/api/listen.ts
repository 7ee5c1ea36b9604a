/** Beginning and ending to listen, on sockets and ports. */
import {chmod, mkdir, rm} from 'node:fs/promises'
import type {Server} from 'node:http'
import {connect} from 'node:net'
import {dirname} from 'node:path'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'

/**
 * Listens on a unix socket; what a killed process left at the path is replaced.
 *
 * @throws API_SOCKET_IN_USE when somebody answers there
 */
export async function listenOnSocket(server: Server, path: string, mode = 0o660): Promise<void> {
  await mkdir(dirname(path), {recursive: true})
  if (await socketAnswers(path)) fail(codes.API_SOCKET_IN_USE, {path})
  await rm(path, {force: true})
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  await chmod(path, mode)
}

/** @param host undefined: all addresses. @throws API_PORT_IN_USE */
export function listenOnPort(server: Server, host: string | undefined, port: number, key: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const address = `${host ?? ''}:${port}`
      reject(new CiliumError(codes.API_PORT_IN_USE, {address, detail: error.code ?? '', key}, {cause: error}))
    })
    server.listen({port, ...(host === undefined ? {} : {host})}, resolve)
  })
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** `:9962`, `127.0.0.1:9962`, `[::1]:9962`. */
export function parseListenAddress(
  text: string,
): {readonly host: string | undefined; readonly port: number} | undefined {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  if (match === null || Number(match[3]) > 65_535) return undefined
  return {host: match[1] ?? (match[2] === '' ? undefined : match[2]), port: Number(match[3])}
}

/** Does somebody listen there? */
export function socketAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const end = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.setTimeout(1000, () => end(true))
  })
}
