/**
 * Tables of our own: a heading, and a last column that is wrapped where the terminal ends. Layouts that existing tools
 * have made known, and that scripts cut, are made by `table` instead.
 */
import Table from 'cli-table3'
import {widthOf} from './style.ts'

const bare = {
  ...{top: '', 'top-mid': '', 'top-left': '', 'top-right': ''},
  ...{bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': ''},
  ...{left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '   '},
}
const gap = bare.middle.length
/** a last column that gets less is not wrapped */
const leastLast = 24

/**
 * @param rows cells must be clean (text.ts); they may carry colours
 * @param columns of the terminal; undefined when the text goes elsewhere: nothing is wrapped
 * @returns a line for each row at least, without blanks at their ends
 */
export function grid(head: readonly string[], rows: readonly (readonly string[])[], columns?: number): string {
  const widths = head.map((title, column) => Math.max(...[title, ...rows.map((row) => row[column] ?? '')].map(widthOf)))
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + gap, 0)
  const left = columns === undefined ? Number.POSITIVE_INFINITY : columns - before
  const last = left < leastLast ? widths.at(-1)! : Math.min(widths.at(-1)!, left)
  const made = new Table({
    chars: bare,
    head: [...head],
    colWidths: [...widths.slice(0, -1), last],
    wordWrap: true,
    style: {head: [], border: [], 'padding-left': 0, 'padding-right': 0},
  })
  for (const row of rows) made.push(head.map((_, column) => row[column] ?? ''))
  return made
    .toString()
    .split('\n')
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}
