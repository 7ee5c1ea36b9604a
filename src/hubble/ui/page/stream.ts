/** The stream of one view from the server. EventSource comes back by itself; what it does not, is tried again here. */
import type {ClusterMessage, FlowsMessage, MapMessage, StateMessage} from '../wire.ts'

export interface StreamListener {
  map(message: MapMessage): void
  flows(message: FlowsMessage): void
  state(message: StateMessage): void
  /** the server itself cannot be reached */
  away(): void
}

const againMs = 3_000

export class FlowStream {
  readonly #listener: StreamListener
  #source: EventSource | undefined
  #again: ReturnType<typeof setTimeout> | undefined

  constructor(listener: StreamListener) {
    this.#listener = listener
  }

  /** Ends the stream before. */
  open(query: URLSearchParams): void {
    this.close()
    const source = new EventSource(`api/flows?${query}`)
    this.#source = source
    const on = <T>(name: string, tell: (message: T) => void) =>
      source.addEventListener(name, (event) => {
        if (this.#source === source) tell(JSON.parse((event as MessageEvent<string>).data) as T)
      })
    on<MapMessage>('map', (message) => this.#listener.map(message))
    on<FlowsMessage>('flows', (message) => this.#listener.flows(message))
    on<StateMessage>('state', (message) => this.#listener.state(message))
    source.addEventListener('error', () => {
      if (this.#source !== source) return
      this.#listener.away()
      if (source.readyState === EventSource.CLOSED) this.#again = setTimeout(() => this.open(query), againMs)
    })
  }

  close(): void {
    clearTimeout(this.#again)
    this.#source?.close()
    this.#source = undefined
  }
}

/** undefined: the server cannot be reached */
export async function readCluster(): Promise<ClusterMessage | undefined> {
  try {
    const response = await fetch('api/cluster')
    return response.ok ? ((await response.json()) as ClusterMessage) : undefined
  } catch {
    return undefined
  }
}
