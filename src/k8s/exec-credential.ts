/**
 * Credential plugins of a kubeconfig (client.authentication.k8s.io/v1): a command prints a token or a certificate.
 * Our own, because the stock client's keeps no certificate for its data form and tells the plugin nothing
 * (KUBERNETES_EXEC_INFO), which several plugins refuse.
 */
import {spawn} from 'node:child_process'
import type {Clock} from '../runtime/clock.ts'
import {fail} from '../runtime/errors.ts'
import {redactText} from '../runtime/redact.ts'
import {k8sErrors} from './errors.ts'
import type {ExecPlugin, KubeCluster} from './kubeconfig.ts'

export interface IssuedCredential {
  readonly token?: string
  /** PEM */
  readonly certificate?: string
  readonly key?: string
}

const timeoutMs = 60_000
/** A credential is renewed this long before it ends, so that none ends on its way. */
const earlyMs = 10_000

export class ExecCredentials {
  private readonly plugin: ExecPlugin
  private readonly cluster: KubeCluster
  private readonly clock: Clock
  private cached: {readonly credential: IssuedCredential; readonly until: number} | undefined
  private running: Promise<IssuedCredential> | undefined

  constructor(plugin: ExecPlugin, cluster: KubeCluster, clock: Clock) {
    this.plugin = plugin
    this.cluster = cluster
    this.clock = clock
  }

  /** The present credential; runs the plugin when there is none or it ends soon. @throws K8S_EXEC_AUTH_FAILED */
  current(): Promise<IssuedCredential> {
    if (this.cached !== undefined && this.clock.now() < this.cached.until)
      return Promise.resolve(this.cached.credential)
    this.running ??= this.run().finally(() => {
      this.running = undefined
    })
    return this.running
  }

  /** The server did not accept it. */
  forget(): void {
    this.cached = undefined
  }

  private async run(): Promise<IssuedCredential> {
    const text = await this.execute()
    const status = this.parse(text)
    const credential: IssuedCredential = {
      ...(typeof status['token'] === 'string' ? {token: status['token']} : {}),
      ...(typeof status['clientCertificateData'] === 'string' ? {certificate: status['clientCertificateData']} : {}),
      ...(typeof status['clientKeyData'] === 'string' ? {key: status['clientKeyData']} : {}),
    }
    if (credential.token === undefined && credential.certificate === undefined) {
      this.fail('it printed neither a token nor a certificate')
    }
    const ends = Date.parse(String(status['expirationTimestamp']))
    this.cached = {credential, until: Number.isNaN(ends) ? Number.POSITIVE_INFINITY : ends - earlyMs}
    return credential
  }

  private parse(text: string): Record<string, unknown> {
    let answer: {kind?: string; status?: Record<string, unknown>} | null = null
    try {
      answer = JSON.parse(text)
    } catch {
      // what it printed may be a secret: it is not quoted
    }
    if (answer?.kind !== 'ExecCredential' || typeof answer.status !== 'object')
      this.fail('it did not print an ExecCredential')
    return answer!.status!
  }

  private execute(): Promise<string> {
    const {command, args, env, interactiveMode = 'IfAvailable', installHint} = this.plugin
    const interactive = interactiveMode !== 'Never' && process.stdin.isTTY === true
    if (interactiveMode === 'Always' && !interactive) this.fail('it needs a terminal')
    const own = Object.fromEntries((env ?? []).map(({name, value}) => [name, value]))
    return new Promise((resolve, reject) => {
      const child = spawn(command, args ?? [], {
        env: {...process.env, ...own, KUBERNETES_EXEC_INFO: JSON.stringify(this.info(interactive))},
        stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'pipe'],
        timeout: timeoutMs,
      })
      let output = ''
      let errors = ''
      child.stdout!.setEncoding('utf8').on('data', (part: string) => {
        if (output.length < 1 << 20) output += part
      })
      child.stderr!.setEncoding('utf8').on('data', (part: string) => {
        if (errors.length < 4096) errors += part
      })
      const refuse = (detail: string) => {
        try {
          this.fail(detail)
        } catch (error) {
          reject(error)
        }
      }
      child.on('error', (error: NodeJS.ErrnoException) => {
        refuse(error.code === 'ENOENT' ? `it is not installed. ${installHint ?? ''}`.trim() : error.message)
      })
      child.on('close', (code, signal) => {
        if (code === 0) resolve(output)
        else refuse(redactText(errors.trim().slice(-500)) || `it ended with ${signal ?? code}`)
      })
    })
  }

  private info(interactive: boolean): object {
    const {caData, insecure, proxyUrl, server, tlsServerName} = this.cluster
    const cluster = {
      server,
      ...(tlsServerName === undefined ? {} : {'tls-server-name': tlsServerName}),
      ...(insecure === undefined ? {} : {'insecure-skip-tls-verify': insecure}),
      ...(caData === undefined ? {} : {'certificate-authority-data': caData}),
      ...(proxyUrl === undefined ? {} : {'proxy-url': proxyUrl}),
    }
    return {
      apiVersion: this.plugin.apiVersion ?? 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      spec: {interactive, ...(this.plugin.provideClusterInfo ? {cluster} : {})},
    }
  }

  private fail(detail: string): never {
    return fail(k8sErrors.K8S_EXEC_AUTH_FAILED, {command: this.plugin.command, detail})
  }
}
