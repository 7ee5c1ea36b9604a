/**
 * JSONPath templates in the way of kubectl: literal text around expressions in braces. Understood: `$`, `@`, `.name`,
 * `['name']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `.*`, `..name`, `[?(@.name=="value")]` with == != < <= > >=, and
 * `{range EXPR}…{end}`, `{"\n"}`. A missing key yields nothing. Several results are joined by blanks.
 * @see https://kubernetes.io/docs/reference/kubectl/jsonpath/
 */
import {fail} from '../../runtime/errors.ts'
import {declareUsageErrors} from '../errors.ts'

const {JSONPATH_INVALID} = declareUsageErrors({
  JSONPATH_INVALID: {
    what: 'jsonpath expression "{expression}" cannot be read: {reason}',
    advice: "write it like jsonpath='{.status.nodes[*].name}'",
  },
})

type Step =
  | {readonly kind: 'name'; readonly name: string}
  | {readonly kind: 'index'; readonly index: number}
  | {readonly kind: 'slice'; readonly from: number | undefined; readonly to: number | undefined}
  | {readonly kind: 'all'}
  | {readonly kind: 'deep'}
  | {readonly kind: 'filter'; readonly path: readonly Step[]; readonly operator: string; readonly operand: unknown}

type Part =
  | {readonly kind: 'text'; readonly text: string}
  | {readonly kind: 'path'; readonly steps: readonly Step[]}
  | {readonly kind: 'range'; readonly steps: readonly Step[]; readonly body: readonly Part[]}

/** Fills a template from a value. @throws JSONPATH_INVALID when the template cannot be read */
export function jsonPath(value: unknown, template: string): string {
  const tokens = tokenize(template.includes('{') ? template : `{${template}}`)
  const {parts, rest} = parseParts(tokens, template)
  if (rest.length > 0) fail(JSONPATH_INVALID, {expression: template, reason: '{end} without {range}'})
  // values are read as plain JSON, so that keys are what -o json shows
  return render(parts, JSON.parse(JSON.stringify(value ?? null)))
}

interface Token {
  readonly expression: boolean
  readonly text: string
}

function tokenize(template: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < template.length) {
    const open = template.indexOf('{', at)
    if (open === -1) {
      tokens.push({expression: false, text: template.slice(at)})
      break
    }
    if (open > at) tokens.push({expression: false, text: template.slice(at, open)})
    const close = closingBrace(template, open)
    tokens.push({expression: true, text: template.slice(open + 1, close).trim()})
    at = close + 1
  }
  return tokens
}

function closingBrace(template: string, open: number): number {
  let quote = ''
  for (let at = open + 1; at < template.length; at++) {
    const char = template[at]!
    if (quote !== '') {
      if (char === '\\') at++
      else if (char === quote) quote = ''
    } else if (char === '"' || char === "'") quote = char
    else if (char === '}') return at
  }
  return fail(JSONPATH_INVALID, {expression: template, reason: 'a brace is not closed'})
}

function parseParts(tokens: readonly Token[], template: string): {parts: Part[]; rest: readonly Token[]} {
  const parts: Part[] = []
  let rest = tokens
  for (;;) {
    const token = rest[0]
    if (token === undefined) return {parts, rest: []}
    if (token.expression && token.text === 'end') return {parts, rest}
    rest = rest.slice(1)
    if (!token.expression) parts.push({kind: 'text', text: token.text})
    else if (/^["']/.test(token.text)) parts.push({kind: 'text', text: unquote(token.text)})
    else if (/^range\s/.test(token.text)) {
      const body = parseParts(rest, template)
      if (body.rest.length === 0) fail(JSONPATH_INVALID, {expression: template, reason: '{range} without {end}'})
      rest = body.rest.slice(1)
      parts.push({kind: 'range', steps: parsePath(token.text.slice(6).trim(), template), body: body.parts})
    } else parts.push({kind: 'path', steps: parsePath(token.text, template)})
  }
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, char: string) => ({n: '\n', t: '\t', r: '\r'})[char] ?? char)
}

function parsePath(text: string, template: string): Step[] {
  const steps: Step[] = []
  let rest = text.replace(/^[$@]/, '')
  while (rest !== '') {
    let found: RegExpMatchArray | null
    if (rest.startsWith('..')) {
      steps.push({kind: 'deep'})
      rest = /^\.\.\[/.test(rest) ? rest.slice(2) : rest.slice(1)
    } else if (rest === '.') break
    else if (rest.startsWith('.[')) rest = rest.slice(1)
    else if (rest.startsWith('.*')) {
      steps.push({kind: 'all'})
      rest = rest.slice(2)
    } else if ((found = rest.match(/^\.?((?:\\.|[^.[\]\s\\])+)/)) !== null) {
      steps.push({kind: 'name', name: found[1]!.replace(/\\(.)/g, '$1')})
      rest = rest.slice(found[0].length)
    } else if ((found = rest.match(/^\[\?\(\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\)\]/)) !== null) {
      const [whole, path, operator, operand] = found as [string, string, string, string]
      steps.push({kind: 'filter', path: parsePath(path, template), operator, operand: literal(operand, template)})
      rest = rest.slice(whole.length)
    } else if ((found = rest.match(/^\[(?:\*|(["'])(.*?)\1|(-?\d+)|(-?\d*):(-?\d*))\]/)) !== null) {
      const [whole, quote, name, index, from, to] = found
      if (quote !== undefined) steps.push({kind: 'name', name: name!})
      else if (index !== undefined) steps.push({kind: 'index', index: Number(index)})
      else if (from !== undefined) steps.push({kind: 'slice', from: bound(from), to: bound(to!)})
      else steps.push({kind: 'all'})
      rest = rest.slice(whole.length)
    } else fail(JSONPATH_INVALID, {expression: template, reason: `"${rest}" is not understood`})
  }
  return steps
}

function bound(text: string): number | undefined {
  return text === '' ? undefined : Number(text)
}

function literal(text: string, template: string): unknown {
  if (/^(["']).*\1$/.test(text)) return unquote(text)
  if (text === 'true' || text === 'false') return text === 'true'
  const number = Number(text)
  return Number.isNaN(number) ? fail(JSONPATH_INVALID, {expression: template, reason: `"${text}" is no value`}) : number
}

function render(parts: readonly Part[], value: unknown): string {
  let out = ''
  for (const part of parts) {
    if (part.kind === 'text') out += part.text
    else if (part.kind === 'path') out += walk(part.steps, value).map(show).join(' ')
    else for (const item of walk(part.steps, value)) out += render(part.body, item)
  }
  return out
}

function walk(steps: readonly Step[], value: unknown): unknown[] {
  let found: unknown[] = [value]
  for (const step of steps) found = found.flatMap((item) => take(step, item))
  return found
}

function take(step: Step, item: unknown): unknown[] {
  switch (step.kind) {
    case 'name':
      return isRecord(item) && Object.hasOwn(item, step.name) ? [item[step.name]] : []
    case 'index': {
      if (!Array.isArray(item)) return []
      const at = step.index < 0 ? item.length + step.index : step.index
      return at in item ? [item[at]] : []
    }
    case 'slice':
      return Array.isArray(item) ? item.slice(step.from ?? 0, step.to) : []
    case 'all':
      return Array.isArray(item) ? item : isRecord(item) ? Object.values(item) : []
    case 'deep':
      return descend(item)
    case 'filter':
      return Array.isArray(item)
        ? item.filter((each) => walk(step.path, each).some((part) => holds(part, step.operator, step.operand)))
        : []
  }
}

function descend(item: unknown): unknown[] {
  const children = Array.isArray(item) ? item : isRecord(item) ? Object.values(item) : []
  return [item, ...children.flatMap(descend)]
}

function holds(left: unknown, operator: string, right: unknown): boolean {
  if (operator === '==') return left === right
  if (operator === '!=') return left !== right
  if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false
  const order = left < (right as typeof left) ? -1 : left === right ? 0 : 1
  if (operator === '<') return order < 0
  if (operator === '<=') return order <= 0
  return operator === '>' ? order > 0 : order >= 0
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value)
}
