/** WebSocket streams into pods, over the stock client's handler. Only its small modules are imported. */

import {CiliumError, fail} from '../runtime/errors.ts'
import {ApiError} from './api-error.ts'
import type {KubeClient} from './client.ts'
import {k8sErrors} from './errors.ts'
import {connectionError} from './transport.ts'

/** The part of a WebSocket that is used; the stock client hands out one of the `ws` package. */
export interface PodSocket {
  readonly protocol: string
  readonly readyState: number
  readonly bufferedAmount: number
  binaryType: string
  send(data: Uint8Array, done?: (error?: Error) => void): void
  close(): void
  terminate(): void
  on(event: 'message', listener: (data: Buffer, binary: boolean) => void): unknown
  on(event: 'close', listener: (code: number) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/**
 * Opens a stream to a subresource of a pod.
 *
 * @param onChannel called for each piece: the channel number and its bytes
 * @throws K8S_FORBIDDEN, K8S_NOT_FOUND, K8S_STREAM_FAILED, K8S_UNREACHABLE; the signal's reason
 */
export async function openPodStream(
  client: KubeClient,
  path: string,
  target: string,
  onChannel: (channel: number, bytes: Buffer) => void,
  signal?: AbortSignal,
): Promise<PodSocket> {
  signal?.throwIfAborted()
  const {WebSocketHandler} = await import('@kubernetes/client-node/dist/web-socket-handler.js')
  const {server, tls, headers} = await client.access()
  const config = {
    getCurrentCluster: () => ({name: client.context, server: server.href.replace(/\/$/, ''), skipTLSVerify: false}),
    async applyToHTTPSOptions(options: Record<string, unknown>) {
      Object.assign(options, {
        headers,
        ca: tls.ca,
        cert: tls.cert,
        key: tls.key,
        servername: tls.servername,
        agent: tls.agent,
        handshakeTimeout: 20_000,
        perMessageDeflate: false,
        rejectUnauthorized: tls.insecure !== true,
      })
    },
  }
  try {
    // the handler asks its configuration for these two things alone
    const handler = new WebSocketHandler(config as never)
    const opening = handler.connect(path, null, (channel, bytes) => {
      onChannel(channel, bytes)
      return true
    }) as unknown as Promise<PodSocket>
    return await (signal === undefined ? opening : orGivenUp(opening, signal))
  } catch (thrown) {
    if (signal?.aborted) throw signal.reason
    return explain(client, path, target, thrown)
  }
}

/** The socket, or the signal's reason when that comes first: a socket that opens afterwards is ended. */
function orGivenUp(opening: Promise<PodSocket>, signal: AbortSignal): Promise<PodSocket> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, {once: true})
    opening
      .then((socket) => (signal.aborted ? socket.terminate() : resolve(socket)), reject)
      .finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** A failed handshake says no more than a number; the same question as a plain request says why. */
async function explain(client: KubeClient, path: string, target: string, thrown: unknown): Promise<never> {
  const error = (thrown as {error?: Error}).error ?? thrown
  const message = error instanceof Error ? error.message : String((thrown as {message?: string}).message ?? thrown)
  const status = /server response: (\d+)/.exec(message)?.[1]
  if (status === undefined) throw connectionError(client.server.origin, error)
  const url = new URL(path, 'http://x')
  const query: Record<string, string[]> = {}
  for (const name of url.searchParams.keys()) query[name] = url.searchParams.getAll(name)
  const answer = await client
    .text({path: url.pathname, query, what: `open a stream to ${target}`, timeoutMs: 10_000})
    .catch((refusal: unknown) => refusal)
  if (answer instanceof ApiError && answer.httpStatus === Number(status)) {
    if ([401, 403, 404].includes(answer.httpStatus)) throw answer
    // 400 is also what a plain request gets for being plain
    const detail = String(answer.fields['detail'])
    if (!/upgrade/i.test(detail)) return fail(k8sErrors.K8S_STREAM_FAILED, {target, detail}, {cause: error})
  }
  return fail(k8sErrors.K8S_STREAM_FAILED, {target, detail: message}, {cause: error})
}

/** The error of a stream that ended in the middle. */
export function streamBroken(target: string, detail: string): CiliumError {
  return new CiliumError(k8sErrors.K8S_STREAM_FAILED, {target, detail})
}
