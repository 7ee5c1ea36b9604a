/** Functions of CEL, called as f(x) or x.f(). */
import {RE2JS} from 're2js'
import {parseTimestamp} from '../../../api/wire/json.ts'
import type {Node} from './parse.ts'
import {CelProblem} from './problem.ts'
import {type CelType, type CelValue, type Compiled, isNumber, typeName} from './values.ts'

export type Call = Extract<Node, {kind: 'call'}>
/** @throws CelProblem for another type */
interface Operands {
  want(node: Node, type: CelType): Compiled
}

type Method = (compiler: Operands, call: Call) => Compiled

export const methods: Readonly<Record<string, Method>> = {
  size(compiler, call) {
    const [of] = operands(compiler, call, ['any'])
    const {type} = of!
    if (type !== 'any' && type !== 'string' && !(typeof type === 'object' && 'list' in type))
      throw new CelProblem(`${typeName(type)} has no size`, call.at)
    return {
      type: 'number',
      run(scope) {
        const value = of!.run(scope)
        // letters, not halves of them
        if (typeof value === 'string') return BigInt([...value].length)
        return BigInt((value as readonly unknown[]).length)
      },
    }
  },
  startsWith: ofTexts((text, part) => text.startsWith(part)),
  endsWith: ofTexts((text, part) => text.endsWith(part)),
  contains: ofTexts((text, part) => text.includes(part)),
  matches(compiler, call) {
    const [text] = operands(compiler, call, ['string', 'string'])
    const pattern = (call.target === undefined ? call.args : [call.target, ...call.args])[1]!
    if (pattern.kind !== 'value') throw new CelProblem('the pattern of matches must be written out', call.at)
    const expression = patternOf(String(pattern.value), pattern.at)
    return {type: 'bool', run: (scope) => expression.test(text!.run(scope) as string)}
  },
  int: converting('number', wholeOf),
  uint(compiler, call) {
    const {type, run} = converting('number', wholeOf)(compiler, call)
    return {
      type,
      run(scope) {
        const value = run(scope) as bigint
        if (value < 0n) throw new CelProblem('it is below zero', call.at)
        return value
      },
    }
  },
  double: converting('number', (value, at) => {
    const number = Number(value as string | number | bigint)
    return Number.isNaN(number) ? refuse(value, 'double', at) : number
  }),
  string: converting('string', (value, at) =>
    typeof value === 'object' ? refuse(value, 'string', at) : String(value),
  ),
  bool: converting('bool', (value, at) =>
    value === true || value === 'true'
      ? true
      : value === false || value === 'false'
        ? false
        : refuse(value, 'bool', at),
  ),
  timestamp: converting('time', (value, at) =>
    typeof value === 'bigint' ? value : (parseTimestamp(String(value)) ?? refuse(value, 'a time', at)),
  ),
  dyn: converting('any', (value) => value),
}

function operands(compiler: Operands, {name, target, args, at}: Call, types: readonly CelType[]): readonly Compiled[] {
  const nodes = target === undefined ? args : [target, ...args]
  if (nodes.length !== types.length) throw new CelProblem(`${name} takes ${types.length}, not ${nodes.length}`, at)
  return nodes.map((node, index) => compiler.want(node, types[index]!))
}

function ofTexts(test: (text: string, part: string) => boolean): Method {
  return (compiler, call) => {
    if (call.target === undefined) throw new CelProblem(`${call.name} is called as TEXT.${call.name}(PART)`, call.at)
    const [text, part] = operands(compiler, call, ['string', 'string'])
    return {type: 'bool', run: (scope) => test(text!.run(scope) as string, part!.run(scope) as string)}
  }
}

function converting(type: CelType, convert: (value: CelValue, at: number) => CelValue): Method {
  return (compiler, call) => {
    const [of] = operands(compiler, call, ['any'])
    return {type, run: (scope) => convert(of!.run(scope), call.at)}
  }
}

function wholeOf(value: CelValue, at: number): CelValue {
  if (typeof value === 'bigint') return value
  if (isNumber(value) && Number.isFinite(value)) return BigInt(Math.trunc(value))
  if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value)
  return refuse(value, 'int', at)
}

function patternOf(text: string, at: number): RE2JS {
  try {
    return RE2JS.compile(text)
  } catch (thrown) {
    throw new CelProblem((thrown as Error).message, at)
  }
}

function refuse(value: unknown, what: string, at: number): never {
  throw new CelProblem(`${typeof value} is not ${what}`, at)
}
