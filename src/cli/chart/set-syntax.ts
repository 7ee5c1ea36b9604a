/**
 * Reads what follows --set: `a.b=1,list={x,y},items[0].name=z`, with Helm's rules for types and for what a backslash
 * protects. Each text changes the given map in place, so that later ones win.
 */
import {fail} from '../../runtime/errors.ts'
import {SET_SYNTAX} from './errors.ts'
import {isTree, type Tree, tree, type Value} from './template/value.ts'

/** Deeper names and longer lists than this are mistakes that would cost memory. */
const maxDepth = 30
const maxIndex = 65_536

/** What a value's text becomes. May read a file. */
export type ReadSetValue = (text: string) => Value

/** --set: true, false, null and whole numbers are what they look like; the rest is text. */
export function typedValue(text: string): Value {
  switch (text.toLowerCase()) {
    case 'true':
      return true
    case 'false':
      return false
    case 'null':
      return null
    case '0':
      return 0n
  }
  // a leading zero means an id, a port written so, a mode: text
  if (/^[+-]?[0-9]+$/.test(text) && !text.startsWith('0')) {
    const number = BigInt(text.replace(/^\+/, ''))
    if (number >= -(2n ** 63n) && number < 2n ** 63n) return number
  }
  return text
}

/** --set-string: always text. */
export function textValue(text: string): Value {
  return text
}

/**
 * @param into changed in place
 * @throws SET_SYNTAX; what `read` throws
 */
export function applySet(text: string, into: Tree, read: ReadSetValue): void {
  new SetReader(text, read).readInto(into)
}

class SetReader {
  readonly #chars: readonly string[]
  readonly #text: string
  readonly #read: ReadSetValue
  #at = 0

  constructor(text: string, read: ReadSetValue) {
    this.#text = text
    this.#chars = [...text]
    this.#read = read
  }

  readInto(values: Tree): void {
    while (this.#at < this.#chars.length) this.#readKey(values, 0)
  }

  #readKey(values: Tree, depth: number): void {
    const [key, stop] = this.#until('=[,.')
    const value = this.#readAfter(key, stop, values, depth)
    if (key !== '') values[key] = value
  }

  #readAfter(key: string, stop: string | undefined, values: Tree, depth: number): Value {
    switch (stop) {
      case undefined:
        return this.#broken(`key "${key}" has no value`)
      case ',':
        return this.#broken(`key "${key}" has no value (cannot end with ,)`)
      case '=':
        return this.#readValue()
      case '[': {
        const present = key in values ? values[key] : []
        if (!Array.isArray(present)) return this.#broken(`"${key}" is not a list`)
        return this.#readItem(present, this.#readIndex(), depth)
      }
      default: {
        if (depth >= maxDepth) return this.#broken(`names are nested deeper than ${maxDepth}`)
        const present = key in values ? values[key] : tree()
        // what was null becomes a map, as in a file
        const inner = present === null ? tree() : present
        if (!isTree(inner)) return this.#broken(`"${key}" is not a map`)
        this.#readKey(inner, depth + 1)
        return inner
      }
    }
  }

  /** Reads what follows an index; returns the list with the item set. */
  #readItem(list: readonly Value[], index: number, depth: number): Value[] {
    const [between, stop] = this.#until('[.=')
    if (between !== '') return this.#broken(`unexpected "${between}" behind an index`)
    const present = list[index]
    switch (stop) {
      case '=':
        return this.#withItem(list, index, this.#readValue())
      case '[': {
        if (present !== undefined && present !== null && !Array.isArray(present)) {
          return this.#broken(`item ${index} is not a list`)
        }
        return this.#withItem(list, index, this.#readItem(present ?? [], this.#readIndex(), depth))
      }
      case '.': {
        const inner = isTree(present) ? present : tree()
        this.#readKey(inner, depth + 1)
        return this.#withItem(list, index, inner)
      }
      default:
        return this.#broken('an index has no value')
    }
  }

  #withItem(list: readonly Value[], index: number, value: Value): Value[] {
    const changed = [...list]
    while (changed.length < index) changed.push(null)
    changed[index] = value
    return changed
  }

  #readIndex(): number {
    const [text, stop] = this.#until(']')
    if (stop === undefined || !/^\d+$/.test(text)) return this.#broken(`"${text}" is not an index`)
    const index = Number(text)
    return index <= maxIndex ? index : this.#broken(`index ${text} is beyond ${maxIndex}`)
  }

  #readValue(): Value {
    if (this.#chars[this.#at] === '{') return this.#readList()
    return this.#read(this.#until(',')[0])
  }

  #readList(): Value[] {
    this.#at++
    const items: Value[] = []
    for (;;) {
      const [text, stop] = this.#until(',}')
      if (stop === undefined) return this.#broken("a list has to end with '}'")
      items.push(this.#read(text))
      if (stop === '}') break
    }
    if (this.#chars[this.#at] === ',') this.#at++
    return items
  }

  /** Reads to one of the stop characters, which is consumed; a backslash protects what follows it. */
  #until(stops: string): [text: string, stop: string | undefined] {
    let text = ''
    while (this.#at < this.#chars.length) {
      const char = this.#chars[this.#at++]!
      if (stops.includes(char)) return [text, char]
      if (char === '\\') text += this.#chars[this.#at++] ?? ''
      else text += char
    }
    return [text, undefined]
  }

  #broken(detail: string): never {
    return fail(SET_SYNTAX, {text: this.#text, detail})
  }
}
