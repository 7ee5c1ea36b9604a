/**
 * Tables with elastic columns, in the way of Go's text/tabwriter, because existing tools print them so and scripts cut
 * them by it: a cell that is followed by another belongs to a column; a column reaches over neighbouring rows that all
 * have it, and is as wide as the widest cell of that stretch. The last cell of a row is in no column.
 * @see https://pkg.go.dev/text/tabwriter
 */
import {widthOf} from './style.ts'

export type Row = readonly string[]

export interface TableLayout {
  /** blanks after the widest cell of a column */
  readonly gap?: number
  /** least width of a column, gap included */
  readonly minWidth?: number
}

/**
 * Rows as text, one line each. Cells must be clean (text.ts); they may carry colours. An empty last cell makes a
 * column of the one before it, which leaves blanks at the end of the line.
 */
export function table(rows: readonly Row[], {gap = 3, minWidth = 5}: TableLayout = {}): string {
  const lines = rows.map(() => '')
  layOut(rows, 0, rows.length, [], lines, {gap, minWidth})
  return lines.map((line) => `${line}\n`).join('')
}

/** Lays out rows [from, to): each stretch with a further column is laid out with it, the rest is written as it is. */
function layOut(
  rows: readonly Row[],
  from: number,
  to: number,
  widths: readonly number[],
  lines: string[],
  layout: Required<TableLayout>,
): void {
  const column = widths.length
  let at = from
  while (at < to) {
    const start = at
    let width = layout.minWidth
    while (at < to && rows[at]!.length - 1 > column) {
      width = Math.max(width, widthOf(rows[at]![column]!) + layout.gap)
      at++
    }
    if (at > start) layOut(rows, start, at, [...widths, width], lines, layout)
    else {
      lines[at] = writeRow(rows[at]!, widths)
      at++
    }
  }
}

function writeRow(row: Row, widths: readonly number[]): string {
  return row
    .map((cell, column) => {
      const width = widths[column]
      return width === undefined ? cell : cell + ' '.repeat(Math.max(0, width - widthOf(cell)))
    })
    .join('')
}
