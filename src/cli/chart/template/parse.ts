/**
 * Parses the template language that charts here may use: a subset of Go's text/template, fixed in
 * docs/reference/chart-templates.md. What lies outside is refused with file and line.
 */
import {fail} from '../../../runtime/errors.ts'
import {TEMPLATE_INVALID} from '../errors.ts'
import {lex, type Token, type TokenKind} from './lex.ts'
import type {Command, Node, Operand, ParsedFile, Pipe, Place} from './syntax.ts'

/** @throws TEMPLATE_INVALID with file and line */
export function parseTemplate(file: string, source: string): ParsedFile {
  return new Parser(file, lex(file, source)).parseFile()
}

/** What ends a list of nodes. */
type Ending = 'end' | 'else' | 'eof'

class Parser {
  readonly #file: string
  readonly #tokens: readonly Token[]
  readonly #defines = new Map<string, {place: Place; nodes: readonly Node[]}>()
  #at = 0
  #rangeDepth = 0
  /** names of the variables in sight, innermost scope last */
  readonly #scopes: Set<string>[] = [new Set(['$'])]

  constructor(file: string, tokens: readonly Token[]) {
    this.#file = file
    this.#tokens = tokens
  }

  parseFile(): ParsedFile {
    const {nodes, ending} = this.#parseNodes()
    if (ending !== 'eof') this.#broken(`{{ ${ending} }} ends nothing`)
    return {file: this.#file, nodes, defines: this.#defines}
  }

  #parseNodes(): {nodes: Node[]; ending: Ending} {
    const nodes: Node[] = []
    for (;;) {
      const token = this.#next()
      if (token.kind === 'end') return {nodes, ending: 'eof'}
      if (token.kind === 'text') {
        nodes.push({kind: 'text', text: token.text})
        continue
      }
      // only `open` is left at this level
      this.#skipSpace()
      const word = this.#peek()
      if (word.kind === 'word' && (word.text === 'end' || word.text === 'else')) {
        this.#next()
        return {nodes, ending: word.text}
      }
      const node = this.#parseAction()
      if (node !== undefined) nodes.push(node)
    }
  }

  #parseAction(): Node | undefined {
    const place = this.#place()
    const word = this.#peek()
    if (word.kind === 'word') {
      switch (word.text) {
        case 'if':
        case 'with':
        case 'range':
          this.#next()
          return this.#parseControl(word.text, place)
        case 'define':
          this.#next()
          this.#parseDefine(place)
          return undefined
        case 'template': {
          this.#next()
          this.#skipSpace()
          const name = this.#expect('string', 'the name of a template in quotes').text
          this.#skipSpace()
          const pipe = this.#peek().kind === 'close' ? undefined : this.#parsePipe()
          this.#close()
          return {kind: 'template', place, name, pipe}
        }
        case 'break':
        case 'continue':
          this.#next()
          if (this.#rangeDepth === 0) this.#broken(`{{ ${word.text} }} stands outside of a range`)
          this.#close()
          return {kind: word.text, place}
        case 'block':
          return this.#broken('{{ block }} is not part of the subset; use define and include')
      }
    }
    const pipe = this.#parsePipe()
    this.#close()
    return {kind: 'print', place, pipe}
  }

  #parseControl(kind: 'if' | 'with' | 'range', place: Place): Node {
    this.#scopes.push(new Set())
    const pipe = this.#parsePipe(kind === 'range')
    this.#close()
    if (kind === 'range') this.#rangeDepth++
    const body = this.#parseBody(kind, place)
    if (kind === 'range') this.#rangeDepth--
    let otherwise: Node[] = []
    if (body.ending === 'else') {
      this.#skipSpace()
      const word = this.#peek()
      if (word.kind === 'word' && (word.text === 'if' || word.text === 'with')) {
        if (kind !== word.text) this.#broken(`{{ else ${word.text} }} does not belong to ${kind}`)
        this.#next()
        otherwise = [this.#parseControl(word.text, this.#place())]
      } else {
        this.#close()
        const rest = this.#parseBody(kind, place)
        if (rest.ending === 'else') this.#broken(`${kind} has a second {{ else }}`)
        this.#close()
        otherwise = rest.nodes
      }
    } else {
      this.#close()
    }
    this.#scopes.pop()
    return {kind, place, pipe, body: body.nodes, otherwise}
  }

  #parseBody(kind: string, place: Place): {nodes: Node[]; ending: 'end' | 'else'} {
    this.#scopes.push(new Set())
    const {nodes, ending} = this.#parseNodes()
    this.#scopes.pop()
    if (ending === 'eof') return this.#broken(`${kind} of line ${place.line} has no {{ end }}`)
    return {nodes, ending}
  }

  #parseDefine(place: Place): void {
    this.#skipSpace()
    const name = this.#expect('string', 'the name of a template in quotes').text
    this.#close()
    const outer = this.#scopes.splice(0)
    const outerRange = this.#rangeDepth
    if (outer.length > 1) this.#broken('define stands inside of another action')
    this.#scopes.push(new Set(['$']))
    this.#rangeDepth = 0
    const body = this.#parseBody('define', place)
    if (body.ending === 'else') this.#broken('define has an {{ else }}')
    this.#close()
    this.#scopes.splice(0, this.#scopes.length, ...outer)
    this.#rangeDepth = outerRange
    if (this.#defines.has(name)) this.#broken(`template "${name}" is defined twice`)
    this.#defines.set(name, {place, nodes: body.nodes})
  }

  #parsePipe(twoVariables = false): Pipe {
    this.#skipSpace()
    const place = this.#place()
    const {variables, declares} = this.#parseVariables(twoVariables)
    const commands = [this.#parseCommand()]
    while (this.#peek().kind === '|') {
      this.#next()
      commands.push(this.#parseCommand())
      const first = commands.at(-1)!.operands[0]!
      if (first.kind !== 'function') this.#broken('behind | has to stand a function')
    }
    // a variable is in sight only behind the pipe that makes it
    if (declares) for (const name of variables) this.#scopes.at(-1)!.add(name)
    return {place, variables, declares, commands}
  }

  #parseVariables(two: boolean): {variables: string[]; declares: boolean} {
    const start = this.#at
    const variables: string[] = []
    while (this.#peek().kind === 'variable') {
      variables.push(this.#next().text)
      this.#skipSpace()
      if (this.#peek().kind !== ',') break
      this.#next()
      this.#skipSpace()
    }
    const kind = this.#peek().kind
    if (variables.length === 0 || (kind !== ':=' && kind !== '=')) {
      this.#at = start
      return {variables: [], declares: false}
    }
    this.#next()
    if (variables.length > (two ? 2 : 1)) this.#broken('too many variables')
    if (kind === '=') for (const name of variables) this.#known(name)
    return {variables, declares: kind === ':='}
  }

  #parseCommand(): Command {
    this.#skipSpace()
    const place = this.#place()
    const operands: Operand[] = []
    for (;;) {
      const kind = this.#peek().kind
      if (kind === 'close' || kind === '|' || kind === ')') break
      operands.push(this.#parseOperand(operands.length === 0))
      const after = this.#peek().kind
      if (after === 'space') this.#next()
      else if (after !== 'close' && after !== '|' && after !== ')') this.#broken('a space is missing')
    }
    const first = operands[0]
    if (first === undefined) return this.#broken('a value is missing')
    if (first.kind !== 'function' && operands.length > 1) this.#broken('only functions take arguments')
    return {place, operands}
  }

  #parseOperand(isFirst: boolean): Operand {
    const token = this.#next()
    switch (token.kind) {
      case 'dot':
        return {kind: 'dot'}
      case 'field':
        return {kind: 'field', path: [token.text, ...this.#parseFields()]}
      case 'variable':
        this.#known(token.text)
        return {kind: 'variable', name: token.text, path: this.#parseFields()}
      case 'string':
        return {kind: 'literal', value: token.text}
      case 'number':
        return {kind: 'literal', value: token.text.includes('.') ? Number(token.text) : BigInt(token.text)}
      case '(': {
        const pipe = this.#parsePipe()
        if (pipe.variables.length > 0) this.#broken('variables cannot be set inside parentheses')
        this.#skipSpace()
        this.#expect(')', 'a closing parenthesis')
        return {kind: 'pipe', pipe, path: this.#parseFields()}
      }
      case 'word':
        if (token.text === 'true' || token.text === 'false') return {kind: 'literal', value: token.text === 'true'}
        if (token.text === 'nil') {
          if (isFirst) this.#broken('nil is not a command')
          return {kind: 'literal', value: null}
        }
        return {kind: 'function', name: token.text}
      default:
        return this.#broken(`"${token.text || token.kind}" is not expected here`)
    }
  }

  #parseFields(): string[] {
    const path: string[] = []
    while (this.#peek().kind === 'field') path.push(this.#next().text)
    return path
  }

  #known(name: string): void {
    if (!this.#scopes.some((scope) => scope.has(name))) this.#broken(`variable ${name} is not defined`)
  }

  #close(): void {
    this.#skipSpace()
    this.#expect('close', 'the end of the action')
  }

  #expect(kind: TokenKind, what: string): Token {
    const token = this.#next()
    if (token.kind !== kind) this.#broken(`${what} is missing`)
    return token
  }

  #skipSpace(): void {
    while (this.#peek().kind === 'space') this.#at++
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? {kind: 'end', text: '', line: 0}
  }

  #next(): Token {
    const token = this.#peek()
    this.#at++
    return token
  }

  #place(): Place {
    return {file: this.#file, line: this.#peek().line}
  }

  #broken(detail: string): never {
    const line = this.#tokens[Math.min(this.#at, this.#tokens.length) - 1]?.line ?? 1
    return fail(TEMPLATE_INVALID, {at: `${this.#file}:${line}`, detail})
  }
}
