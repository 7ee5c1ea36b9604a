/** Versions and the simple ranges that charts ask for: one comparison such as ">=1.30-0". */

/** Negative, zero or positive, as a comes before, with or behind b; undefined when either is not a version. */
export function compareVersions(a: string, b: string): number | undefined {
  const [left, right] = [parse(a), parse(b)]
  if (left === undefined || right === undefined) return undefined
  for (const index of [0, 1, 2] as const) {
    const difference = left.numbers[index] - right.numbers[index]
    if (difference !== 0) return difference
  }
  return comparePre(left.pre, right.pre)
}

/** Whether the version is in the range; undefined when either is not understood. */
export function satisfies(range: string, version: string): boolean | undefined {
  const match = /^\s*(>=|<=|>|<|=)\s*(v?[0-9].*?)\s*$/.exec(range)
  const of = parse(version)
  if (match === null || of === undefined) return undefined
  const [, operator, bound] = match
  // a pre-release belongs to a range only when the range names one (the trailing -0 of charts)
  if (of.pre !== '' && !bound!.includes('-')) return false
  const order = compareVersions(version, bound!)
  if (order === undefined) return undefined
  switch (operator) {
    case '>=':
      return order >= 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '<':
      return order < 0
    default:
      return order === 0
  }
}

function parse(text: string): {numbers: [number, number, number]; pre: string} | undefined {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/.exec(text)
  if (match === null) return undefined
  return {numbers: [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)], pre: match[4] ?? ''}
}

function comparePre(a: string, b: string): number {
  if (a === b) return 0
  if (a === '') return 1
  if (b === '') return -1
  const [left, right] = [a.split('.'), b.split('.')]
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [one, other] = [left[index], right[index]]
    if (one === other) continue
    if (one === undefined) return -1
    if (other === undefined) return 1
    const [isNumber, otherIsNumber] = [/^\d+$/.test(one), /^\d+$/.test(other)]
    if (isNumber && otherIsNumber) return Number(one) - Number(other)
    if (isNumber !== otherIsNumber) return isNumber ? -1 : 1
    return one < other ? -1 : 1
  }
  return 0
}
