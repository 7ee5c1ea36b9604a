/**
 * Cuts a template into text and the tokens of its actions. White space around `{{-` and `-}}` is trimmed here, so that
 * the parser never sees it.
 */
import {fail} from '../../../runtime/errors.ts'
import {TEMPLATE_INVALID} from '../errors.ts'

export type TokenKind =
  | 'text'
  | 'open'
  | 'close'
  | 'space'
  | 'word'
  | 'field'
  | 'variable'
  | 'dot'
  | 'string'
  | 'number'
  | '('
  | ')'
  | '|'
  | ','
  | ':='
  | '='
  | 'end'

export interface Token {
  readonly kind: TokenKind
  /** the text of a text; the name of a word, field (without dot) or variable (with $); the value of a string */
  readonly text: string
  readonly line: number
}

/**
 * @param name file of the template, for messages
 * @throws TEMPLATE_INVALID with file and line
 */
export function lex(name: string, source: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  let line = 1
  let trimNext = false

  const broken = (detail: string): never => fail(TEMPLATE_INVALID, {at: `${name}:${line}`, detail})
  const push = (kind: TokenKind, text = ''): void => void tokens.push({kind, text, line})
  const pushText = (text: string): void => {
    if (text !== '') push('text', text)
  }

  while (at < source.length) {
    const open = source.indexOf('{{', at)
    const end = open === -1 ? source.length : open
    let text = source.slice(at, end)
    const newLines = countLines(text)
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, '')
    const trimsBefore = open !== -1 && /^\{\{-[ \t\r\n]/.test(source.slice(open, open + 4))
    if (trimsBefore) text = text.replace(/[ \t\r\n]+$/, '')
    pushText(text)
    line += newLines
    if (open === -1) break

    at = open + (trimsBefore ? 4 : 2)
    if (trimsBefore) line += countLines(source.slice(open, at))
    if (source.startsWith('/*', at)) {
      const close = source.indexOf('*/', at)
      if (close === -1) broken('a comment is not closed')
      const rest = /^(\s-)?\}\}/.exec(source.slice(close + 2, close + 6))
      if (rest === null) broken('a comment has to end its action')
      line += countLines(source.slice(at, close + 2))
      at = close + 2 + rest![0].length
      trimNext = rest![1] !== undefined
      continue
    }
    push('open')
    ;[at, trimNext] = lexAction(at)
  }
  push('end')
  return tokens

  /** Reads one action from behind its `{{`; returns where it ends and whether it trims what follows. */
  function lexAction(from: number): [number, boolean] {
    let here = from
    for (;;) {
      const rest = source.slice(here, here + 4)
      if (/^[ \t\r\n]-\}\}/.test(rest)) {
        line += countLines(rest.slice(0, 1))
        push('close')
        return [here + 4, true]
      }
      if (rest.startsWith('}}')) {
        push('close')
        return [here + 2, false]
      }
      if (here >= source.length) broken('an action is not closed')
      const found = matchToken(here)
      if (found.kind === 'space' || tokens.at(-1)?.kind === 'space') {
        if (found.kind !== 'space') tokens.push({...found, line})
        else if (tokens.at(-1)?.kind !== 'space') push('space')
      } else {
        tokens.push({...found, line})
      }
      line += countLines(source.slice(here, here + found.length))
      here += found.length
    }
  }

  function matchToken(here: number): {kind: TokenKind; text: string; length: number} {
    for (const [kind, pattern] of patterns) {
      pattern.lastIndex = here
      const whole = pattern.exec(source)?.[0]
      if (whole === undefined) continue
      if (kind === 'string') return {kind, text: unquote(whole, broken), length: whole.length}
      return {kind, text: kind === 'field' ? whole.slice(1) : whole, length: whole.length}
    }
    return broken(`"${source.slice(here, here + 12).split('\n')[0]}" is not part of the template language`)
  }
}

/** Longest first where one pattern begins like another. */
const patterns: readonly (readonly [TokenKind, RegExp])[] = [
  ['space', /[ \t\r\n]+/y],
  ['string', /"(?:\\.|[^"\\\n])*"/y],
  ['string', /`[^`]*`/y],
  ['number', /[+-]?(?:0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?)(?![\w.])/y],
  ['field', /\.[A-Za-z_][\w]*/y],
  ['variable', /\$[A-Za-z_]?[\w]*/y],
  ['word', /[A-Za-z_][\w]*/y],
  [':=', /:=/y],
  ['=', /=/y],
  ['dot', /\.(?![\w.])/y],
  ['(', /\(/y],
  [')', /\)/y],
  ['|', /\|/y],
  [',', /,/y],
]

function unquote(literal: string, broken: (detail: string) => never): string {
  if (literal.startsWith('`')) return literal.slice(1, -1)
  return literal.slice(1, -1).replace(/\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)/g, (whole, sequence: string) => {
    if (sequence.length > 1) return String.fromCodePoint(Number.parseInt(sequence.slice(1), 16))
    return simpleEscapes[sequence] ?? broken(`"${whole}" is not an escape that strings may have`)
  })
}
const simpleEscapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '"': '"',
  '\\': '\\',
}

function countLines(text: string): number {
  return text.split('\n').length - 1
}
