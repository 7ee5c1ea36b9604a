/** A block of lines at the end of a terminal that is drawn again in place. */
export class LiveBlock {
  readonly #stream: NodeJS.WriteStream
  #height = 0

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  /** Shows a text instead of the last one. What does not fit the terminal is cut: it could not be taken back. */
  draw(text: string): void {
    const rows = Math.max(1, (this.#stream.rows ?? 24) - 1)
    const columns = this.#stream.columns ?? 80
    const lines = text.replace(/\n$/, '').split('\n')
    const shown = lines.slice(0, rows).map((line) => cut(line, columns))
    this.#stream.write(`${this.#rewind()}${shown.join('\n')}\n`)
    this.#height = shown.length
  }

  /** Takes the block away, so that whole text may be printed in its place. */
  clear(): void {
    if (this.#height > 0) this.#stream.write(this.#rewind())
    this.#height = 0
  }

  #rewind(): string {
    return this.#height === 0 ? '' : `\u001b[${this.#height}A\u001b[0J`
  }
}

/** The first `width` columns of a line; colours stay whole and are ended. */
function cut(line: string, width: number): string {
  let out = ''
  let column = 0
  for (const [piece] of line.matchAll(/\u001b\[[0-9;]*m|./gsu)) {
    if (!piece.startsWith('\u001b')) {
      if (column === width) return `${out}\u001b[0m`
      column++
    }
    out += piece
  }
  return out
}
