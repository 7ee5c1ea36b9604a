/** Static checks of a chart's templates: what rendering would find only with the values that lead there. */
import {CiliumError} from '../../runtime/errors.ts'
import type {Chart} from './chart.ts'
import {templateFunctions} from './template/functions.ts'
import {parseTemplate} from './template/parse.ts'
import type {Command, Node, Operand, ParsedFile, Pipe, Place} from './template/syntax.ts'

/** A finding with file and line, as editors read it. */
export interface LintFinding {
  readonly place: string
  readonly text: string
}

/** Texts that a function's first argument may be, where it has to be one of few. */
const allowedFirst: Readonly<Record<string, RegExp>> = {
  kindIs: /^(invalid|slice|map|bool|string|float64)$/,
  printf: /^(?:[^%]|%[sdvqt%])*$/s,
  semverCompare: /^(>=|<=|>|<|=)\d+(\.\d+)*(-0)?$/,
}

/** Fields of the data that templates start with; those of Values depend on the user. */
const rootFields: Readonly<Record<string, readonly string[] | undefined>> = {
  Values: undefined,
  Release: ['Name', 'Namespace', 'Revision', 'IsInstall', 'IsUpgrade', 'Service'],
  Chart: ['Name', 'Version', 'AppVersion', 'Description', 'KubeVersion'],
  Capabilities: ['KubeVersion'],
  Template: ['Name', 'BasePath'],
}

/** All findings, in the order of files and lines. */
export function lintTemplates(chart: Chart): readonly LintFinding[] {
  const findings: LintFinding[] = []
  const files: ParsedFile[] = []
  for (const {name, text} of chart.templates) {
    try {
      files.push(parseTemplate(`${chart.name}/${name}`, text))
    } catch (thrown) {
      if (!(thrown instanceof CiliumError)) throw thrown
      findings.push({place: String(thrown.fields['at']), text: String(thrown.fields['detail'])})
    }
  }
  const definedAt = new Map<string, Place>()
  for (const file of files) {
    for (const [name, {place}] of file.defines) {
      const other = definedAt.get(name)
      if (other !== undefined) findings.push(finding(place, `template "${name}" is defined in ${other.file} too`))
      definedAt.set(name, place)
    }
  }
  const used = new Set<string>()
  const check = (place: Place, text: string): void => void findings.push(finding(place, text))
  const visitor = new Visitor(new Set(definedAt.keys()), used, check)
  for (const file of files) {
    visitor.visit(file.nodes, true)
    for (const {nodes} of file.defines.values()) visitor.visit(nodes, false)
  }
  for (const [name, place] of definedAt) {
    if (!used.has(name) && !read.has(name)) findings.push(finding(place, `template "${name}" is not used`))
  }
  return findings
}

/** Tables that the CLI reads besides the templates. */
const read: ReadonlySet<string> = new Set(['cilium.later', 'cilium.oldValues'])

class Visitor {
  readonly #defined: ReadonlySet<string>
  readonly #used: Set<string>
  readonly #report: (place: Place, text: string) => void

  constructor(defined: ReadonlySet<string>, used: Set<string>, report: (place: Place, text: string) => void) {
    this.#defined = defined
    this.#used = used
    this.#report = report
  }

  /** @param dotIsRoot the dot is the data that templates start with */
  visit(nodes: readonly Node[], dotIsRoot: boolean): void {
    for (const node of nodes) {
      switch (node.kind) {
        case 'print':
          this.#visitPipe(node.pipe, dotIsRoot)
          break
        case 'template':
          this.#useTemplate(node.place, node.name)
          if (node.pipe !== undefined) this.#visitPipe(node.pipe, dotIsRoot)
          break
        case 'if':
        case 'with':
        case 'range':
          this.#visitPipe(node.pipe, dotIsRoot)
          this.visit(node.body, dotIsRoot && node.kind === 'if')
          this.visit(node.otherwise, dotIsRoot)
          break
        default:
          break
      }
    }
  }

  #visitPipe(pipe: Pipe, dotIsRoot: boolean): void {
    for (const [index, command] of pipe.commands.entries()) this.#visitCommand(command, index > 0, dotIsRoot)
  }

  #visitCommand(command: Command, isPiped: boolean, dotIsRoot: boolean): void {
    const [first, ...rest] = command.operands as [Operand, ...Operand[]]
    for (const operand of command.operands) this.#visitOperand(operand, command.place, dotIsRoot)
    if (first.kind !== 'function') return
    const known = templateFunctions.get(first.name)
    // reported as an operand already
    if (known === undefined) return
    const given = rest.length + (isPiped ? 1 : 0)
    if (given < known.takes.length || (known.rest === undefined && given > known.takes.length)) {
      this.#report(command.place, `function "${first.name}" takes ${known.takes.length} arguments, not ${given}`)
    }
    const argument = rest[0]
    if (argument?.kind !== 'literal' || typeof argument.value !== 'string') return
    if (first.name === 'include') this.#useTemplate(command.place, argument.value)
    if (allowedFirst[first.name]?.test(argument.value) === false) {
      this.#report(command.place, `${first.name} "${argument.value}" is not part of the subset`)
    }
  }

  #visitOperand(operand: Operand, place: Place, dotIsRoot: boolean): void {
    if (operand.kind === 'pipe') this.#visitPipe(operand.pipe, dotIsRoot)
    if (operand.kind === 'function' && !templateFunctions.has(operand.name)) {
      this.#report(place, `function "${operand.name}" is not part of the subset`)
    }
    const path = operand.kind === 'field' && dotIsRoot ? operand.path : undefined
    if (path === undefined) return
    const [name, field] = path as [string, string | undefined]
    const fields = rootFields[name]
    if (!(name in rootFields)) this.#report(place, `.${name} is not part of the subset`)
    else if (fields !== undefined && field !== undefined && !fields.includes(field)) {
      this.#report(place, `.${name}.${field} is not part of the subset`)
    }
  }

  #useTemplate(place: Place, name: string): void {
    this.#used.add(name)
    if (!this.#defined.has(name)) this.#report(place, `there is no template "${name}"`)
  }
}

function finding({file, line}: Place, text: string): LintFinding {
  return {place: `${file}:${line}`, text}
}
