import {widthOf} from './style.ts'

export interface TableLayout {
  /** blanks between columns */
  readonly gap?: number
  /** least width of a column, gap included */
  readonly minWidth?: number
  /** blanks before each row */
  readonly indent?: number
  /** keep the blanks after the last cell of a row, as the original tools do for some tables */
  readonly trailing?: boolean
}

/**
 * Rows as columns, in the way of Go's tabwriter over the whole table: each column is as wide as its widest cell.
 * Cells must be clean (see text.ts); they may carry colours. Rows may be shorter than others.
 */
export function table(rows: readonly (readonly string[])[], layout: TableLayout = {}): string {
  const {gap = 3, minWidth = 5, indent = 0, trailing = false} = layout
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) {
      // the last cell of a row needs no room after it, so it does not widen its column unless another row goes on
      if (column === row.length - 1 && !trailing) continue
      widths[column] = Math.max(widths[column] ?? minWidth, widthOf(cell) + gap)
    }
  }
  const margin = ' '.repeat(indent)
  const lines = rows.map((row) => {
    let line = ''
    for (const [column, cell] of row.entries()) {
      const last = column === row.length - 1
      line += last && !trailing ? cell : cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell)))
    }
    return trailing ? margin + line : (margin + line).trimEnd()
  })
  return lines.map((line) => `${line}\n`).join('')
}
