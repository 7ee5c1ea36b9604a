import {LiveBlock} from '../render/live-block.ts'
import {styleFor} from '../render/style.ts'
import {cleanLines} from '../render/text.ts'
import {statusText} from './render.ts'
import type {StatusReport} from './report.ts'

/** Shows a report while its answers come in. Does nothing when stdout is no terminal: half a report is no use in a log. */
export class LiveStatus {
  readonly #block: LiveBlock | undefined

  constructor({enabled}: {enabled: boolean}) {
    this.#block = enabled && process.stdout.isTTY ? new LiveBlock(process.stdout) : undefined
  }

  show(report: StatusReport): void {
    this.#block?.draw(cleanLines(statusText(report, styleFor(process.stdout))))
  }

  clear(): void {
    this.#block?.clear()
  }

  [Symbol.dispose](): void {
    this.clear()
  }
}
