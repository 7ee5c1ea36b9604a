/**
 * The trial of a host policy: new rules of the node's own traffic are in force for a while, and stay only when they have
 * not cut the node off. Two witnesses: 1 the API server answers this agent at the end of the while, 2 another node's
 * probe was answered in it. A node that is alone, or whose health nobody probes, has the first witness only.
 */
import {type Clock, sleep, type Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'

export const trialMs = 60_000
const askTimeoutMs = 5_000
const askAgainMs = 1_000
const asks = 3

export interface TrialWitnesses {
  /** Asks the API server something small. @throws when it does not answer */
  askApiServer(signal: AbortSignal): Promise<void>
  /** Is there another node that probes this one? */
  probedByOthers(): boolean
  /** Calls back whenever a probe of another node has been answered. @returns ends it */
  onProbed(listener: () => void): () => void
}

export class HostTrial {
  private readonly witnesses: TrialWitnesses
  private readonly clock: Clock
  private readonly timer: Timer
  private readonly endProbes: () => void
  private readonly stopping = new AbortController()
  private probed = false

  /** Begins. @param ended told once: what has not been seen; nothing: the rules stay */
  constructor(witnesses: TrialWitnesses, clock: Clock, ended: (missing: readonly string[]) => void) {
    this.witnesses = witnesses
    this.clock = clock
    this.endProbes = witnesses.onProbed(() => {
      this.probed = true
    })
    this.timer = clock.after(trialMs, () => {
      void this.judge().then((missing) => {
        if (!this.stopping.signal.aborted) ended(missing)
        this.cancel()
      })
    })
  }

  /** Other rules have come: nobody asks any more how these did. */
  cancel(): void {
    this.stopping.abort()
    this.timer.cancel()
    this.endProbes()
  }

  private async judge(): Promise<readonly string[]> {
    const missing: string[] = []
    const failure = await this.askApiServer()
    if (failure !== undefined) missing.push(`the API server did not answer this node (${failure})`)
    if (!this.probed && this.witnesses.probedByOthers()) missing.push('no other node could probe this one')
    return missing
  }

  /** A few times: one request may be lost for another reason. @returns why the last one failed */
  private async askApiServer(): Promise<string | undefined> {
    let failure: string | undefined
    for (let i = 0; i < asks; i++) {
      try {
        await this.witnesses.askApiServer(AbortSignal.any([this.stopping.signal, AbortSignal.timeout(askTimeoutMs)]))
        return undefined
      } catch (thrown) {
        if (this.stopping.signal.aborted) return undefined
        failure = CiliumError.from(thrown).message
      }
      if (i + 1 < asks) await sleep(this.clock, askAgainMs, this.stopping.signal).catch(() => {}) // cancelled
    }
    return failure
  }
}
