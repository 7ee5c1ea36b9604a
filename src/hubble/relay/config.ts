/**
 * The relay's configuration file, with the keys that it has had since there are relays. A key that nobody knows is told
 * and ignored; a value that is wrong ends the process.
 */
import {readFileSync} from 'node:fs'
import {parse} from 'yaml'
import {parseDuration} from '../../model/duration.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import type {TlsFiles} from '../server/listen.ts'
import {RELAY_CONFIG_INVALID} from './errors.ts'

export interface RelayConfig {
  readonly clusterName: string
  /** who tells of the nodes: host:port or unix:///path */
  readonly peerService: string
  readonly listenAddress: string
  /** empty: none */
  readonly healthAddress: string
  /** empty: none */
  readonly metricsAddress: string
  readonly dialTimeoutMs: number
  readonly retryTimeoutMs: number
  readonly sortBufferLength: number
  readonly sortBufferDrainMs: number
  /** to nodes; undefined: without TLS */
  readonly client:
    | {readonly certificate: string; readonly key: string; readonly authorities: readonly string[]}
    | undefined
  /** to clients; undefined: without TLS */
  readonly server: TlsFiles | undefined
  readonly debug: boolean
  /** keys of the file that mean nothing here */
  readonly unknown: readonly string[]
}

export const defaultConfigFile = '/etc/hubble-relay/config.yaml'

type Values = Readonly<Record<string, unknown>>

const known = new Set([
  'cluster-name',
  'peer-service',
  'listen-address',
  'health-listen-address',
  'metrics-listen-address',
  'dial-timeout',
  'retry-timeout',
  'sort-buffer-len-max',
  'sort-buffer-drain-timeout',
  'tls-hubble-client-cert-file',
  'tls-hubble-client-key-file',
  'tls-hubble-server-ca-files',
  'disable-client-tls',
  'tls-relay-server-cert-file',
  'tls-relay-server-key-file',
  'tls-relay-client-ca-files',
  'disable-server-tls',
  'debug',
  // earlier names of the same
  'tls-client-cert-file',
  'tls-client-key-file',
  'tls-server-cert-file',
  'tls-server-key-file',
  // of processes that are no part of this one
  'gops',
  'gops-port',
  'pprof',
  'pprof-address',
  'pprof-port',
])

/** @throws RELAY_CONFIG_INVALID */
export function readRelayConfig(file: string): RelayConfig {
  try {
    return parseRelayConfig(readFileSync(file, 'utf8'), file)
  } catch (thrown) {
    if (thrown instanceof CiliumError) throw thrown
    return fail(RELAY_CONFIG_INVALID, {file, detail: (thrown as Error).message}, {cause: thrown})
  }
}

/** The pure half. @throws RELAY_CONFIG_INVALID */
export function parseRelayConfig(text: string, file: string): RelayConfig {
  const wrong = (detail: string): never => fail(RELAY_CONFIG_INVALID, {file, detail})
  const parsed: unknown = parse(text) ?? {}
  if (typeof parsed !== 'object' || Array.isArray(parsed)) return wrong('it must be keys and values')
  const values = parsed as Values
  const word = (...keys: string[]): string => {
    for (const key of keys) {
      const value = values[key]
      if (value === undefined || value === null) continue
      if (typeof value === 'string' || typeof value === 'number') return String(value)
      return wrong(`${key} must be a text`)
    }
    return ''
  }
  const time = (key: string, fallback: number): number => {
    const value = word(key)
    return value === '' ? fallback : (parseDuration(value) ?? wrong(`${key}=${value} must be a span such as 30s`))
  }
  const files = (...keys: string[]): readonly string[] => {
    for (const key of keys) {
      const value = values[key]
      if (Array.isArray(value)) return value.map(String)
      if (typeof value === 'string' && value !== '') return value.split(',')
    }
    return []
  }
  const length = values['sort-buffer-len-max'] ?? 100
  if (typeof length !== 'number' || !Number.isInteger(length) || length < 1)
    return wrong(`sort-buffer-len-max=${String(length)} must be a number from 1`)
  const pair = (certificate: string, key: string, what: string) => {
    if ((certificate === '') !== (key === '')) wrong(`a certificate ${what} and its key come together`)
    return certificate !== ''
  }
  const client = {
    certificate: word('tls-hubble-client-cert-file', 'tls-client-cert-file'),
    key: word('tls-hubble-client-key-file', 'tls-client-key-file'),
    authorities: files('tls-hubble-server-ca-files'),
  }
  const withClient = pair(client.certificate, client.key, 'for nodes')
  const plainClient = values['disable-client-tls'] === true
  if (!plainClient && withClient && client.authorities.length === 0) wrong('tls-hubble-server-ca-files is missing')
  const server = {
    certificate: word('tls-relay-server-cert-file', 'tls-server-cert-file'),
    key: word('tls-relay-server-key-file', 'tls-server-key-file'),
    clientAuthority: files('tls-relay-client-ca-files')[0],
  }
  const withServer = pair(server.certificate, server.key, 'for clients')
  return {
    clusterName: word('cluster-name') || 'default',
    peerService: word('peer-service') || 'unix:///var/run/cilium/hubble.sock',
    listenAddress: word('listen-address') || ':4245',
    healthAddress: word('health-listen-address') || ':4222',
    metricsAddress: word('metrics-listen-address'),
    dialTimeoutMs: time('dial-timeout', 5_000),
    retryTimeoutMs: time('retry-timeout', 30_000),
    sortBufferLength: length,
    sortBufferDrainMs: time('sort-buffer-drain-timeout', 1_000),
    client: plainClient || !withClient ? undefined : client,
    server: values['disable-server-tls'] === true || !withServer ? undefined : server,
    debug: values['debug'] === true,
    unknown: Object.keys(values).filter((key) => !known.has(key)),
  }
}
