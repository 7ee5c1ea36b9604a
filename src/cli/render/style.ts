import {stripVTControlCharacters} from 'node:util'
import {Chalk} from 'chalk'

type Paint = (text: string) => string

/** The colours that renderers use. `plain` leaves text as it is. */
export interface Style {
  readonly good: Paint
  readonly bad: Paint
  readonly warn: Paint
  readonly note: Paint
  readonly strong: Paint
  readonly faint: Paint
}

const same: Paint = (text) => text

export const plain: Style = {good: same, bad: same, warn: same, note: same, strong: same, faint: same}

/** Whether to colour is decided here, per stream, and not by what chalk finds out about standard output. */
const {green, red, yellow, cyan, bold, dim} = new Chalk({level: 1})
const colours: Style = {good: green, bad: red, warn: yellow, note: cyan, strong: bold, faint: dim}

/** Colours for a stream: only on a terminal, never with NO_COLOR, always with FORCE_COLOR. */
export function styleFor(stream: {readonly isTTY?: boolean}, env: NodeJS.ProcessEnv = process.env): Style {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return plain
  if (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0') return colours
  return stream.isTTY === true && env['TERM'] !== 'dumb' ? colours : plain
}

/** Columns that a text takes, colours not counted. Wide characters count as one: our tables hold none. */
export function widthOf(text: string): number {
  return text.includes('\u001b') ? stripVTControlCharacters(text).length : text.length
}
