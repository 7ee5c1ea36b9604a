/** Reads the part of the proto3 language that src/api/proto uses: messages, enums, oneofs, services, reserved. */

export interface FieldNode {
  readonly number: number
  readonly name: string
  /** as written: `string`, `Flow`, `google.protobuf.Timestamp` */
  readonly type: string
  readonly repeated: boolean
  readonly oneof: string | undefined
}

export interface MessageNode {
  /** with package: `flow.Tunnel` */
  readonly name: string
  readonly fields: readonly FieldNode[]
}

export interface EnumNode {
  readonly name: string
  readonly members: readonly {readonly name: string; readonly number: number}[]
}

export interface MethodNode {
  readonly name: string
  readonly request: string
  readonly response: string
  readonly requestStream: boolean
  readonly responseStream: boolean
}

export interface ProtoFile {
  readonly package: string
  readonly messages: readonly MessageNode[]
  readonly enums: readonly EnumNode[]
  readonly services: readonly {readonly name: string; readonly methods: readonly MethodNode[]}[]
}

/** @throws Error that names the place where the text is not understood */
export function parseProto(text: string): ProtoFile {
  const tokens = text.replace(/\/\/[^\n]*/g, '').match(/"[^"]*"|[\w.]+|[{}()=;[\],]/g) ?? []
  return new Parser(tokens).file()
}

class Parser {
  readonly #tokens: readonly string[]
  readonly #messages: MessageNode[] = []
  readonly #enums: EnumNode[] = []
  readonly #services: {name: string; methods: MethodNode[]}[] = []
  #at = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  file(): ProtoFile {
    let scope = ''
    while (this.#at < this.#tokens.length) {
      const word = this.#next()
      if (word === 'syntax' || word === 'import' || word === 'option') this.#skipTo(';')
      else if (word === 'package') {
        scope = this.#next()
        this.#expect(';')
      } else if (word === 'message') this.#message(scope)
      else if (word === 'enum') this.#enum(scope)
      else if (word === 'service') this.#service()
      else this.#fail(word)
    }
    return {package: scope, messages: this.#messages, enums: this.#enums, services: this.#services}
  }

  #message(scope: string): void {
    const name = `${scope}.${this.#next()}`
    const fields: FieldNode[] = []
    this.#messages.push({name, fields})
    this.#expect('{')
    for (let word = this.#next(); word !== '}'; word = this.#next()) {
      if (word === 'reserved') this.#skipTo(';')
      else if (word === 'message') this.#message(name)
      else if (word === 'enum') this.#enum(name)
      else if (word === 'oneof') {
        const oneof = this.#next()
        this.#expect('{')
        for (let type = this.#next(); type !== '}'; type = this.#next()) fields.push(this.#field(type, false, oneof))
      } else if (word === 'repeated') fields.push(this.#field(this.#next(), true, undefined))
      else fields.push(this.#field(word, false, undefined))
    }
    fields.sort((a, b) => a.number - b.number)
  }

  #field(type: string, repeated: boolean, oneof: string | undefined): FieldNode {
    const name = this.#next()
    this.#expect('=')
    const number = Number(this.#next())
    this.#skipTo(';')
    return {number, name, type, repeated, oneof}
  }

  #enum(scope: string): void {
    const name = `${scope}.${this.#next()}`
    const members: {name: string; number: number}[] = []
    this.#enums.push({name, members})
    this.#expect('{')
    for (let word = this.#next(); word !== '}'; word = this.#next()) {
      if (word !== 'reserved') {
        this.#expect('=')
        members.push({name: word, number: Number(this.#next())})
      }
      this.#skipTo(';')
    }
  }

  #service(): void {
    const methods: MethodNode[] = []
    this.#services.push({name: this.#next(), methods})
    this.#expect('{')
    for (let word = this.#next(); word !== '}'; word = this.#next()) {
      if (word !== 'rpc') this.#fail(word)
      const name = this.#next()
      const request = this.#side()
      this.#expect('returns')
      const response = this.#side()
      this.#expect(';')
      methods.push({
        name,
        request: request.type,
        response: response.type,
        requestStream: request.stream,
        responseStream: response.stream,
      })
    }
  }

  #side(): {type: string; stream: boolean} {
    this.#expect('(')
    const word = this.#next()
    const stream = word === 'stream'
    const type = stream ? this.#next() : word
    this.#expect(')')
    return {type, stream}
  }

  #next(): string {
    return this.#tokens[this.#at++] ?? this.#fail('the end of the file')
  }

  #expect(token: string): void {
    const found = this.#next()
    if (found !== token) this.#fail(`${found} instead of ${token}`)
  }

  #skipTo(token: string): void {
    while (this.#next() !== token);
  }

  #fail(what: string): never {
    throw new Error(
      `not understood: ${what}, after ${this.#tokens.slice(Math.max(0, this.#at - 6), this.#at).join(' ')}`,
    )
  }
}
