/** Rules with their references followed: what is left asks for labels, for prefixes, or for anybody. */
import {Cidr} from '../model/cidr.ts'
import {derivedKeys} from '../model/labels.ts'
import {matchAll, type Selector, selects} from '../model/selector.ts'
import {type CidrSelector, cidrSelector} from './cidr-selector.ts'
import {keyIs, limitToCluster, type PolicyOptions} from './options.ts'
import type {CidrItem, Peer, Policy, Rule, Spec} from './rule.ts'
import type {CidrGroup, PolicyService, References} from './universe.ts'

/** Who the other end may be. Nothing of all three: nobody. */
export interface ExpandedPeers {
  readonly any: boolean
  readonly selectors: readonly Selector[]
  readonly cidrs: readonly CidrSelector[]
}

export interface ExpandedRule extends Omit<Rule, 'peers'> {
  readonly peers: ExpandedPeers
}

export interface ExpandedSpec extends Omit<Spec, 'rules'> {
  readonly rules: readonly ExpandedRule[]
}

export interface ExpandedPolicy extends Omit<Policy, 'specs'> {
  readonly specs: readonly ExpandedSpec[]
}

/** A group or service that does not exist selects nothing. */
export function expandPolicy(policy: Policy, references: References, options: PolicyOptions): ExpandedPolicy {
  const rule = ({peers, ...rest}: Rule): ExpandedRule => {
    if (peers.kind !== 'some') {
      return {...rest, peers: {any: peers.kind === 'any', selectors: [], cidrs: []}}
    }
    const expanded = peers.of.map((peer) => expandPeer(peer, references, options))
    return {
      ...rest,
      peers: {
        any: expanded.some(({any}) => any),
        selectors: expanded.flatMap(({selectors}) => selectors),
        cidrs: expanded.flatMap(({cidrs}) => cidrs),
      },
    }
  }
  return {...policy, specs: policy.specs.map((spec) => ({...spec, rules: spec.rules.map(rule)}))}
}

/** Every question that these policies ask of addresses. */
export function cidrSelectorsOf(policies: readonly ExpandedPolicy[]): CidrSelector[] {
  return policies.flatMap(({specs}) => specs.flatMap(({rules}) => rules.flatMap(({peers}) => peers.cidrs)))
}

function expandPeer(peer: Peer, references: References, options: PolicyOptions): ExpandedPeers {
  switch (peer.kind) {
    case 'all':
      return {any: true, selectors: [], cidrs: []}
    case 'labels':
      return {any: false, selectors: [peer.selector], cidrs: []}
    case 'cidrs':
      return {any: false, selectors: [], cidrs: [cidrSelector(peer.items, peer.reach)]}
    case 'cidr-group': {
      const {except} = peer
      const items = groupsOf(peer, references).flatMap(({cidrs}) =>
        cidrs.map((cidr): CidrItem => ({cidr, except: holesOf(cidr, except)})),
      )
      return {any: false, selectors: [], cidrs: items.length === 0 ? [] : [cidrSelector(items, peer.reach)]}
    }
    case 'service': {
      const services = servicesOf(peer, references)
      const backends = services.filter(({selector}) => selector === undefined).flatMap((found) => found.backends)
      const items = backends.map((ip): CidrItem => ({cidr: Cidr.host(ip), except: []}))
      return {
        any: false,
        selectors: services.flatMap((found) => podsOf(found, options)),
        cidrs: items.length === 0 ? [] : [cidrSelector(items, 'everywhere')],
      }
    }
  }
}

/** Does a rule of this policy refer to one of these groups or services? */
export function refersToAny({specs}: Policy, references: References): boolean {
  const refers = (peer: Peer) =>
    (peer.kind === 'cidr-group' && groupsOf(peer, references).length > 0) ||
    (peer.kind === 'service' && servicesOf(peer, references).length > 0)
  return specs.some(({rules}) => rules.some(({peers}) => peers.kind === 'some' && peers.of.some(refers)))
}

function groupsOf({group}: Peer & {kind: 'cidr-group'}, {cidrGroups}: References): readonly CidrGroup[] {
  return cidrGroups.filter(({name, labels}) =>
    'name' in group ? name === group.name : selects(group.selector, labels),
  )
}

function servicesOf({namespace, service}: Peer & {kind: 'service'}, {services}: References): readonly PolicyService[] {
  return services.filter(
    (one) =>
      (namespace === undefined || one.namespace === namespace) &&
      ('name' in service ? one.name === service.name : selects(service.selector, one.labels)),
  )
}

/** Exceptions that concern a prefix: those inside, or those that leave nothing of it. */
function holesOf(cidr: Cidr, except: readonly Cidr[]): readonly Cidr[] {
  if (except.some((hole) => hole.covers(cidr))) return [cidr]
  return except.filter((hole) => cidr.covers(hole))
}

/** A service's selector that is empty selects no pods (Kubernetes: such a service has no endpoints of its own). */
function podsOf({namespace, selector}: PolicyService, options: PolicyOptions): Selector[] {
  if (selector === undefined || Object.keys(selector).length === 0) return []
  const requirements = Object.entries(selector).map(([key, value]) => keyIs(key, value))
  return [limitToCluster(matchAll([...requirements, keyIs(derivedKeys.namespace, namespace)]), options)]
}
