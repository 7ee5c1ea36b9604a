/** Builders of the usual actions. */
import type {ConnectivityOptions, Family} from './options.ts'
import type {Action, Peer, Target, TestContext} from './test.ts'
import type {CommandResult} from './test-cluster.ts'

/** Part of what our HTTP workload answers. */
export interface EchoAnswer {
  readonly hostname: string
  readonly client: {readonly address: string; readonly port: number}
}

export interface CurlOptions {
  readonly family?: Family
  readonly url: string
  /** which of its addresses the sender uses, when it has several */
  readonly source?: string
  /** nobody knows who signed the target's certificate */
  readonly insecure?: boolean
  /** a target that is not ours: tried again */
  readonly external?: boolean
  readonly check?: (result: CommandResult) => string | undefined
}

/** Numbers the actions of a scenario by their kind: curl-ipv4-0, curl-ipv4-1, ping-ipv6-0. */
export class ActionNames {
  readonly #counts = new Map<string, number>()

  next(kind: string, family?: Family): string {
    const prefix = family === undefined ? kind : `${kind}-${family}`
    const count = this.#counts.get(prefix) ?? 0
    this.#counts.set(prefix, count + 1)
    return `${prefix}-${count}`
  }
}

/** An HTTP request. The body goes to stdout, what curl measured to stderr as JSON. */
export function curl(
  context: TestContext,
  names: ActionNames,
  from: Peer,
  to: Target,
  {family, url, source = '', insecure = false, external = false, check}: CurlOptions,
): Action {
  const {options} = context
  return {
    name: names.next(url.startsWith('https') ? 'https' : 'curl', family),
    from,
    to,
    tool: 'curl',
    command: [
      'curl',
      '--silent',
      '--verbose', // newer versions tell only so whether a connection was refused or had no route
      '--fail',
      ...curlTimeouts(options),
      ...(family === undefined ? [] : [family === 'ipv4' ? '-4' : '-6']),
      ...(source === '' ? [] : ['--interface', source]),
      ...(insecure ? ['--insecure'] : []),
      '--write-out',
      '%{stderr}%{json}',
      url,
    ],
    ...(external ? {retries: options.retries} : {}),
    ...(check === undefined ? {} : {check}),
  }
}

function curlTimeouts({connectTimeoutMs, requestTimeoutMs}: ConnectivityOptions): string[] {
  return ['--connect-timeout', String(connectTimeoutMs / 1000), '--max-time', String(requestTimeoutMs / 1000)]
}

/** One echo request. */
export function ping(
  context: TestContext,
  names: ActionNames,
  from: Peer,
  to: Target,
  options: {readonly family: Family; readonly payloadBytes?: number},
): Action {
  const {family, payloadBytes} = options
  return {
    name: names.next(payloadBytes === undefined ? 'ping' : 'ping-no-frag', family),
    from,
    to,
    tool: 'ping',
    command: [
      'ping',
      '-c',
      '1',
      '-n',
      family === 'ipv4' ? '-4' : '-6',
      '-W',
      String(Math.max(1, Math.round(context.options.connectTimeoutMs / 1000))),
      ...(payloadBytes === undefined ? [] : ['-M', 'do', '-s', String(payloadBytes)]),
      to.address,
    ],
  }
}

/** Pairs of sender and receiver over all families that both have. */
export function* pairs<From extends Peer, To extends Peer>(
  context: TestContext,
  senders: readonly From[],
  receivers: readonly To[],
): Generator<{family: Family; from: From; to: To; address: string}> {
  for (const family of context.families) {
    for (const from of senders) {
      for (const to of receivers) {
        const address = to.addresses[family]
        if (address !== undefined && from.addresses[family] !== undefined && from.name !== to.name) {
          yield {family, from, to, address}
        }
      }
    }
  }
}

/** An address as it stands in a URL. */
export function urlHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

/** Fails when the server saw another client than the one that sent: pods are never hidden behind a node in the cluster. */
export function clientIs(expected: string): (result: CommandResult) => string | undefined {
  return ({stdout}) => {
    const seen = readEcho(stdout)?.client.address
    if (seen === undefined) return 'the answer is not that of the test workload'
    return seen === expected ? undefined : `the server saw ${seen} instead of ${expected} as client`
  }
}

/** Fails when another pod than the one meant has answered. */
export function answeredBy(pod: string): (result: CommandResult) => string | undefined {
  return ({stdout}) => {
    const hostname = readEcho(stdout)?.hostname
    if (hostname === undefined) return 'the answer is not that of the test workload'
    return hostname === pod ? undefined : `${hostname} answered instead of ${pod}`
  }
}

function readEcho(body: string): EchoAnswer | undefined {
  try {
    const value = JSON.parse(body) as Partial<EchoAnswer> | null
    return typeof value?.hostname === 'string' && typeof value.client?.address === 'string'
      ? (value as EchoAnswer)
      : undefined
  } catch {
    return undefined
  }
}
