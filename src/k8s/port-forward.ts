/** A local port that leads into a pod: every connection to it becomes a stream of its own. */
import {createServer, type Server, type Socket} from 'node:net'
import {CiliumError} from '../runtime/errors.ts'
import type {KubeClient} from './client.ts'
import {k8sErrors} from './errors.ts'
import {openPodStream} from './pod-stream.ts'
import {pathOf, resources} from './resources.ts'

/** A port in a pod. */
export interface PodPort {
  readonly pod: string
  readonly port: number
}

export interface PortForwardOptions {
  readonly namespace: string
  /** asked for each connection: pods come and go */
  readonly target: PodPort | (() => Promise<PodPort>)
  /** 0 (the default): any free one */
  readonly localPort?: number
  /** 127.0.0.1 unless given */
  readonly localAddress?: string
  /** a connection that could not be led on, or broke */
  readonly onError?: (error: CiliumError) => void
}

export interface PortForward {
  readonly localPort: number
  close(): Promise<void>
}

/** @throws K8S_PORT_TAKEN */
export async function forwardPort(client: KubeClient, options: PortForwardOptions): Promise<PortForward> {
  const {localPort = 0, localAddress = '127.0.0.1'} = options
  const open = new Set<Socket>()
  const server = createServer({pauseOnConnect: true}, (socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy()) // the local end went away
    connect(client, options, socket).catch((thrown: unknown) => {
      socket.destroy()
      options.onError?.(CiliumError.from(thrown))
    })
  })
  await listen(server, localPort, localAddress)
  const address = server.address()
  return {
    localPort: typeof address === 'object' && address !== null ? address.port : localPort,
    close() {
      for (const socket of open) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

async function connect(client: KubeClient, options: PortForwardOptions, socket: Socket): Promise<void> {
  const {namespace} = options
  const {pod, port} = typeof options.target === 'function' ? await options.target() : options.target
  const target = `${namespace}/${pod}:${port}`
  const path = `${pathOf(resources.pods, {namespace, name: pod, subresource: 'portforward'})}?ports=${port}`
  // each of the two channels begins with the port's number, two bytes
  const headed = [false, false]
  const stream = await openPodStream(client, path, target, (channel, bytes) => {
    if (channel > 1) return
    const data = headed[channel] ? bytes : bytes.subarray(2)
    headed[channel] = true
    if (data.length === 0) return
    if (channel === 0) socket.write(data)
    else {
      const detail = data.toString('utf8').trim()
      options.onError?.(new CiliumError(k8sErrors.K8S_STREAM_FAILED, {target, detail}))
      socket.destroy()
    }
  })
  stream.on('close', () => socket.end())
  stream.on('error', () => socket.destroy())
  socket.on('close', () => stream.close())
  socket.on('data', (data: Buffer) => {
    stream.send(Buffer.concat([Buffer.from([0]), data]), () => {
      if (stream.bufferedAmount < 1 << 18) socket.resume()
    })
    if (stream.bufferedAmount > 1 << 20) socket.pause()
  })
  if (socket.destroyed) stream.close()
  else socket.resume()
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new CiliumError(k8sErrors.K8S_PORT_TAKEN, {port, detail: error.code ?? error.message}, {cause: error}))
    })
    server.listen(port, host, resolve)
  })
}
