/** Commands in containers. */
import type {Readable, Writable} from 'node:stream'
import {CiliumError} from '../runtime/errors.ts'
import type {KubeClient} from './client.ts'
import {k8sErrors} from './errors.ts'
import {openPodStream, type PodSocket, streamBroken} from './pod-stream.ts'
import {pathOf, resources} from './resources.ts'

export interface ExecOptions {
  readonly namespace: string
  readonly pod: string
  readonly container?: string
  readonly command: readonly string[]
  readonly stdin?: Readable
  readonly stdout?: Writable
  readonly stderr?: Writable
  readonly tty?: boolean
  readonly signal?: AbortSignal
}

const channels = {stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255} as const

/**
 * Runs a command in a container and waits for its end.
 *
 * @returns its exit code
 * @throws K8S_FORBIDDEN, K8S_NOT_FOUND, K8S_STREAM_FAILED (also when the command cannot be started); the signal's reason
 */
export async function execInPod(client: KubeClient, options: ExecOptions): Promise<number> {
  const {namespace, pod, container, command, stdin, stdout, stderr, tty = false, signal} = options
  const target = `${namespace}/${pod}${container === undefined ? '' : ` (${container})`}`
  const query = new URLSearchParams({
    stdin: String(stdin !== undefined),
    stdout: 'true',
    stderr: String(!tty),
    tty: String(tty),
    ...(container === undefined ? {} : {container}),
  })
  for (const word of command) query.append('command', word)
  const path = `${pathOf(resources.pods, {namespace, name: pod, subresource: 'exec'})}?${query}`

  let status: Buffer | undefined
  // the handler may deliver before the socket is handed to us
  const onChannel = (channel: number, bytes: Buffer) => {
    if (channel === channels.stdout) stdout?.write(bytes)
    else if (channel === channels.stderr) stderr?.write(bytes)
    else if (channel === channels.status) status = Buffer.concat([status ?? Buffer.alloc(0), bytes])
  }
  const socket = await openPodStream(client, path, target, onChannel, signal)
  return new Promise<number>((resolve, reject) => {
    const onAbort = () => {
      socket.terminate()
      reject(signal!.reason)
    }
    signal?.addEventListener('abort', onAbort, {once: true})
    socket.on('error', (error) => reject(streamBroken(target, error.message)))
    socket.on('close', () => {
      signal?.removeEventListener('abort', onAbort)
      try {
        resolve(exitCode(status, target))
      } catch (thrown) {
        reject(thrown)
      }
    })
    if (stdin !== undefined) feed(socket, stdin, reject)
  })
}

export interface ExecOutput {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

/**
 * Runs a command and collects what it writes.
 *
 * @param options.limitBytes of stdout and stderr each, 64 MiB unless given
 * @throws as `execInPod`; K8S_OUTPUT_TOO_LARGE
 */
export async function execOutput(
  client: KubeClient,
  options: Omit<ExecOptions, 'stdout' | 'stderr'> & {readonly limitBytes?: number},
): Promise<ExecOutput> {
  const limit = options.limitBytes ?? 64 << 20
  const tooLarge = new AbortController()
  const target = `${options.namespace}/${options.pod}`
  const stdout = collector(limit, () =>
    tooLarge.abort(new CiliumError(k8sErrors.K8S_OUTPUT_TOO_LARGE, {target, limit})),
  )
  const stderr = collector(limit, () =>
    tooLarge.abort(new CiliumError(k8sErrors.K8S_OUTPUT_TOO_LARGE, {target, limit})),
  )
  const signal = options.signal === undefined ? tooLarge.signal : AbortSignal.any([options.signal, tooLarge.signal])
  const code = await execInPod(client, {...options, stdout: stdout.sink, stderr: stderr.sink, signal})
  return {stdout: stdout.text(), stderr: stderr.text(), exitCode: code}
}

function collector(limit: number, full: () => void): {sink: Writable; text(): string} {
  const chunks: Buffer[] = []
  let size = 0
  const write = (chunk: Buffer) => {
    size += chunk.length
    if (size > limit) full()
    else chunks.push(chunk)
    return true
  }
  return {sink: {write} as unknown as Writable, text: () => Buffer.concat(chunks).toString('utf8')}
}

function feed(socket: PodSocket, stdin: Readable, reject: (error: Error) => void): void {
  stdin.on('data', (data: Buffer | string) => {
    socket.send(framed(channels.stdin, Buffer.from(data)))
    // a command that reads slowly must not fill our memory
    if (socket.bufferedAmount > 1 << 20) {
      stdin.pause()
      const timer = setInterval(() => {
        if (socket.bufferedAmount > 1 << 18 && socket.readyState === 1) return
        clearInterval(timer)
        stdin.resume()
      }, 10)
    }
  })
  stdin.on('end', () => {
    // v5 of the protocol can close one direction; with an older one the end cannot be told
    if (socket.protocol === 'v5.channel.k8s.io') socket.send(Buffer.from([channels.close, channels.stdin]))
  })
  stdin.on('error', reject)
}

function framed(channel: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([channel]), bytes])
}

/** Reads the Status object that ends every exec. */
function exitCode(status: Buffer | undefined, target: string): number {
  if (status === undefined) throw streamBroken(target, 'it ended without an exit code')
  let parsed: {status?: string; message?: string; details?: {causes?: {reason?: string; message?: string}[]}} | null
  try {
    parsed = JSON.parse(status.toString('utf8'))
  } catch {
    throw streamBroken(target, 'its exit code cannot be read')
  }
  const {status: outcome, message, details} = parsed ?? {}
  if (outcome === 'Success') return 0
  const code = details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message
  if (code !== undefined && /^\d+$/.test(code)) return Number(code)
  throw streamBroken(target, message ?? 'the command was not run')
}
