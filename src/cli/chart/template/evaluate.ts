/** Runs parsed templates over values, as Go's text/template does with Helm's option missingkey=zero. */
import {CiliumError, fail} from '../../../runtime/errors.ts'
import {TEMPLATE_FAILED} from '../errors.ts'
import {type CallContext, type Functions, Refusal, type TemplateFunction} from './function.ts'
import type {Command, Node, Operand, ParsedFile, Pipe, Place} from './syntax.ts'
import {isTree, isTrue, kindOf, print, sortedKeys, type Value} from './value.ts'

/** How deep templates may include each other: a template that includes itself would never end. */
const maxDepth = 100
/** A chart's rendered file beyond this is a mistake, not a manifest. */
const maxOutput = 8 * 1024 * 1024

/** Thrown by {{ break }} and {{ continue }}, caught by the range around it. */
class LoopJump {
  readonly kind: 'break' | 'continue'
  constructor(kind: 'break' | 'continue') {
    this.kind = kind
  }
}

interface Run {
  readonly templates: ReadonlyMap<string, readonly Node[]>
  readonly functions: Functions
  readonly context: CallContext
  output: string[]
  size: number
  depth: number
}

/** Variables in sight, innermost scope last. */
type Scopes = Map<string, Value>[]

export interface TemplateSet {
  /** Runs one file over the data; returns what it prints. */
  render(file: string, data: Value): string
  /** Runs a defined template over the data; returns what it prints. */
  include(name: string, data: Value): string
}

/**
 * @param files parsed files; a name that two files define is an error of the chart, found by lint
 * @throws TEMPLATE_FAILED with file and line; VALUES_REFUSED from a template's `fail` or `required`
 */
export function templateSet(files: readonly ParsedFile[], functions: Functions): TemplateSet {
  const templates = new Map<string, readonly Node[]>()
  for (const file of files) {
    templates.set(file.file, file.nodes)
    for (const [name, {nodes}] of file.defines) templates.set(name, nodes)
  }
  const start = (name: string, data: Value): string => {
    const run: Run = {
      templates,
      functions,
      context: {include: (inner, dot) => includeText(run, inner, dot)},
      output: [],
      size: 0,
      depth: 0,
    }
    return includeText(run, name, data)
  }
  return {render: start, include: start}
}

function includeText(run: Run, name: string, data: Value): string {
  const nodes = run.templates.get(name)
  if (nodes === undefined) throw new Refusal(`there is no template "${name}"`)
  if (++run.depth > maxDepth) throw new Refusal(`template "${name}" includes itself without end`)
  const outer = run.output
  run.output = []
  walk(run, nodes, data, [new Map([['$', data]])])
  const text = run.output.join('')
  run.output = outer
  run.depth--
  return text
}

function walk(run: Run, nodes: readonly Node[], dot: Value, scopes: Scopes): void {
  for (const node of nodes) {
    switch (node.kind) {
      case 'text':
        write(run, node.text)
        break
      case 'print': {
        const value = evaluatePipe(run, node.pipe, dot, scopes)
        if (node.pipe.variables.length === 0) write(run, print(value))
        break
      }
      case 'if':
      case 'with': {
        const inner = [...scopes, new Map<string, Value>()]
        const value = evaluatePipe(run, node.pipe, dot, inner)
        const body = isTrue(value) ? node.body : node.otherwise
        const innerDot = node.kind === 'with' && isTrue(value) ? value : dot
        walk(run, body, innerDot, [...inner, new Map()])
        break
      }
      case 'range':
        walkRange(run, node, dot, scopes)
        break
      case 'template': {
        const data = node.pipe === undefined ? null : evaluatePipe(run, node.pipe, dot, scopes)
        const text = at(node.place, () => includeText(run, node.name, data))
        write(run, text)
        break
      }
      default:
        throw new LoopJump(node.kind)
    }
  }
}

function walkRange(run: Run, node: Extract<Node, {kind: 'range'}>, dot: Value, scopes: Scopes): void {
  const inner = [...scopes, new Map<string, Value>()]
  const value = evaluateCommands(run, node.pipe, dot, inner)
  const items = at(node.place, () => itemsOf(value))
  if (items.length === 0) {
    walk(run, node.otherwise, dot, [...inner, new Map()])
    return
  }
  const {variables} = node.pipe
  for (const [key, item] of items) {
    const turn = new Map<string, Value>()
    if (variables.length === 1) turn.set(variables[0]!, item)
    if (variables.length === 2) turn.set(variables[0]!, key).set(variables[1]!, item)
    try {
      walk(run, node.body, item, [...inner, turn])
    } catch (thrown) {
      if (!(thrown instanceof LoopJump)) throw thrown
      if (thrown.kind === 'break') return
    }
  }
}

function itemsOf(value: Value): [Value, Value][] {
  if (value === null) return []
  if (Array.isArray(value)) return value.map((item, index) => [BigInt(index), item])
  if (isTree(value)) return sortedKeys(value).map((key) => [key, value[key]!])
  throw new Refusal(`range can't iterate over a ${kindOf(value)}`)
}

function evaluatePipe(run: Run, pipe: Pipe, dot: Value, scopes: Scopes): Value {
  const value = evaluateCommands(run, pipe, dot, scopes)
  const name = pipe.variables[0]
  if (name === undefined) return value
  if (pipe.declares) scopes.at(-1)!.set(name, value)
  else scopes.findLast((scope) => scope.has(name))!.set(name, value)
  return value
}

function evaluateCommands(run: Run, pipe: Pipe, dot: Value, scopes: Scopes): Value {
  let value: Value | undefined
  for (const command of pipe.commands) value = evaluateCommand(run, command, dot, scopes, value)
  return value!
}

function evaluateCommand(run: Run, command: Command, dot: Value, scopes: Scopes, piped: Value | undefined): Value {
  const [first, ...rest] = command.operands as [Operand, ...Operand[]]
  if (first.kind !== 'function') return evaluateOperand(run, first, command.place, dot, scopes)
  if (first.name === 'and' || first.name === 'or') {
    return evaluateLogic(run, first.name, command, rest, dot, scopes, piped)
  }
  const values = rest.map((operand) => evaluateOperand(run, operand, command.place, dot, scopes))
  if (piped !== undefined) values.push(piped)
  return call(run, first.name, values, command.place)
}

/** `and` and `or` look at their arguments one by one and return the one that decides. */
function evaluateLogic(
  run: Run,
  name: 'and' | 'or',
  command: Command,
  operands: readonly Operand[],
  dot: Value,
  scopes: Scopes,
  piped: Value | undefined,
): Value {
  let value: Value | undefined
  for (const operand of operands) {
    value = evaluateOperand(run, operand, command.place, dot, scopes)
    if (isTrue(value) === (name === 'or')) return value
  }
  if (piped !== undefined) value = piped
  if (value === undefined) return at(command.place, () => refuse(`${name} needs an argument`))
  return value
}

function evaluateOperand(run: Run, operand: Operand, place: Place, dot: Value, scopes: Scopes): Value {
  switch (operand.kind) {
    case 'dot':
      return dot
    case 'literal':
      return operand.value
    case 'field':
      return select(dot, operand.path, place)
    case 'variable': {
      const scope = scopes.findLast((one) => one.has(operand.name))!
      return select(scope.get(operand.name)!, operand.path, place)
    }
    case 'pipe':
      return select(evaluatePipe(run, operand.pipe, dot, scopes), operand.path, place)
    case 'function':
      return call(run, operand.name, [], place)
  }
}

/** Follows field names. A key that a map lacks is null; a field of null is an error, as in Go. */
function select(from: Value, path: readonly string[], place: Place): Value {
  let value = from
  for (const name of path) {
    if (value === null) return at(place, () => refuse(`nil pointer evaluating .${name}`))
    if (!isTree(value)) return at(place, () => refuse(`can't evaluate field ${name} in a ${kindOf(value)}`))
    value = value[name] ?? null
  }
  return value
}

function call(run: Run, name: string, values: readonly Value[], place: Place): Value {
  const known = run.functions.get(name)
  if (known === undefined) return at(place, () => refuse(`function "${name}" is not part of the subset`))
  return at(place, () => {
    checkArguments(name, known, values)
    return known.call(values as Value[], run.context)
  })
}

function checkArguments(name: string, known: TemplateFunction, values: readonly Value[]): void {
  const least = known.takes.length
  if (values.length < least || (known.rest === undefined && values.length > least)) {
    refuse(
      `function "${name}" takes ${least}${known.rest === undefined ? '' : ' or more'} arguments, not ${values.length}`,
    )
  }
  for (const [index, value] of values.entries()) {
    const wanted = known.takes[index] ?? known.rest!
    if (wanted === 'any' || kindOf(value) === wanted) continue
    refuse(`function "${name}": argument ${index + 1} has to be a ${wanted}, not a ${kindOf(value)}`)
  }
}

/** Adds the place to what goes wrong in the work; errors that have theirs already pass through. */
function at<T>(place: Place, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown
    if (thrown.code !== undefined) throw new CiliumError(thrown.code, {detail: thrown.message})
    return fail(TEMPLATE_FAILED, {at: `${place.file}:${place.line}`, detail: thrown.message})
  }
}

function refuse(detail: string): never {
  throw new Refusal(detail)
}

function write(run: Run, text: string): void {
  run.size += text.length
  if (run.size > maxOutput) throw new Refusal('the template prints without end')
  run.output.push(text)
}
