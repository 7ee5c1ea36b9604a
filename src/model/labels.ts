/** Labels with their source (`k8s:app=web`, `reserved:host`), and sets of them: what identities are made of. */
import type {Cidr} from './cidr.ts'

/** Keys that we derive for every pod (source k8s). */
export const derivedKeys = {
  namespace: 'io.kubernetes.pod.namespace',
  serviceAccount: 'io.cilium.k8s.policy.serviceaccount',
  cluster: 'io.cilium.k8s.policy.cluster',
  /** prefix of a namespace's own labels */
  namespaceLabels: 'io.cilium.k8s.namespace.labels',
} as const

/** One label. Immutable. */
export class Label {
  readonly source: string
  readonly key: string
  readonly value: string

  private constructor(source: string, key: string, value: string) {
    this.source = source
    this.key = key
    this.value = value
  }

  static make(source: string, key: string, value = ''): Label {
    return new Label(source, key, value)
  }

  /**
   * Reads `source:key=value`; the value may be missing. A colon after the first `=` belongs to the value. Without a
   * source it is `unspec` (labels) or what the caller says (`any` in selectors).
   *
   * @returns undefined when the key is empty
   */
  static parse(text: string, defaultSource = 'unspec'): Label | undefined {
    const equals = text.indexOf('=')
    const head = equals < 0 ? text : text.slice(0, equals)
    const value = equals < 0 ? '' : text.slice(equals + 1)
    const colon = head.indexOf(':')
    const source = colon < 0 ? defaultSource : head.slice(0, colon)
    const key = colon < 0 ? head : head.slice(colon + 1)
    return key === '' || source === '' ? undefined : new Label(source, key, value)
  }

  /** `source:key`, the name without the value. */
  get name(): string {
    return `${this.source}:${this.key}`
  }

  /** `source:key=value`; an empty value prints as `source:key`. */
  toString(): string {
    return this.value === '' ? this.name : `${this.name}=${this.value}`
  }

  toJSON(): string {
    return this.toString()
  }
}

/** An immutable set of labels, one value per source and key, sorted by key and then by source. */
export class LabelSet {
  static readonly empty = new LabelSet([])

  private readonly sorted: readonly Label[]
  private text: string | undefined

  private constructor(sorted: readonly Label[]) {
    this.sorted = sorted
    this.text = undefined
  }

  /** A later label with the same source and key replaces the earlier one. */
  static of(labels: Iterable<Label>): LabelSet {
    const byName = new Map<string, Label>()
    for (const label of labels) byName.set(label.name, label)
    return new LabelSet([...byName.values()].sort(compareLabels))
  }

  /** Reads `source:key=value` texts; those that are no labels are left out. */
  static parse(texts: Iterable<string>, defaultSource?: string): LabelSet {
    const labels: Label[] = []
    for (const text of texts) {
      const label = Label.parse(text, defaultSource)
      if (label !== undefined) labels.push(label)
    }
    return LabelSet.of(labels)
  }

  /** Labels of a Kubernetes object, all with one source. */
  static fromRecord(record: Readonly<Record<string, string>> | undefined, source = 'k8s'): LabelSet {
    return LabelSet.of(Object.entries(record ?? {}).map(([key, value]) => Label.make(source, key, value)))
  }

  /** The map of a CiliumIdentity's `security-labels`: keys are `source:key`. */
  static fromSecurityLabels(record: Readonly<Record<string, string>> | undefined): LabelSet {
    const labels: Label[] = []
    for (const [name, value] of Object.entries(record ?? {})) {
      const colon = name.indexOf(':')
      const key = name.slice(colon + 1)
      if (key !== '') labels.push(Label.make(colon <= 0 ? 'unspec' : name.slice(0, colon), key, value))
    }
    return LabelSet.of(labels)
  }

  get size(): number {
    return this.sorted.length
  }

  /** The value of a label, undefined when there is none. Source `any` finds the first of that key, by source. */
  get(source: string, key: string): string | undefined {
    return this.find(source, key)?.value
  }

  has(source: string, key: string): boolean {
    return this.find(source, key) !== undefined
  }

  /** All labels with this key: usually one, more when several sources use it. */
  withKey(key: string): readonly Label[] {
    let index = this.firstAt(key)
    const found: Label[] = []
    for (; this.sorted[index]?.key === key; index++) found.push(this.sorted[index]!)
    return found
  }

  filter(keep: (label: Label) => boolean): LabelSet {
    return new LabelSet(this.sorted.filter(keep))
  }

  /** This set with the other's labels put in, the other's values winning. */
  with(other: Iterable<Label>): LabelSet {
    return LabelSet.of([...this.sorted, ...other])
  }

  /** The map for a CiliumIdentity's `security-labels`. */
  toSecurityLabels(): Record<string, string> {
    return Object.fromEntries(this.sorted.map((label) => [label.name, label.value]))
  }

  equals(other: LabelSet): boolean {
    return this.canonical === other.canonical
  }

  /** One text per set, whatever order it was made in: `k8s:app=web;k8s:tier=front;`. Its hash names an identity. */
  get canonical(): string {
    this.text ??= this.sorted.map((label) => `${label.name}=${escapeValue(label.value)};`).join('')
    return this.text
  }

  [Symbol.iterator](): Iterator<Label> {
    return this.sorted[Symbol.iterator]()
  }

  toStrings(): string[] {
    return this.sorted.map(String)
  }

  toString(): string {
    return this.sorted.join(',')
  }

  toJSON(): string[] {
    return this.toStrings()
  }

  private find(source: string, key: string): Label | undefined {
    for (let i = this.firstAt(key); this.sorted[i]?.key === key; i++) {
      if (source === 'any' || this.sorted[i]!.source === source) return this.sorted[i]
    }
    return undefined
  }

  private firstAt(key: string): number {
    let low = 0
    let high = this.sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.sorted[middle]!.key < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** What a pod is known by: its own labels and those that its namespace, service account and cluster give it. */
export interface PodOrigin {
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly namespace: string
  readonly namespaceLabels: Readonly<Record<string, string>> | undefined
  readonly serviceAccount: string | undefined
  readonly cluster: string
}

/**
 * All labels of a pod. The derived ones come last and win, so that no label a user writes on a pod can pretend to
 * another namespace, service account or cluster; own labels under the derived prefixes are left out altogether.
 */
export function podLabels(pod: PodOrigin): LabelSet {
  const labels: Label[] = []
  for (const [key, value] of Object.entries(pod.labels ?? {})) {
    if (!isDerivedKey(key)) labels.push(Label.make('k8s', key, value))
  }
  for (const [key, value] of Object.entries(pod.namespaceLabels ?? {})) {
    labels.push(Label.make('k8s', `${derivedKeys.namespaceLabels}.${key}`, value))
  }
  if (pod.serviceAccount) labels.push(Label.make('k8s', derivedKeys.serviceAccount, pod.serviceAccount))
  labels.push(Label.make('k8s', derivedKeys.namespace, pod.namespace))
  labels.push(Label.make('k8s', derivedKeys.cluster, pod.cluster))
  return LabelSet.of(labels)
}

/** What policies for nodes know a node by: the labels of its Node object, and `reserved:host`. */
export function nodeLabels(labels: Readonly<Record<string, string>> | undefined): LabelSet {
  return LabelSet.of([...LabelSet.fromRecord(labels, 'k8s'), Label.make('reserved', 'host', '')])
}

/**
 * What fromNodes and toNodes are asked about: the labels of a node, through the filter, with a source of their own, so
 * that none of them can pass for a pod's; and the cluster, which a node cannot choose.
 *
 * @param reserved what it is to whom it talks with: `host`, `remote-node`, `kube-apiserver`
 */
export function nodePeerLabels(
  labels: Readonly<Record<string, string>>,
  {cluster, accepts, reserved}: {cluster: string; accepts: (label: Label) => boolean; reserved: readonly string[]},
): LabelSet {
  const own = Object.entries(labels)
    .filter(([key]) => !isDerivedKey(key))
    .map(([key, value]) => Label.make('node', key, value))
  return LabelSet.of([
    ...own.filter(accepts),
    ...['node', 'k8s'].map((source) => Label.make(source, derivedKeys.cluster, cluster)),
    ...reserved.map((name) => Label.make('reserved', name)),
  ])
}

/** The label of a CIDR identity: `cidr:10.0.0.0/8`; IPv6 colons are written as `-`, with 0 at an open end. */
export function cidrLabel(cidr: Cidr): Label {
  let address = cidr.network.toString().replaceAll(':', '-')
  if (cidr.family === 6) {
    if (address.startsWith('-')) address = `0${address}`
    if (address.endsWith('-')) address += '0'
  }
  return Label.make('cidr', `${address}/${cidr.length}`)
}

function isDerivedKey(key: string): boolean {
  return (
    key === derivedKeys.namespace ||
    key.startsWith('io.cilium.k8s.policy.') ||
    key.startsWith('io.cilium.k8s.namespace.')
  )
}

function compareLabels(a: Label, b: Label): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1
  return a.source < b.source ? -1 : a.source > b.source ? 1 : 0
}

// Kubernetes values hold neither character, but CNI arguments may: two sets must never share a text.
function escapeValue(value: string): string {
  return /[;\\]/.test(value) ? value.replace(/[;\\]/g, '\\$&') : value
}
