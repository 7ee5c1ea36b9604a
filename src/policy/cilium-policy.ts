/**
 * CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2) into the intermediate form. The schema of the
 * kinds says less than this: here every rule is checked that the meaning rests on, and what is unknown is refused.
 */
import {derivedKeys} from '../model/labels.ts'
import {noneSelector, type Selector} from '../model/selector.ts'
import {rulePeers} from './cilium-peers.ts'
import {rulePorts} from './cilium-ports.ts'
import {type Fields, has, join, ObjectReader, own, show} from './object-reader.ts'
import {keyIs, narrow, type PolicyOptions, requirementsOf} from './options.ts'
import {policyRef} from './policy-ref.ts'
import type {CheckedPolicy, Direction, Peers, PolicyKind, Problem, Rule, Spec, Subject} from './rule.ts'
import type {RuleContext} from './rule-context.ts'

const specFields = [
  ...['endpointSelector', 'nodeSelector', 'ingress', 'ingressDeny', 'egress', 'egressDeny'],
  ...['labels', 'enableDefaultDeny', 'description', 'log'],
]

/** @param object as it came from the API server or a file; nothing about it is trusted */
export function checkCiliumPolicy(
  kind: Exclude<PolicyKind, 'NetworkPolicy'>,
  object: unknown,
  options: PolicyOptions,
): CheckedPolicy {
  const read = new ObjectReader()
  const ref = policyRef(kind, object, read)
  const root = read.object(object, '') ?? {}
  const unenforceable: Problem[] = []
  const warnings: Problem[] = []
  const specs: Spec[] = []
  const add = (value: unknown, path: string, index: number) => {
    const fields = read.object(value, path)
    if (fields === undefined) read.refuse(path, 'must be an object')
    else specs.push(checkSpec(fields, path, index, {read, ref, options, unenforceable, warnings, init: false}))
  }
  if (has(root, 'spec')) add(own(root, 'spec'), 'spec', 0)
  const list = read.list(root, 'specs', '')
  // `spec` is number 0, so `specs[0]` is number 1
  for (const [index, value] of (list ?? []).entries()) add(value, `specs[${index}]`, index + 1)
  if (specs.length === 0 && read.problems.length === 0) read.refuse('spec', 'a policy needs spec or specs')
  if (read.problems.length > 0) return {ok: false, ref, problems: read.problems}
  return {ok: true, policy: {ref, specs, unenforceable, warnings}}
}

function checkSpec(fields: Fields, path: string, index: number, outer: RuleContext): Spec {
  const {read} = outer
  read.onlyFields(fields, specFields, path)
  const subject = readSubject(fields, path, outer)
  const init = requirementsOf(subject.selector).some(({source, key}) => source === 'reserved' && key === 'init')
  const context = {...outer, init}
  const rules: Rule[] = []
  let sections = 0
  for (const direction of ['ingress', 'egress'] as const) {
    for (const [section, action] of [
      [direction, 'allow'],
      [`${direction}Deny`, 'deny'],
    ] as const) {
      const list = read.list(fields, section, path) ?? []
      if (list.length > 0) sections++
      for (const [at, value] of list.entries()) {
        const where = `${path}.${section}[${at}]`
        const rule = read.object(value, where)
        if (rule === undefined) {
          read.refuse(where, 'must be an object')
          continue
        }
        const ruleRef = {policy: context.ref, spec: index, section, index: at} as const
        rules.push(...readRule(rule, where, direction, action, ruleRef, subject, context))
      }
    }
  }
  if (sections === 0) read.refuse(path, 'needs one of ingress, ingressDeny, egress, egressDeny with a rule in it')
  return {index, subject, isolates: isolation(fields, path, rules, read), rules, log: readLog(fields, path, read)}
}

/**
 * Whom the rule is for. A namespaced policy never reaches beyond its namespace, whatever its selector says.
 */
function readSubject(fields: Fields, path: string, {read, ref, options, warnings}: RuleContext): Subject {
  const endpoints = read.selector(own(fields, 'endpointSelector'), `${path}.endpointSelector`, 'any')
  const nodes = read.selector(own(fields, 'nodeSelector'), `${path}.nodeSelector`, 'any')
  if ((endpoints === undefined) === (nodes === undefined)) {
    read.refuse(path, 'needs exactly one of endpointSelector and nodeSelector')
    return {kind: 'endpoints', selector: noneSelector}
  }
  if (nodes !== undefined) {
    if (ref.kind !== 'CiliumClusterwideNetworkPolicy') {
      read.refuse(`${path}.nodeSelector`, 'belongs to CiliumClusterwideNetworkPolicy: a namespace does not own nodes')
    } else if (!options.hostFirewall) {
      read.refuse(`${path}.nodeSelector`, 'the host firewall is off (hostFirewall.enabled)')
    }
    return {kind: 'nodes', selector: nodes}
  }
  if (ref.kind === 'CiliumClusterwideNetworkPolicy') return {kind: 'endpoints', selector: endpoints!}
  const [own_, foreign] = splitNamespace(endpoints!, ref.namespace)
  if (foreign) {
    warnings.push({
      path: `${path}.endpointSelector`,
      reason: `another namespace than the policy's own is ignored: it is for ${ref.namespace} only`,
    })
  }
  return {kind: 'endpoints', selector: narrow(own_, [keyIs(derivedKeys.namespace, ref.namespace)])}
}

/** Takes what a selector says of the namespace out of it, and tells whether it named another. */
function splitNamespace(selector: Selector, namespace: string): [Selector, boolean] {
  if (selector.kind !== 'match') return [selector, false]
  const [rest, named] = [[], []] as [(typeof selector.requirements)[number][], (typeof selector.requirements)[number][]]
  for (const requirement of selector.requirements) {
    const names = requirement.key === derivedKeys.namespace && requirement.operator === 'In'
    ;(names ? named : rest).push(requirement)
  }
  const foreign = named.some(({values}) => values.length !== 1 || values[0] !== namespace)
  return [rest.length === 0 ? {kind: 'any'} : {kind: 'match', requirements: [rest[0]!, ...rest.slice(1)]}, foreign]
}

function readRule(
  fields: Fields,
  path: string,
  direction: Direction,
  section: 'allow' | 'deny',
  ref: Rule['ref'],
  subject: Subject,
  context: RuleContext,
): Rule[] {
  const {read} = context
  const from = direction === 'ingress' ? 'from' : 'to'
  const known = ['Endpoints', 'Requires', 'CIDR', 'CIDRSet', 'Entities', 'Groups', 'Nodes'].map((name) => from + name)
  known.push('toPorts', 'icmps')
  if (direction === 'egress') known.push('toServices')
  if (section === 'allow') known.push('authentication')
  if (section === 'allow' && direction === 'egress') known.push('toFQDNs')
  read.onlyFields(fields, known, path)
  const said = rulePeers(fields, path, direction, context)
  const {plain, filtered, filters} = rulePorts(fields, path, {direction, deny: section === 'deny', subject, context})
  context.unenforceable.push(...filters)
  const authenticated = has(fields, 'authentication') && authenticates(fields, path, read)
  if (authenticated) {
    context.unenforceable.push({path: `${path}.authentication`, reason: 'mutual authentication is not available'})
  }
  if (has(fields, 'toFQDNs')) {
    checkNames(fields, path, read)
    context.unenforceable.push({path: `${path}.toFQDNs`, reason: 'names need the DNS proxy, which is not available'})
    // no address is known for a name: it allows nothing, and there is nothing it would have filtered
    return [{ref, direction, action: 'filter', peers: {kind: 'none'}, ports: plain}]
  }
  // an empty rule object says nothing, so it matches nothing; ports alone mean every peer
  const silent = said === undefined && !has(fields, 'toPorts') && !has(fields, 'icmps')
  const peers: Peers = said ?? (silent ? {kind: 'none'} : {kind: 'any'})
  const rules: Rule[] = [{ref, direction, action: authenticated ? 'filter' : section, peers, ports: plain}]
  if (filtered.kind !== 'none') rules.push({ref, direction, action: 'filter', peers, ports: filtered})
  return rules
}

function authenticates(fields: Fields, path: string, read: ObjectReader): boolean {
  const at = `${path}.authentication`
  const authentication = read.object(own(fields, 'authentication'), at) ?? {}
  read.onlyFields(authentication, ['mode'], at)
  const mode = own(authentication, 'mode')
  if (mode !== 'disabled' && mode !== 'required' && mode !== 'test-always-fail') {
    read.refuse(`${at}.mode`, `must be disabled, required or test-always-fail, not ${show(mode)}`)
  }
  return mode !== 'disabled'
}

function checkNames(fields: Fields, path: string, read: ObjectReader): void {
  for (const [index, value] of (read.list(fields, 'toFQDNs', path) ?? []).entries()) {
    const at = `${path}.toFQDNs[${index}]`
    const name = read.object(value, at) ?? {}
    read.onlyFields(name, ['matchName', 'matchPattern'], at)
    if (has(name, 'matchName') === has(name, 'matchPattern')) {
      read.refuse(at, 'needs exactly one of matchName and matchPattern')
    }
    read.string(name, 'matchName', at)
    read.string(name, 'matchPattern', at)
  }
}

/** Per direction: what enableDefaultDeny says, else whether the direction has any rule. */
function isolation(fields: Fields, path: string, rules: readonly Rule[], read: ObjectReader): Spec['isolates'] {
  const at = `${path}.enableDefaultDeny`
  const said = read.object(own(fields, 'enableDefaultDeny'), at) ?? {}
  read.onlyFields(said, ['ingress', 'egress'], at)
  const any = (direction: Direction) => rules.some((rule) => rule.direction === direction)
  return {
    ingress: read.boolean(said, 'ingress', at) ?? any('ingress'),
    egress: read.boolean(said, 'egress', at) ?? any('egress'),
  }
}

function readLog(fields: Fields, path: string, read: ObjectReader): string | undefined {
  const at = join(path, 'log')
  const log = read.object(own(fields, 'log'), at)
  if (log === undefined) return undefined
  read.onlyFields(log, ['value'], at)
  const value = read.string(log, 'value', at)
  if (value !== undefined && (value.length > 32 || /\p{C}/u.test(value))) {
    read.refuse(`${at}.value`, 'at most 32 printable characters')
  }
  return value
}
