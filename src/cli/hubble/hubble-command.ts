/** What the commands of `hubble` share: how to reach a server, from flags, environment and the configuration file. */
import {Flags, type Interfaces} from '@oclif/core'
import {parseDuration} from '../../model/duration.ts'
import {fail} from '../../runtime/errors.ts'
import {BaseCommand} from '../base-command.ts'
import {readHubbleConfig} from './config.ts'
import {HUBBLE_FLAG_VALUE} from './errors.ts'
import type {ServerOptions} from './server-options.ts'

const group = {helpGroup: 'SERVER'}
const env = (flag: string) => `HUBBLE_${flag.toUpperCase().replaceAll('-', '_')}`
const text = (flag: string, summary: string) => Flags.string({summary, env: env(flag), ...group})
const yes = (flag: string, summary: string) => Flags.boolean({summary, env: env(flag), ...group})

export abstract class HubbleCommand<Result = unknown> extends BaseCommand<Result> {
  static override baseFlags: Interfaces.FlagInput = {
    ...BaseCommand.baseFlags,
    debug: Flags.boolean({
      char: 'D',
      summary: 'print stack traces of errors, and what servers tell of themselves',
      helpGroup: 'GLOBAL',
    }),
    config: Flags.string({summary: 'configuration file', env: 'HUBBLE_CONFIG', helpGroup: 'GLOBAL'}),
    server: text(
      'server',
      'address of a server: host:port, tls://host:port or unix:///path; localhost:4245 when not given',
    ),
    timeout: text('timeout', 'time to wait for the connection, 5s when not given'),
    'request-timeout': text('request-timeout', 'time to wait for an answer that is no stream, 12s when not given'),
    tls: yes('tls', 'use TLS'),
    'tls-allow-insecure': yes('tls-allow-insecure', "do not verify the server's certificate"),
    'tls-ca-cert-files': Flags.string({
      summary: 'files with authorities to trust, repeatable',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: env('tls-ca-cert-files'),
      ...group,
    }),
    'tls-client-cert-file': text('tls-client-cert-file', 'certificate to show to the server'),
    'tls-client-key-file': text('tls-client-key-file', 'key of that certificate'),
    'tls-server-name': text('tls-server-name', "name in the server's certificate"),
    'basic-auth-username': text('basic-auth-username', 'user for basic authentication'),
    'basic-auth-password': text('basic-auth-password', 'password for basic authentication'),
    'port-forward': Flags.boolean({
      char: 'P',
      summary: "forward a port to the cluster's relay by itself",
      env: env('port-forward'),
      ...group,
    }),
    'port-forward-port': Flags.integer({
      summary: 'local port to forward, 0 for any, 4245 when not given',
      env: env('port-forward-port'),
      ...group,
    }),
    kubeconfig: Flags.string({summary: 'kubeconfig file', ...group}),
    'kube-context': text('kube-context', 'context of the kubeconfig'),
    'kube-namespace': text('kube-namespace', 'namespace that Cilium runs in, kube-system when not given'),
  }

  /** Runs with a server at hand; a port that was forwarded for it is closed afterwards. */
  protected async withServer<T>(
    flags: Record<string, unknown>,
    use: (server: ServerOptions) => Promise<T>,
  ): Promise<T> {
    const config = await readHubbleConfig(flags['config'] as string | undefined)
    const given = {
      ...config.values,
      ...Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)),
    }
    const server = serverOptions(given)
    if (given['port-forward'] !== true) return use(server)
    const {reachRelay} = await import('./relay.ts')
    const kubeconfig = given['kubeconfig'] as string | undefined
    const context = given['kube-context'] as string | undefined
    const cluster = {
      namespace: (given['kube-namespace'] as string | undefined) ?? 'kube-system',
      helmReleaseName: 'cilium',
      ...(kubeconfig === undefined ? {} : {kubeconfig}),
      ...(context === undefined ? {} : {context}),
    }
    const relay = await reachRelay(cluster, Number(given['port-forward-port'] ?? 4245), server)
    try {
      return await use(relay.server)
    } finally {
      await relay.close()
    }
  }
}

function serverOptions(flags: Readonly<Record<string, unknown>>): ServerOptions {
  const word = (name: string) => {
    const value = flags[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const time = (name: string, fallback: number) => {
    const value = word(name)
    if (value === undefined) return fallback
    return (
      parseDuration(value) ??
      fail(HUBBLE_FLAG_VALUE, {flag: name, detail: `${value} is no span of time`, expected: 'a span such as 5s'})
    )
  }
  const username = word('basic-auth-username')
  const files = flags['tls-ca-cert-files']
  return {
    server: word('server') ?? 'localhost:4245',
    timeoutMs: time('timeout', 5_000),
    requestTimeoutMs: time('request-timeout', 12_000),
    tls: flags['tls'] === true,
    tlsAllowInsecure: flags['tls-allow-insecure'] === true,
    tlsCaFiles: Array.isArray(files)
      ? (files as string[])
      : typeof files === 'string' && files !== ''
        ? files.split(',')
        : [],
    tlsCertFile: word('tls-client-cert-file'),
    tlsKeyFile: word('tls-client-key-file'),
    tlsServerName: word('tls-server-name'),
    basicAuth: username === undefined ? undefined : {username, password: word('basic-auth-password') ?? ''},
  }
}
