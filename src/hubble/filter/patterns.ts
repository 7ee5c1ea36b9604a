/** The small languages of flow filters: names with namespaces, DNS patterns, node patterns, label selectors, prefixes. */
import {RE2JS} from 're2js'
import type {Flow} from '../../api/gen/flow.ts'
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {LabelSet} from '../../model/labels.ts'
import {parseSelector, type Selector, selects} from '../../model/selector.ts'
import {fail} from '../../runtime/errors.ts'
import {compileCel} from './cel/compile.ts'
import {CelProblem} from './cel/problem.ts'
import {FLOW_FILTER_INVALID} from './errors.ts'

export type NameTest = (namespace: string, name: string) => boolean

/**
 * `[namespace/]prefix-of-name`: `x` is in the namespace default, `ns/` a whole namespace, `/x` in any, `/` anything that
 * has a name or a namespace.
 */
export function namePattern(text: string, field: string): NameTest {
  if (text === '') fail(FLOW_FILTER_INVALID, {field, detail: 'a name must not be empty'})
  const slash = text.indexOf('/')
  const namespace = slash < 0 ? 'default' : text.slice(0, slash)
  const prefix = text.slice(slash + 1)
  return (ns, name) =>
    (ns !== '' || name !== '') && (namespace === '' || ns === namespace) && (prefix === '' || name.startsWith(prefix))
}

/** `*` stands for any run of the letters of DNS names; case and a final dot do not matter. */
export function dnsPattern(text: string, field: string): (name: string) => boolean {
  const wanted = text.toLowerCase().replace(/\.$/, '')
  if (!/^[-.0-9a-z_*]+$/.test(wanted))
    fail(FLOW_FILTER_INVALID, {field, detail: `${JSON.stringify(text)} is no DNS name`})
  return glob(wanted)
}

/** Matches in linear time whatever the pattern: parts are looked for from left to right. */
function glob(pattern: string): (text: string) => boolean {
  const parts = pattern.split('*')
  if (parts.length === 1) return (text) => fold(text) === pattern
  const first = parts[0]!
  const last = parts.at(-1)!
  const middle = parts.slice(1, -1).filter((part) => part !== '')
  return (raw) => {
    const text = fold(raw)
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    const end = text.length - last.length
    let at = first.length
    for (const part of middle) {
      const found = text.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}

function fold(text: string): string {
  return text.toLowerCase().replace(/\.$/, '')
}

/** `cluster/node` with `*`; without a slash any cluster, `cluster/` any node of one. */
export function nodePattern(text: string, field: string): (node: string) => boolean {
  if (text === '') fail(FLOW_FILTER_INVALID, {field, detail: 'a node must not be empty'})
  const slash = text.indexOf('/')
  const cluster = slash < 0 ? '*' : text.slice(0, slash) || 'default'
  const name = text.slice(slash + 1) || '*'
  const clusterTest = glob(cluster.toLowerCase())
  const nameTest = glob(name.toLowerCase())
  return (node) => {
    const at = node.indexOf('/')
    return clusterTest(at < 0 ? 'default' : node.slice(0, at)) && nameTest(node.slice(at + 1))
  }
}

/** An address or a prefix. */
export function prefixOf(text: string, field: string): Cidr {
  return (
    Cidr.parseOrHost(text) ??
    fail(FLOW_FILTER_INVALID, {field, detail: `${JSON.stringify(text)} is no address or prefix`})
  )
}

export function inPrefixes(prefixes: readonly Cidr[], texts: ReadonlySet<string>): (ip: string) => boolean {
  const wide = prefixes.filter((prefix) => !prefix.isHost)
  return (ip) => {
    if (texts.has(ip)) return true
    if (wide.length === 0) return false
    const parsed = Ip.parse(ip)
    return parsed !== undefined && wide.some((prefix) => prefix.contains(parsed))
  }
}

const sets = new WeakMap<readonly string[], LabelSet>()

/** A label selector in the language of kubectl; keys may begin with a source: `k8s:app=web, reserved:world`. */
export function labelPattern(
  text: string,
  field: string,
  source: 'any' | 'unspec' = 'any',
): (labels: readonly string[]) => boolean {
  const selector = parseSelectorText(text, field)
  return (labels) => {
    let set = sets.get(labels)
    if (set === undefined) {
      set = LabelSet.parse(labels, source === 'any' ? undefined : source)
      sets.set(labels, set)
    }
    return selects(selector, set)
  }
}

interface Expression {
  readonly key: string
  readonly operator: string
  readonly values: readonly string[]
}

function parseSelectorText(text: string, field: string): Selector {
  const wrong = (detail: string): never =>
    fail(FLOW_FILTER_INVALID, {field, detail: `${JSON.stringify(text)} ${detail}`})
  const expressions: Expression[] = []
  for (const part of text.match(/(?:[^,(]|\([^)]*\))+/g) ?? []) {
    const trimmed = part.trim()
    if (trimmed === '') continue
    const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(trimmed)
    const equal = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/.exec(trimmed)
    const bare = /^(!?)\s*([^\s=!(),]+)$/.exec(trimmed)
    if (set !== null) {
      const values = set[3]!.split(',').map((value) => value.trim())
      expressions.push({key: set[1]!, operator: set[2] === 'in' ? 'In' : 'NotIn', values})
    } else if (equal !== null) {
      expressions.push({key: equal[1]!, operator: equal[2] === '!=' ? 'NotIn' : 'In', values: [equal[3]!]})
    } else if (bare !== null) {
      expressions.push({key: bare[2]!, operator: bare[1] === '!' ? 'DoesNotExist' : 'Exists', values: []})
    } else wrong('is no label selector')
  }
  const parsed = parseSelector({matchExpressions: expressions})
  return 'problem' in parsed ? wrong(parsed.problem.reason) : parsed.selector
}

const expressionMax = 512

/**
 * A regular expression that somewhere matches, in the language of RE2 and in linear time: texts come from the traffic,
 * expressions from whoever may ask, and JavaScript's own engine can be kept busy for years by both together.
 */
export function expressionOf(text: string, field: string): {test(input: string): boolean} {
  if (text.length > expressionMax)
    fail(FLOW_FILTER_INVALID, {field, detail: `is longer than ${expressionMax} characters`})
  try {
    return RE2JS.compile(text)
  } catch (thrown) {
    return fail(FLOW_FILTER_INVALID, {field, detail: (thrown as Error).message}, {cause: thrown})
  }
}

const celMax = 4096

/** An expression in CEL over `_flow`. */
export function celOf(text: string, field: string): (flow: Flow) => boolean {
  if (text.length > celMax) fail(FLOW_FILTER_INVALID, {field, detail: `is longer than ${celMax} characters`})
  try {
    return compileCel(text)
  } catch (thrown) {
    if (!(thrown instanceof CelProblem)) throw thrown
    return fail(FLOW_FILTER_INVALID, {field, detail: thrown.message}, {cause: thrown})
  }
}

/** `404`, or a prefix with a plus: `5+`, `40+`. */
export function statusPattern(text: string, field: string): (status: string) => boolean {
  if (!/^(?:[1-5]\d\d|[1-5]\d?\+)$/.test(text)) {
    fail(FLOW_FILTER_INVALID, {field, detail: `${JSON.stringify(text)} is no HTTP status or prefix such as 5+`})
  }
  if (!text.endsWith('+')) return (status) => status === text
  const prefix = text.slice(0, -1)
  return (status) => status.startsWith(prefix)
}

export function portOf(text: string, field: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1
  if (port < 0 || port > 65_535) fail(FLOW_FILTER_INVALID, {field, detail: `${JSON.stringify(text)} is no port`})
  return port
}
