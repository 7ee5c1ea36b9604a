/** The parts of a parsed template. */
export interface Place {
  readonly file: string
  readonly line: number
}

export type Node =
  | {readonly kind: 'text'; readonly text: string}
  | {readonly kind: 'print'; readonly place: Place; readonly pipe: Pipe}
  | {
      readonly kind: 'if' | 'with'
      readonly place: Place
      readonly pipe: Pipe
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }
  | {
      readonly kind: 'range'
      readonly place: Place
      readonly pipe: Pipe
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }
  | {readonly kind: 'template'; readonly place: Place; readonly name: string; readonly pipe: Pipe | undefined}
  | {readonly kind: 'break' | 'continue'; readonly place: Place}

/** `$a, $b := first | second`: variables that are set, then commands, each given the result of the one before. */
export interface Pipe {
  readonly place: Place
  readonly variables: readonly string[]
  /** true for `:=`, which makes the variables; false for `=`, which changes them */
  readonly declares: boolean
  readonly commands: readonly Command[]
}

/** A function with its arguments, or one operand alone. */
export interface Command {
  readonly place: Place
  readonly operands: readonly Operand[]
}

export type Operand =
  | {readonly kind: 'dot'}
  | {readonly kind: 'field'; readonly path: readonly string[]}
  | {readonly kind: 'variable'; readonly name: string; readonly path: readonly string[]}
  | {readonly kind: 'pipe'; readonly pipe: Pipe; readonly path: readonly string[]}
  | {readonly kind: 'literal'; readonly value: string | bigint | number | boolean | null}
  | {readonly kind: 'function'; readonly name: string}

/** A file's own nodes and the templates it defines by name. */
export interface ParsedFile {
  readonly file: string
  readonly nodes: readonly Node[]
  readonly defines: ReadonlyMap<string, {readonly place: Place; readonly nodes: readonly Node[]}>
}
