/** Asks the API server for its version from time to time: is it there, and which is it? */
import type {KubeClient} from '../k8s/client.ts'
import {serverVersion} from '../k8s/discovery.ts'
import {type Clock, sleep} from '../runtime/clock.ts'
import {CiliumError} from '../runtime/errors.ts'
import type {KubernetesState} from './api/sources.ts'

const fineMs = 15_000
const failingMs = 3_000

export class KubernetesProbe {
  private readonly client: KubeClient
  private readonly clock: Clock
  private readonly stopping = new AbortController()
  private loop: Promise<void> | undefined
  private current: KubernetesState

  constructor(client: KubeClient, clock: Clock) {
    this.client = client
    this.clock = clock
    this.current = {version: undefined, error: 'not asked yet', since: clock.now()}
  }

  get state(): KubernetesState {
    return this.current
  }

  start(): void {
    this.loop = this.run()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
  }

  private async run(): Promise<void> {
    const {signal} = this.stopping
    while (!signal.aborted) {
      try {
        const {major, minor, gitVersion, platform} = await serverVersion(this.client, {signal})
        this.set(`${major}.${minor} (${gitVersion}) [${platform ?? 'unknown'}]`, undefined)
      } catch (thrown) {
        if (signal.aborted) return
        const {code, message} = CiliumError.from(thrown)
        this.set(this.current.version, `${code} ${message}`)
      }
      await sleep(this.clock, this.current.error === undefined ? fineMs : failingMs, signal).catch(() => {}) // stopped
    }
  }

  private set(version: string | undefined, error: string | undefined): void {
    const same = (this.current.error === undefined) === (error === undefined) && this.current.version === version
    this.current = {version, error, since: same ? this.current.since : this.clock.now()}
  }
}
