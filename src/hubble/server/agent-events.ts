/** What the agent did lately: a short memory, and those who follow it. */
import type {AgentEvent} from '../../api/gen/flow.ts'

export interface TimedAgentEvent {
  /** ns since 1970 */
  readonly time: bigint
  readonly event: AgentEvent
}

const eventsMax = 1024

export class AgentEvents {
  readonly #events: TimedAgentEvent[] = []
  readonly #listeners = new Set<(event: TimedAgentEvent) => void>()

  add(event: TimedAgentEvent): void {
    this.#events.push(event)
    if (this.#events.length > eventsMax) this.#events.shift()
    for (const listener of this.#listeners) listener(event)
  }

  get recent(): readonly TimedAgentEvent[] {
    return this.#events
  }

  /** @returns ends it */
  follow(listener: (event: TimedAgentEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
