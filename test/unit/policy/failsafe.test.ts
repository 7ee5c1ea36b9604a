import {expect, test} from 'vitest'
import {identity as identityOf, reservedLabels} from '../../../src/model/identity.ts'
import {compileRules} from '../../../src/policy/compile.ts'
import {failsafePorts} from '../../../src/policy/failsafe.ts'
import {RuleSetLookup} from '../../../src/policy/lookup.ts'
import {PeerGroups} from '../../../src/policy/peer-groups.ts'
import type {Resolved} from '../../../src/policy/resolve.ts'
import {RuleCookies} from '../../../src/policy/rule-cookies.ts'

const failsafe = failsafePorts({apiServer: [6443, 443, 6443], health: 4240})
const policy = {kind: 'CiliumClusterwideNetworkPolicy', namespace: '', name: 'closed', uid: 'u'} as const

/** Everything is denied by name, and nothing allowed. */
function closed(direction: 'ingress' | 'egress'): Resolved {
  const section = direction === 'ingress' ? 'ingressDeny' : 'egressDeny'
  return {
    direction,
    isolatedBy: [{policy, spec: 0, section: `${direction}-isolation`, index: 0}],
    rules: [
      {
        ref: {policy, spec: 0, section, index: 0},
        ...{direction, action: 'deny', peers: {any: true, selectors: [], cidrs: []}, ports: {kind: 'any'}},
      },
    ],
  }
}

function ask(direction: 'ingress' | 'egress', protocol: number, port: number, identity = 2) {
  const groups = new PeerGroups()
  for (const id of [2, 6, 7] as const) {
    groups.setIdentity({id, labels: reservedLabels(identityOf(id))!, namedPorts: new Map()})
  }
  const set = compileRules(closed(direction), {namedPorts: new Map(), failsafe}, groups, new RuleCookies())
  return new RuleSetLookup(set, groups).ask({identity, cidrClass: 0, protocol, port}).verdict
}

test.each([22, 10_250, 4240, 6443, 443])('no deny takes port %d of a node away', (port) => {
  expect(ask('ingress', 6, port)).toBe('allow')
})

test.each([10_250, 4240, 6443, 443])('no deny keeps a node from port %d elsewhere', (port) => {
  expect(ask('egress', 6, port)).toBe('allow')
})

test.each([6, 7])('echo requests of both families pass both ways between nodes (identity %d)', (node) => {
  for (const direction of ['ingress', 'egress'] as const) {
    expect([ask(direction, 1, 9, node), ask(direction, 58, 129, node)]).toEqual(['allow', 'allow'])
    expect([ask(direction, 1, 9), ask(direction, 58, 129)]).toEqual(['deny', 'deny'])
  }
})

test('everything else is denied: other ports, other protocols of the same ports, SSH on the way out', () => {
  expect([ask('ingress', 6, 80), ask('ingress', 17, 6443), ask('ingress', 1, 1), ask('egress', 6, 22)]).toEqual(
    Array(4).fill('deny'),
  )
})

test('an endpoint has no such ports', () => {
  const set = compileRules(closed('ingress'), {namedPorts: new Map()}, new PeerGroups(), new RuleCookies())
  const lookup = new RuleSetLookup(set, {rowOf: () => undefined})

  expect(lookup.ask({identity: 2, cidrClass: 0, protocol: 6, port: 22}).verdict).toBe('deny')
})
