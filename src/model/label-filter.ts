/** Which labels count towards an identity. */
import type {Label, LabelSet} from './labels.ts'

interface Rule {
  /** empty: any source */
  readonly source: string
  readonly pattern: RegExp
  readonly exclude: boolean
}

const included = [
  'reserved:.*',
  'io\\.kubernetes\\.pod\\.namespace',
  'io\\.cilium\\.k8s\\.namespace\\.labels',
  'app\\.kubernetes\\.io',
  'io\\.cilium\\.k8s\\.policy\\.cluster',
  'io\\.cilium\\.k8s\\.policy\\.serviceaccount',
]

const excluded = [
  'io\\.kubernetes',
  'kubernetes\\.io',
  'statefulset\\.kubernetes\\.io/pod-name',
  'apps\\.kubernetes\\.io/pod-index',
  'batch\\.kubernetes\\.io/job-completion-index',
  'batch\\.kubernetes\\.io/controller-uid',
  '.*beta\\.kubernetes\\.io',
  'k8s\\.io',
  'pod-template-generation',
  'pod-template-hash',
  'controller-revision-hash',
  'controller-uid',
  'annotation.*',
  'etcd_node',
  'topology\\.kubernetes\\.io',
]

/**
 * Decides label by label. 1 An expression counts only when it matches at the start of the key. 2 The longest include
 * beats a shorter exclude (the shortest that matched). 3 Without a match the label counts, unless the user listed
 * includes: then only listed labels count.
 */
export class LabelFilter {
  private readonly rules: readonly Rule[]
  private readonly onlyIncluded: boolean
  private readonly cache = new Map<string, boolean>()

  private constructor(rules: readonly Rule[], onlyIncluded: boolean) {
    this.rules = rules
    this.onlyIncluded = onlyIncluded
  }

  /**
   * The default filter with the user's list (the `labels` option) added: expressions separated by spaces, `!` in front
   * excludes, `source:` in front binds to that source.
   */
  static parse(userList = ''): ParsedFilter {
    return withUserRules(userList, [
      ...included.map((text) => rule(text, false)),
      ...excluded.map((text) => rule(text, true)),
    ])
  }

  /** The user's list alone (the `node-labels` option): without one every label counts. */
  static parseForNodes(userList = ''): ParsedFilter {
    return withUserRules(userList, [])
  }

  /** @param onlyIncluded what matches nothing does not count */
  static of(rules: readonly Rule[], onlyIncluded: boolean): LabelFilter {
    return new LabelFilter(rules, onlyIncluded)
  }

  /** True when the label is part of an identity. */
  accepts(label: Label): boolean {
    const name = label.name
    const known = this.cache.get(name)
    if (known !== undefined) return known
    const verdict = this.decide(label)
    if (this.cache.size >= 4096) this.cache.clear() // keys are chosen by users: never grow with them
    this.cache.set(name, verdict)
    return verdict
  }

  /** The part of the labels that identities are made of. */
  apply(labels: LabelSet): LabelSet {
    return labels.filter((label) => this.accepts(label))
  }

  private decide(label: Label): boolean {
    let include = 0
    let exclude = 0
    for (const {source, pattern, exclude: excludes} of this.rules) {
      if (source !== '' && source !== label.source) continue
      const match = pattern.exec(label.key)
      if (match === null) continue
      const length = match[0].length
      if (!excludes) include = Math.max(include, length)
      else if (exclude === 0 || length < exclude) exclude = length
    }
    return (!this.onlyIncluded && exclude === 0) || include > exclude
  }
}

export interface ParsedFilter {
  readonly filter: LabelFilter
  /** one text per entry that was not understood and is left out */
  readonly problems: readonly string[]
}

function withUserRules(userList: string, defaults: readonly Rule[]): ParsedFilter {
  const problems: string[] = []
  const rules = [...defaults]
  let onlyIncluded = false
  for (const text of userList.split(/\s+/).filter((word) => word !== '')) {
    const parsed = parseUserRule(text)
    if (typeof parsed === 'string') problems.push(parsed)
    else {
      rules.push(parsed)
      onlyIncluded ||= !parsed.exclude
    }
  }
  return {filter: LabelFilter.of(rules, onlyIncluded), problems}
}

function rule(text: string, exclude: boolean): Rule {
  const colon = text.indexOf(':')
  const source = colon < 0 ? '' : text.slice(0, colon)
  return {source, pattern: new RegExp(`^(?:${text.slice(colon + 1)})`), exclude}
}

function parseUserRule(text: string): Rule | string {
  // both `!k8s:app` and `k8s:!app` are in use
  const exclude = text.startsWith('!') || text.includes(':!')
  const plain = text.replace(/^!/, '').replace(':!', ':')
  const expression = plain.slice(plain.indexOf(':') + 1)
  if (expression === '') return `label expression ${JSON.stringify(text)} is empty`
  if (!isTame(expression)) {
    return `label expression ${JSON.stringify(text)} uses groups, back references or too many wildcards`
  }
  try {
    return rule(plain, exclude)
  } catch {
    return `label expression ${JSON.stringify(text)} is not a regular expression`
  }
}

/** Label keys come from cluster users; without groups and with few wildcards no key can make an expression run long. */
function isTame(expression: string): boolean {
  const bare = expression.replace(/\\[^1-9k]/g, '_').replace(/\[[^\]]*\]/g, '_')
  return !/[()\\]/.test(bare) && (bare.match(/[*+{]/g)?.length ?? 0) <= 3
}
