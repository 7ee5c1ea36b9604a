/** Errors of nodes while they are asked: the same of many nodes, or again and again, is told once in a while. */
export interface NodeError {
  readonly names: readonly string[]
  readonly message: string
}

const windowMs = 10_000

export class NodeErrors {
  readonly #tell: (error: NodeError) => Promise<void>
  readonly #waiting = new Map<string, Set<string>>()
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (error: NodeError) => Promise<void>) {
    this.#tell = tell
  }

  add(name: string, message: string): void {
    const names = this.#waiting.get(message) ?? new Set()
    names.add(name)
    this.#waiting.set(message, names)
    this.#timer ??= setTimeout(() => void this.flush(), windowMs)
  }

  /** Tells what waits now. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const errors = [...this.#waiting].map(([message, names]) => ({message, names: [...names].sort()}))
    this.#waiting.clear()
    for (const error of errors) await this.#tell(error)
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}
