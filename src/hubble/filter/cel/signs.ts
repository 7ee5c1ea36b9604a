/** What the signs of CEL do with values. */
import {CelProblem} from './problem.ts'
import {type CelValue, isNumber} from './values.ts'

export function compare(sign: string, left: CelValue, right: CelValue, at: number): boolean {
  const alike = (isNumber(left) && isNumber(right)) || (typeof left === typeof right && typeof left !== 'object')
  if (!alike) throw new CelProblem(`${sign} does not compare these`, at)
  const [a, b] = [left as number, right as number]
  switch (sign) {
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    default:
      return a >= b
  }
}

const longest = 1 << 16
const largest = 2n ** 64n

export function arithmetic(sign: string, left: CelValue, right: CelValue, at: number): CelValue {
  if (sign === '+' && typeof left === 'string' && typeof right === 'string') {
    if (left.length + right.length > longest) throw new CelProblem('the text is too long', at)
    return left + right
  }
  if (sign === '+' && Array.isArray(left) && Array.isArray(right)) {
    if (left.length + right.length > longest) throw new CelProblem('the list is too long', at)
    return [...(left as CelValue[]), ...(right as CelValue[])]
  }
  if (typeof left === 'bigint' && typeof right === 'bigint') {
    const found = whole(sign, left, right, at)
    if (found >= largest || found <= -largest) throw new CelProblem('the number is too large', at)
    return found
  }
  // -x of a double begins with a whole zero
  if (isNumber(left) && typeof right === 'number') return broken(sign, Number(left), right, at)
  throw new CelProblem(`${sign} does not take these`, at)
}

function whole(sign: string, left: bigint, right: bigint, at: number): bigint {
  switch (sign) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    default:
      if (right === 0n) throw new CelProblem('it divides by zero', at)
      return sign === '/' ? left / right : left % right
  }
}

function broken(sign: string, left: number, right: number, at: number): number {
  switch (sign) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    default:
      throw new CelProblem('% is for whole numbers', at)
  }
}
