/** What containers wrote. */
import type {KubeClient} from './client.ts'
import {pathOf, resources} from './resources.ts'
import {connectionError} from './transport.ts'

export interface LogOptions {
  readonly namespace: string
  readonly pod: string
  /** needed when the pod has more than one */
  readonly container?: string
  /** of the container before its last restart */
  readonly previous?: boolean
  /** goes on with what is written from now on, until the signal or the container ends it */
  readonly follow?: boolean
  readonly tailLines?: number
  readonly sinceSeconds?: number
  /** RFC 3339 */
  readonly sinceTime?: string
  readonly limitBytes?: number
  readonly timestamps?: boolean
  readonly signal?: AbortSignal
}

/** The log in pieces as they come. Nothing is cleaned: strip control characters before a terminal sees it. */
export async function* podLog(client: KubeClient, options: LogOptions): AsyncGenerator<Buffer> {
  const {namespace, pod, container, previous, follow, tailLines, sinceSeconds, sinceTime, limitBytes, timestamps} =
    options
  const {body} = await client.stream({
    path: pathOf(resources.pods, {namespace, name: pod, subresource: 'log'}),
    query: {container, previous, follow, tailLines, sinceSeconds, sinceTime, limitBytes, timestamps},
    accept: '*/*',
    what: `read the log of ${namespace}/${pod}${container === undefined ? '' : ` (${container})`}`,
    ...(options.signal === undefined ? {} : {signal: options.signal}),
  })
  try {
    for await (const chunk of body) yield chunk
  } catch (thrown) {
    if (options.signal?.aborted) throw options.signal.reason
    throw connectionError(client.server.origin, thrown)
  }
}

/** The log as one text, the newest `limitBytes` (10 MiB unless given) of it. */
export async function podLogText(client: KubeClient, options: Omit<LogOptions, 'follow'>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of podLog(client, {limitBytes: 10 << 20, ...options})) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
