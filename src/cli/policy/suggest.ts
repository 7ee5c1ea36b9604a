/**
 * A policy for each workload of a namespace that allows what it was seen to do, and nothing else. For review: what was
 * not seen in the time is not in it.
 */
import {Document, isMap, type YAMLMap, type YAMLSeq} from 'yaml'
import {Ip} from '../../model/ip.ts'
import {protocolNumbers} from '../../model/port.ts'
import {formatTime} from '../hubble/time.ts'
import {clean} from '../render/text.ts'
import {type Connection, type FlowEnd, nameOf} from './flows.ts'

type Labels = Readonly<Record<string, string>>
type Rule = Record<string, unknown>

export interface SuggestedRule {
  readonly rule: Rule
  /** why it is there */
  readonly comment: string
}

export interface SuggestedPolicy {
  readonly name: string
  readonly namespace: string
  readonly labels: Labels
  readonly ingress: readonly SuggestedRule[]
  readonly egress: readonly SuggestedRule[]
  readonly comment: string
}

export interface Suggestion {
  readonly policies: readonly SuggestedPolicy[]
  /** pods that no label tells apart */
  readonly nameless: readonly string[]
}

/** Beside each other they name a program; one of them is enough. */
const naming = ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', 'app', 'k8s-app']
/** Written by controllers, other with each pod or version. */
const generated = new Set([
  'pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'batch.kubernetes.io/job-name',
  'batch.kubernetes.io/controller-uid',
  'job-name',
  'controller-uid',
])
/** outside of pods and not of the world, which is told by its addresses */
const entities = new Set(['host', 'remote-node', 'kube-apiserver', 'health', 'ingress', 'init', 'unmanaged'])
const namespaceLabel = 'io.kubernetes.pod.namespace'
/** addresses outside of the cluster that are listed one by one */
const addressesMax = 16
const protocolWords: Readonly<Record<number, string>> = {
  [protocolNumbers.tcp]: 'TCP',
  [protocolNumbers.udp]: 'UDP',
  [protocolNumbers.sctp]: 'SCTP',
}

export function suggestPolicies(connections: readonly Connection[], namespace: string): Suggestion {
  const subjects = new Map<string, {labels: Labels; into: Connection[]; out: Connection[]}>()
  const nameless = new Set<string>()
  const add = (end: FlowEnd, list: 'into' | 'out', connection: Connection) => {
    if (end.namespace !== namespace || end.pod === '') return
    const labels = selectorOf(end)
    if (Object.keys(labels).length === 0) {
      nameless.add(nameOf(end))
      return
    }
    const key = JSON.stringify(labels)
    const subject = subjects.get(key) ?? {labels, into: [], out: []}
    subject[list].push(connection)
    subjects.set(key, subject)
  }
  for (const connection of connections) {
    add(connection.to, 'into', connection)
    add(connection.from, 'out', connection)
  }
  const names = new Set<string>()
  const policies = [...subjects]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, {labels, into, out}]): SuggestedPolicy => {
      const refused = [...into, ...out].filter(({passed}) => passed === 0)
      return {
        name: uniqueName(labels, names),
        namespace,
        labels,
        ingress: rulesOf(into, 'from', namespace),
        egress: rulesOf(out, 'to', namespace),
        comment: refused
          .slice(0, 20)
          .map(
            ({from, to, protocol, port, refused: count}) =>
              `refused ${count} times and left out: ${nameOf(from)} to ${nameOf(to)} ${portWord(protocol, port)}`,
          )
          .join('\n'),
      }
    })
  return {policies, nameless: [...nameless].sort()}
}

/** One rule for each peer, with all its ports. */
function rulesOf(connections: readonly Connection[], side: 'from' | 'to', namespace: string): SuggestedRule[] {
  const peers = new Map<string, {peer: Rule; seen: Connection[]}>()
  const outside: Connection[] = []
  for (const connection of connections) {
    if (connection.passed === 0) continue
    const peer = peerOf(connection[side], side, namespace)
    if (peer === undefined) {
      outside.push(connection)
      continue
    }
    const key = JSON.stringify(peer)
    const known = peers.get(key) ?? {peer, seen: []}
    known.seen.push(connection)
    peers.set(key, known)
  }
  for (const [key, seen] of Map.groupBy(outside, ({protocol, port}) => `${protocol}/${port}`)) {
    peers.set(key, {peer: addressesPeer(seen, side), seen})
  }
  return [...peers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, {peer, seen}]) =>
      // ports and ICMP types are rules of their own
      [...Map.groupBy(seen, ({protocol}) => protocolWords[protocol] !== undefined)].map(([ports, some]) => ({
        rule: {...peer, ...(ports ? portsOf(some) : typesOf(some))},
        comment: whyText(some, side),
      })),
    )
}

/** undefined: an address outside of the cluster */
function peerOf(end: FlowEnd, side: 'from' | 'to', namespace: string): Rule | undefined {
  const key = (what: string) => `${side}${what}`
  const labels = selectorOf(end)
  if (end.pod === '' && Object.keys(labels).length === 0) {
    const reserved = end.labels.filter((label) => label.startsWith('reserved:')).map((label) => label.slice(9))
    const known = reserved.filter((name) => entities.has(name))
    return known.length === 0 ? undefined : {[key('Entities')]: [...new Set(known)].sort()}
  }
  const home = end.namespace || labelValue(end, namespaceLabel)
  const other = home === namespace ? {} : {[`k8s:${namespaceLabel}`]: home}
  return {[key('Endpoints')]: [{matchLabels: {...labels, ...other}}]}
}

function addressesPeer(seen: readonly Connection[], side: 'from' | 'to'): Rule {
  const addresses = [...new Set(seen.map((connection) => connection[side].ip))].sort()
  if (addresses.length > addressesMax || addresses.some((text) => Ip.parse(text) === undefined)) {
    return {[`${side}Entities`]: ['world']}
  }
  return {[`${side}CIDR`]: addresses.map((text) => `${text}/${text.includes(':') ? 128 : 32}`)}
}

function portsOf(seen: readonly Connection[]): Rule {
  const ports = distinct(seen).map(([protocol, port]) => ({port: String(port), protocol: protocolWords[protocol]}))
  return {toPorts: [{ports}]}
}

function typesOf(seen: readonly Connection[]): Rule {
  const family = (protocol: number) => (protocol === protocolNumbers.icmp ? 'IPv4' : 'IPv6')
  return {icmps: [{fields: distinct(seen).map(([protocol, type]) => ({family: family(protocol), type}))}]}
}

function distinct(seen: readonly Connection[]): (readonly [protocol: number, port: number])[] {
  const found = new Map(seen.map(({protocol, port}) => [`${protocol}/${port}`, [protocol, port] as const]))
  return [...found.values()].sort((a, b) => a[1] - b[1] || a[0] - b[0])
}

function whyText(seen: readonly Connection[], side: 'from' | 'to'): string {
  const flows = seen.reduce((sum, {passed}) => sum + passed, 0)
  const last = seen.map((one) => one.last).sort((a, b) => (a < b ? 1 : -1))[0]
  const ends = [...new Set(seen.map((one) => one[side]).flatMap((end) => [nameOf(end), ...end.names]))].sort()
  const more = ends.length > 3 ? ` and ${ends.length - 3} more` : ''
  return `${flows} flows ${side} ${ends.slice(0, 3).join(', ')}${more}, the last at ${formatTime(last)}`
}

/** Labels that stay the same from pod to pod and version to version. */
function selectorOf({labels}: FlowEnd): Labels {
  const own = labels
    .filter((label) => label.startsWith('k8s:'))
    .map((label) => [label.slice(4, label.indexOf('=')), label.slice(label.indexOf('=') + 1)] as const)
    .filter(([key]) => !key.startsWith('io.cilium.') && !key.startsWith('io.kubernetes.') && !generated.has(key))
  const names = own.filter(([key]) => naming.includes(key))
  return Object.fromEntries((names.length > 0 ? names : own).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function labelValue({labels}: FlowEnd, key: string): string {
  const prefix = `k8s:${key}=`
  return labels.find((label) => label.startsWith(prefix))?.slice(prefix.length) ?? ''
}

function uniqueName(labels: Labels, taken: Set<string>): string {
  const value = naming.map((key) => labels[key]).find((text) => text !== undefined) ?? Object.values(labels)[0] ?? ''
  const base = `${
    value
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'workload'
  }-observed`
  let name = base
  for (let number = 2; taken.has(name); number++) name = `${base}-${number}`
  taken.add(name)
  return name
}

function portWord(protocol: number, port: number): string {
  return `${port}/${protocolWords[protocol] ?? 'ICMP'}`
}

/** YAML for `kubectl apply`, with the reasons as comments. */
export function suggestionText(suggestion: Suggestion, about: string): string {
  return suggestionDocuments(suggestion, about, (policy) => {
    const {name, namespace, labels, ingress, egress} = policy
    const object = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: {name, namespace},
      spec: {
        endpointSelector: {matchLabels: labels},
        // an empty rule selects nobody: that is how "nothing" is said
        ingress: ingress.length === 0 ? [{}] : ingress.map(({rule}) => rule),
        egress: egress.length === 0 ? [{}] : egress.map(({rule}) => rule),
      },
    }
    return {object, ingress, egress, comment: policy.comment}
  })
}

interface WrittenPolicy {
  readonly object: object
  readonly ingress: readonly SuggestedRule[]
  readonly egress: readonly SuggestedRule[]
  readonly comment: string
}

/** @param write the object that a policy becomes; its rules stand in the order of the comments */
export function suggestionDocuments(
  {policies, nameless}: Suggestion,
  about: string,
  write: (policy: SuggestedPolicy) => WrittenPolicy,
): string {
  const head = [
    `# ${clean(about)}`,
    '# Review it: what did not happen in that time is denied. "cilium policy preview" shows what it would cut.',
    ...nameless.map((pod) => `# ${clean(pod)} has no label that tells it apart, and no policy`),
  ]
  const documents = policies.map((policy) => {
    const {object, ingress, egress, comment: left} = write(policy)
    const document = new Document(object)
    for (const [key, rules] of [
      ['ingress', ingress],
      ['egress', egress],
    ] as const) {
      const items = (document.getIn(['spec', key]) as YAMLSeq).items
      if (rules.length === 0) comment(items[0] as YAMLMap | undefined, `none was seen`)
      for (const [index, rule] of rules.entries()) comment(items[index] as YAMLMap, rule.comment)
    }
    if (left !== '') comment(document.contents as unknown as YAMLMap, left)
    return document.toString({lineWidth: 0, aliasDuplicateObjects: false} as never)
  })
  if (documents.length === 0) return `${head.join('\n')}\n# no flow of a pod was seen\n`
  return `${head.join('\n')}\n---\n${documents.join('---\n')}`
}

function comment(node: YAMLMap | undefined, text: string): void {
  if (isMap(node))
    node.commentBefore = text
      .split('\n')
      .map((line) => ` ${clean(line)}`)
      .join('\n')
}
