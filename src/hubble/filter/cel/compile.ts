/**
 * Expressions in CEL over flows, as `_flow`: checked when they are given, so that a wrong name is refused and not simply
 * never true. What goes wrong with one flow (a list that is too short) means that the flow does not match.
 */
import {Flow} from '../../../api/gen/flow.ts'
import type {EnumType, Field, MessageType} from '../../../api/wire/message.ts'
import {type Call, methods} from './methods.ts'
import {type Node, parseCel} from './parse.ts'
import {CelProblem} from './problem.ts'
import {arithmetic, compare} from './signs.ts'
import {
  absent,
  type CelType,
  type CelValue,
  type Compiled,
  equals,
  fieldType,
  present,
  type Scope,
  typeName,
} from './values.ts'

/** items of lists that are looked at for one flow */
const stepsMax = 10_000
const package_ = 'flow'
const macros = new Set(['all', 'exists', 'exists_one', 'filter', 'map'])

/** @throws CelProblem */
export function compileCel(expression: string): (flow: Flow) => boolean {
  const {type, run} = new Compiler().compile(parseCel(expression))
  if (!fits(type, 'bool')) throw new CelProblem(`it is ${typeName(type)} and not bool`, 0)
  return (flow) => {
    try {
      return run({flow, variables: [], steps: stepsMax}) === true
    } catch (thrown) {
      if (thrown instanceof CelProblem || thrown instanceof RangeError) return false
      throw thrown
    }
  }
}

/** Is a value of this type one of that, or may it be? */
function fits(type: CelType, wanted: CelType): boolean {
  if (type === 'any' || wanted === 'any' || type === wanted) return true
  if (type === 'maybe' || wanted === 'maybe') return [type, wanted].some((one) => one === 'bool' || one === 'null')
  if (type === 'null' || wanted === 'null') return typeof type === 'object' || typeof wanted === 'object'
  if (typeof type === 'string' || typeof wanted === 'string') return false
  if ('list' in type) return 'list' in wanted && fits(type.list, wanted.list)
  return 'message' in wanted && type.message === wanted.message
}

class Compiler {
  readonly #variables: {readonly name: string; readonly type: CelType}[] = []

  compile(node: Node): Compiled {
    switch (node.kind) {
      case 'value': {
        const {value} = node
        return {type: literalType(value), run: () => value}
      }
      case 'name':
        return this.#name(node.name, node.at)
      case 'field':
        return this.#field(node)
      case 'index':
        return this.#index(node.of, node.by, node.at)
      case 'list': {
        const items = node.items.map((item) => this.compile(item))
        const type = items.length > 0 && items.every((one) => fits(one.type, items[0]!.type)) ? items[0]!.type : 'any'
        return {type: {list: type}, run: (scope) => items.map(({run}) => run(scope))}
      }
      case 'choice': {
        const test = this.want(node.test, 'bool')
        const [yes, no] = [this.compile(node.yes), this.compile(node.no)]
        if (!fits(yes.type, no.type)) mismatch(yes.type, no.type, node.at)
        return {type: yes.type, run: (scope) => (truth(test.run(scope), node.at) ? yes.run(scope) : no.run(scope))}
      }
      case 'unary': {
        if (node.sign === '!') {
          const {run} = this.want(node.of, 'bool')
          return {type: 'bool', run: (scope) => !truth(run(scope), node.at)}
        }
        const {run} = this.want(node.of, 'number')
        return {type: 'number', run: (scope) => arithmetic('-', 0n, run(scope), node.at)}
      }
      case 'binary':
        return this.#binary(node.sign, node.left, node.right, node.at)
      case 'call':
        return this.#call(node)
    }
  }

  /** @throws CelProblem for another type */
  want(node: Node, type: CelType): Compiled {
    const compiled = this.compile(node)
    return fits(compiled.type, type) ? compiled : mismatch(compiled.type, type, node.at)
  }

  #name(name: string, at: number): Compiled {
    const place = this.#variables.findLastIndex((one) => one.name === name)
    if (place >= 0) return {type: this.#variables[place]!.type, run: ({variables}) => variables[place]!}
    if (name === '_flow') return {type: {message: Flow as MessageType<never>}, run: ({flow}) => flow}
    throw new CelProblem(`there is no ${name}; a flow is _flow`, at)
  }

  #field({of, name, at}: Extract<Node, {kind: 'field'}>): Compiled {
    const number = this.#constant(of, name)
    if (number !== undefined) return {type: 'number', run: () => number}
    const {owner, field} = this.#fieldOf(of, name, at)
    const missing = absent(field)
    const read = (message: CelValue): CelValue => {
      const value = (message as Record<string, unknown> | null)?.[name]
      return value === undefined ? missing : present(field, value)
    }
    return {type: fieldType(field), run: (scope) => read(owner.run(scope))}
  }

  #fieldOf(of: Node, name: string, at: number): {owner: Compiled; field: Field} {
    const owner = this.compile(of)
    if (typeof owner.type === 'string' || 'list' in owner.type)
      throw new CelProblem(`${typeName(owner.type)} has no fields`, at)
    const {message} = owner.type
    const field = message.fields.find((one) => one.name === name)
    if (field === undefined) throw new CelProblem(`${message.name} has no field ${name}`, at)
    return {owner, field}
  }

  /** The number of `Verdict.DROPPED`, with or without its package. */
  #constant(of: Node, name: string): bigint | undefined {
    const path =
      of.kind === 'name' ? of.name : of.kind === 'field' && of.of.kind === 'name' ? `${of.of.name}.${of.name}` : ''
    const members = enums().get(path) ?? enums().get(`${package_}.${path}`)
    const number = members !== undefined && Object.hasOwn(members, name) ? members[name] : undefined
    return number === undefined ? undefined : BigInt(number)
  }

  #index(of: Node, by: Node, at: number): Compiled {
    const list = this.compile(of)
    if (typeof list.type === 'string' || !('list' in list.type))
      throw new CelProblem(`${typeName(list.type)} has no items`, at)
    const index = this.want(by, 'number')
    return {
      type: list.type.list,
      run(scope) {
        const items = list.run(scope) as readonly CelValue[]
        const found = items[Number(index.run(scope))]
        if (found === undefined) throw new CelProblem('there is no such item', at)
        return found
      },
    }
  }

  #binary(sign: string, leftNode: Node, rightNode: Node, at: number): Compiled {
    if (sign === '&&' || sign === '||') {
      const [left, right] = [this.want(leftNode, 'bool'), this.want(rightNode, 'bool')]
      return {type: 'bool', run: (scope) => either(left, right, scope, sign === '||', at)}
    }
    const [left, right] = [this.compile(leftNode), this.compile(rightNode)]
    if (sign === 'in') {
      if (typeof right.type === 'string' || !('list' in right.type)) throw new CelProblem('in needs a list', at)
      if (!fits(left.type, right.type.list)) mismatch(left.type, right.type.list, at)
      return {
        type: 'bool',
        run(scope) {
          const wanted = left.run(scope)
          return (right.run(scope) as readonly unknown[]).some((one) => equals(one, wanted))
        },
      }
    }
    if (!fits(left.type, right.type)) mismatch(left.type, right.type, at)
    if (sign === '==' || sign === '!=')
      return {type: 'bool', run: (scope) => equals(left.run(scope), right.run(scope)) === (sign === '==')}
    if (['<', '<=', '>', '>='].includes(sign))
      return {type: 'bool', run: (scope) => compare(sign, left.run(scope), right.run(scope), at)}
    const lists = typeof left.type === 'object' && 'list' in left.type
    const known = left.type === 'any' || left.type === 'number' || (sign === '+' && (left.type === 'string' || lists))
    if (!known) throw new CelProblem(`${sign} is not for ${typeName(left.type)}`, at)
    return {type: left.type, run: (scope) => arithmetic(sign, left.run(scope), right.run(scope), at)}
  }

  #call(call: Call): Compiled {
    const {name, target, args, at} = call
    if (name === 'has' && target === undefined) {
      const [of] = args
      if (args.length !== 1 || of?.kind !== 'field') throw new CelProblem('has() needs a field', at)
      const {owner, field} = this.#fieldOf(of.of, of.name, of.at)
      return {type: 'bool', run: (scope) => isThere(field, owner.run(scope))}
    }
    if (target !== undefined && macros.has(name)) return this.#macro(name, target, args, at)
    const method = methods[name]
    if (method === undefined) throw new CelProblem(`there is no function ${name}`, at)
    return method(this, call)
  }

  #macro(name: string, target: Node, args: readonly Node[], at: number): Compiled {
    const list = this.compile(target)
    if (typeof list.type === 'string' || !('list' in list.type))
      throw new CelProblem(`${name} is for lists, not for ${typeName(list.type)}`, at)
    const [variable, body] = args
    if (args.length !== 2 || variable?.kind !== 'name')
      throw new CelProblem(`${name} needs a name and an expression`, at)
    this.#variables.push({name: variable.name, type: list.type.list})
    const place = this.#variables.length - 1
    const {type, run} = name === 'map' ? this.compile(body!) : this.want(body!, 'bool')
    this.#variables.pop()
    const each = (scope: Scope): readonly [CelValue, CelValue][] =>
      (list.run(scope) as readonly CelValue[]).map((item) => {
        if (--scope.steps < 0) throw new CelProblem('it takes too long', at)
        scope.variables[place] = item
        return [item, run(scope)]
      })
    const count = (scope: Scope) => each(scope).filter(([, found]) => found === true).length
    switch (name) {
      case 'all':
        return {type: 'bool', run: (scope) => each(scope).every(([, found]) => found === true)}
      case 'exists':
        return {type: 'bool', run: (scope) => count(scope) > 0}
      case 'exists_one':
        return {type: 'bool', run: (scope) => count(scope) === 1}
      case 'filter':
        return {
          type: list.type,
          run: (scope) =>
            each(scope)
              .filter(([, found]) => found === true)
              .map(([item]) => item),
        }
      default:
        return {type: {list: type}, run: (scope) => each(scope).map(([, made]) => made)}
    }
  }
}

/** Either side may decide, whatever is wrong with the other one. */
function either(left: Compiled, right: Compiled, scope: Scope, decisive: boolean, at: number): boolean {
  let problem: CelProblem | undefined
  for (const {run} of [left, right]) {
    try {
      if (truth(run(scope), at) === decisive) return decisive
    } catch (thrown) {
      if (!(thrown instanceof CelProblem)) throw thrown
      problem = thrown
    }
  }
  if (problem !== undefined) throw problem
  return !decisive
}

function truth(value: CelValue, at: number): boolean {
  return typeof value === 'boolean' ? value : refuse('it is neither true nor false', at)
}

function isThere(field: Field, message: CelValue): boolean {
  const value = (message as Record<string, unknown> | null)?.[field.name]
  if (value === undefined) return false
  if (field.repeated) return (value as unknown[]).length > 0
  return field.kind === 'message' || field.kind === 'wellKnown' || !equals(present(field, value), absent(field))
}

function literalType(value: boolean | string | number | bigint | null): CelType {
  if (value === null) return 'null'
  return typeof value === 'boolean' ? 'bool' : typeof value === 'string' ? 'string' : 'number'
}

function mismatch(found: CelType, wanted: CelType, at: number): never {
  throw new CelProblem(`${typeName(found)} is not ${typeName(wanted)}`, at)
}

function refuse(detail: string, at: number): never {
  throw new CelProblem(detail, at)
}

let known: ReadonlyMap<string, Readonly<Record<string, number>>> | undefined

/** All enums that a flow may hold, by name with package. */
function enums(): ReadonlyMap<string, Readonly<Record<string, number>>> {
  if (known !== undefined) return known
  const found = new Map<string, Readonly<Record<string, number>>>()
  const seen = new Set<string>()
  const walk = ({name, fields}: MessageType<never>) => {
    if (seen.has(name)) return
    seen.add(name)
    for (const field of fields) {
      if (field.kind === 'message') walk(field.message!())
      if (field.kind === 'enum') add(field.enum!())
    }
  }
  const add = ({name, members}: EnumType) => void found.set(name, members)
  walk(Flow as MessageType<never>)
  known = found
  return found
}
