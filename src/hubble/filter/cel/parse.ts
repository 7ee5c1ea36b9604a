/**
 * From the words of CEL to a tree (https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax). Messages
 * cannot be built, and there are no maps: a filter has no use for either.
 */
import {CelProblem} from './problem.ts'
import {type Token, tokensOf} from './tokens.ts'

export type Node =
  | {readonly kind: 'value'; readonly value: boolean | string | number | bigint | null; readonly at: number}
  | {readonly kind: 'name'; readonly name: string; readonly at: number}
  | {readonly kind: 'field'; readonly of: Node; readonly name: string; readonly at: number}
  | {readonly kind: 'index'; readonly of: Node; readonly by: Node; readonly at: number}
  | {
      readonly kind: 'call'
      readonly name: string
      readonly target: Node | undefined
      readonly args: readonly Node[]
      readonly at: number
    }
  | {readonly kind: 'unary'; readonly sign: '!' | '-'; readonly of: Node; readonly at: number}
  | {readonly kind: 'binary'; readonly sign: string; readonly left: Node; readonly right: Node; readonly at: number}
  | {readonly kind: 'choice'; readonly test: Node; readonly yes: Node; readonly no: Node; readonly at: number}
  | {readonly kind: 'list'; readonly items: readonly Node[]; readonly at: number}

/** binary signs, the loosest first */
const levels: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['<', '<=', '>=', '>', '==', '!=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
]
/** brackets within brackets */
const depthMax = 64
const reserved =
  /^(?:as|break|const|continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|while)$/

/** @throws CelProblem */
export function parseCel(expression: string): Node {
  return new Parser(tokensOf(expression)).whole()
}

class Parser {
  readonly #tokens: readonly Token[]
  #place = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  whole(): Node {
    const node = this.#expression()
    if (this.#next.kind !== 'end') this.#refuse()
    return node
  }

  get #next(): Token {
    return this.#tokens[this.#place]!
  }

  #refuse(): never {
    throw new CelProblem(`${JSON.stringify(this.#next.text)} is not expected`, this.#next.at)
  }

  #is(text: string): boolean {
    const {kind, text: found} = this.#next
    return (kind === 'sign' || (kind === 'name' && text === 'in')) && found === text
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false
    this.#place++
    return true
  }

  #need(text: string): void {
    if (!this.#take(text)) this.#refuse()
  }

  #expression(): Node {
    if (++this.#depth > depthMax) throw new CelProblem('it is nested too deeply', this.#next.at)
    const {at} = this.#next
    const test = this.#level(0)
    if (this.#take('?')) {
      const yes = this.#level(0)
      this.#need(':')
      const no = this.#expression()
      this.#depth--
      return {kind: 'choice', test, yes, no, at}
    }
    this.#depth--
    return test
  }

  #level(level: number): Node {
    const signs = levels[level]
    if (signs === undefined) return this.#unary()
    let left = this.#level(level + 1)
    for (;;) {
      const sign = signs.find((one) => this.#is(one))
      if (sign === undefined) return left
      const {at} = this.#next
      this.#place++
      left = {kind: 'binary', sign, left, right: this.#level(level + 1), at}
    }
  }

  #unary(): Node {
    const {at} = this.#next
    for (const sign of ['!', '-'] as const) {
      if (!this.#take(sign)) continue
      if (++this.#depth > depthMax) throw new CelProblem('it is nested too deeply', at)
      const of = this.#unary()
      this.#depth--
      return {kind: 'unary', sign, of, at}
    }
    return this.#member()
  }

  #member(): Node {
    let node = this.#primary()
    for (;;) {
      const {at} = this.#next
      if (this.#take('.')) {
        const {kind, text} = this.#next
        if (kind !== 'name') this.#refuse()
        this.#place++
        node = this.#take('(')
          ? {kind: 'call', name: text, target: node, args: this.#list(')'), at}
          : {kind: 'field', of: node, name: text, at}
      } else if (this.#take('[')) {
        const by = this.#expression()
        this.#need(']')
        node = {kind: 'index', of: node, by, at}
      } else return node
    }
  }

  #primary(): Node {
    const {kind, text, at} = this.#next
    if (this.#take('(')) {
      const node = this.#expression()
      this.#need(')')
      return node
    }
    if (this.#take('[')) return {kind: 'list', items: this.#list(']'), at}
    if (kind === 'sign' || kind === 'end') this.#refuse()
    this.#place++
    switch (kind) {
      case 'int':
      case 'uint':
        return {kind: 'value', value: BigInt(text), at}
      case 'double':
        return {kind: 'value', value: Number(text), at}
      case 'string':
        return {kind: 'value', value: text, at}
      default:
        break
    }
    if (text === 'true' || text === 'false') return {kind: 'value', value: text === 'true', at}
    if (text === 'null') return {kind: 'value', value: null, at}
    if (reserved.test(text)) throw new CelProblem(`${text} is a reserved word`, at)
    if (this.#take('(')) return {kind: 'call', name: text, target: undefined, args: this.#list(')'), at}
    return {kind: 'name', name: text, at}
  }

  #list(end: ')' | ']'): Node[] {
    const items: Node[] = []
    while (!this.#take(end)) {
      if (items.length > 0) {
        this.#need(',')
        if (end === ']' && this.#take(end)) break
      }
      items.push(this.#expression())
    }
    return items
  }
}
