/** Words of CEL (the Common Expression Language): what a text consists of, before it means anything. */
import {CelProblem} from './problem.ts'

export interface Token {
  readonly kind: 'name' | 'int' | 'uint' | 'double' | 'string' | 'sign' | 'end'
  /** a string without its quotes and escapes */
  readonly text: string
  /** in the expression */
  readonly at: number
}

const blank = /[\s\n]+|\/\/[^\n]*/y
const name = /[A-Za-z_][A-Za-z0-9_]*/y
const number = /0x[0-9a-fA-F]+u?|\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.\d+(?:[eE][-+]?\d+)?|\d+u?/y
const text = /([rR]?)("""(?:[^\\]|\\[\s\S])*?"""|'''(?:[^\\]|\\[\s\S])*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/y
const rawText = /[rR](?:"[^"\n]*"|'[^'\n]*')/y
const sign = /&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()[\]{}]/y

const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** @throws CelProblem */
export function tokensOf(expression: string): readonly Token[] {
  const tokens: Token[] = []
  let at = 0
  const take = (form: RegExp): string | undefined => {
    form.lastIndex = at
    const found = form.exec(expression)?.[0]
    if (found !== undefined) at += found.length
    return found
  }
  while (at < expression.length) {
    const from = at
    if (take(blank) !== undefined) continue
    const push = (kind: Token['kind'], value: string) => tokens.push({kind, text: value, at: from})
    const raw = take(rawText)
    if (raw !== undefined) {
      push('string', raw.slice(2, -1))
      continue
    }
    const quoted = take(text)
    if (quoted !== undefined) {
      const body = quoted.startsWith('"""') || quoted.startsWith("'''") ? quoted.slice(3, -3) : quoted.slice(1, -1)
      push('string', withoutEscapes(body, from))
      continue
    }
    const word = take(name)
    if (word !== undefined) {
      push('name', word)
      continue
    }
    const digits = take(number)
    if (digits !== undefined) {
      const hex = digits.startsWith('0x')
      const kind = digits.endsWith('u') ? 'uint' : !hex && /[.eE]/.test(digits) ? 'double' : 'int'
      push(kind, digits.replace(/u$/, ''))
      continue
    }
    const one = take(sign)
    if (one === undefined) throw new CelProblem(`${JSON.stringify(expression[at])} is not understood`, at)
    push('sign', one)
  }
  tokens.push({kind: 'end', text: 'the end', at})
  return tokens
}

function withoutEscapes(body: string, at: number): string {
  return body.replace(
    /\\(x[0-9a-fA-F]{2}|X[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|[\s\S])/g,
    (_, code: string) => {
      if (/^[xXuU]./.test(code)) {
        const point = Number.parseInt(code.slice(1), 16)
        if (point > 0x10_ffff) throw new CelProblem(`\\${code} is no character`, at)
        return String.fromCodePoint(point)
      }
      if (/^[0-3][0-7]{2}$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8))
      if (/[\\"'`?]/.test(code)) return code
      return escapes[code] ?? fail(code, at)
    },
  )
}

function fail(code: string, at: number): never {
  throw new CelProblem(`\\${code} is no escape`, at)
}
