/** Label and field selectors in the text form of list and watch queries. */

type Test = (labels: Readonly<Record<string, string>>) => boolean

/** Parses `a=b,c!=d,e in (x,y),f notin (x),g,!h`. @returns undefined when it is not a selector */
export function labelSelector(text: string): Test | undefined {
  const tests: Test[] = []
  for (const part of text.match(/(?:[^,(]|\([^)]*\))+/g) ?? []) {
    const test = labelTest(part.trim())
    if (test === undefined) return undefined
    tests.push(test)
  }
  return (labels) => tests.every((test) => test(labels))
}

function labelTest(part: string): Test | undefined {
  const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part)
  if (set !== null) {
    const values = set[3]!.split(',').map((value) => value.trim())
    const key = set[1]!
    return set[2] === 'in'
      ? (labels) => key in labels && values.includes(labels[key]!)
      : (labels) => !values.includes(labels[key] ?? '\0')
  }
  const equal = /^([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$/.exec(part)
  if (equal !== null) {
    const [, key = '', operator, value] = equal
    return operator === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value
  }
  const exists = /^(!?)\s*([\w./-]+)$/.exec(part)
  if (exists === null) return undefined
  const key = exists[2]!
  return exists[1] === '!' ? (labels) => !(key in labels) : (labels) => key in labels
}

/** Parses `metadata.name=x,status.phase!=Running`: dotted paths, compared as text. */
export function fieldSelector(
  text: string,
): {readonly paths: readonly string[]; test(object: object): boolean} | undefined {
  const parts: {path: string; differs: boolean; value: string}[] = []
  for (const part of text.split(',').filter((one) => one !== '')) {
    const match = /^([\w.]+)\s*(==|=|!=)\s*(.*)$/.exec(part.trim())
    if (match === null) return undefined
    parts.push({path: match[1]!, differs: match[2] === '!=', value: match[3]!})
  }
  return {
    paths: parts.map(({path}) => path),
    test: (object) => parts.every(({path, differs, value}) => (String(at(object, path) ?? '') === value) !== differs),
  }
}

function at(object: object, path: string): unknown {
  let value: unknown = object
  for (const step of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[step]
  return value
}
