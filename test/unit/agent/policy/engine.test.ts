import {expect, test} from 'vitest'
import {PolicyEngine, type Subject} from '../../../../src/agent/policy/engine.ts'
import {identity} from '../../../../src/model/identity.ts'
import {LabelSet} from '../../../../src/model/labels.ts'
import type {NamedPorts} from '../../../../src/policy/cidr-classes.ts'
import {defaultPolicyOptions} from '../../../../src/policy/options.ts'
import {checkPolicyObject} from '../../../../src/policy/policy-object.ts'
import {RuleCookies} from '../../../../src/policy/rule-cookies.ts'

const web: Subject = {
  ...{key: 'web', kind: 'endpoint', mode: 'default'},
  labels: LabelSet.parse(['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=default']),
  namedPorts: new Map(),
}

function start(): PolicyEngine {
  const engine = new PolicyEngine(defaultPolicyOptions, {cidrGroups: [], services: []}, new RuleCookies())
  engine.addSubject(web)
  engine.recompile('web')
  engine.takeDirty()
  return engine
}

function apply(engine: PolicyEngine, name: string, spec: object | undefined): void {
  const metadata = {name, namespace: 'default', uid: name}
  const checked =
    spec &&
    checkPolicyObject('CiliumNetworkPolicy', {metadata, spec: {endpointSelector: {}, ...spec}}, defaultPolicyOptions)
  if (checked !== undefined && !checked.ok) throw new Error(JSON.stringify(checked.problems))
  engine.setPolicy(name, checked?.policy)
}

/** What is compiled anew, by direction. */
function recompiled(engine: PolicyEngine): string[] {
  return engine.takeDirty().flatMap((key) =>
    Object.entries(engine.recompile(key))
      .filter(([, set]) => set !== 'unchanged')
      .map(([direction, set]) => `${direction}${set === 'open' ? ' open' : ''}`),
  )
}

const ingress = {ingress: [{fromEntities: ['world']}]}
const egress = {egress: [{toEntities: ['world']}]}

test('a change is compiled in the directions that it speaks of, before or after it', () => {
  const engine = start()

  apply(engine, 'a', ingress)
  expect(recompiled(engine)).toEqual(['ingress'])
  apply(engine, 'b', egress)
  expect(recompiled(engine)).toEqual(['egress'])
  apply(engine, 'a', {ingressDeny: [{fromEntities: ['world']}], enableDefaultDeny: {ingress: false}})
  expect(recompiled(engine)).toEqual(['ingress'])
  apply(engine, 'a', egress)
  expect(recompiled(engine)).toEqual(['ingress open', 'egress'])
  apply(engine, 'b', undefined)
  expect(recompiled(engine)).toEqual(['egress'])
  apply(engine, 'b', {endpointSelector: {matchLabels: {app: 'other'}}, ...ingress})
  expect(recompiled(engine)).toEqual([])
})

test('a policy that isolates without a rule is compiled, too', () => {
  const engine = start()
  apply(engine, 'a', {ingress: [{}]})

  expect(recompiled(engine)).toEqual(['ingress'])
})

test('what did not come into force is compiled in both directions', () => {
  const engine = start()
  apply(engine, 'a', ingress)
  expect(recompiled(engine)).toEqual(['ingress'])

  engine.touch('web')

  expect(recompiled(engine)).toEqual(['ingress', 'egress open'])
})

test('a port name that changes its meaning at peers concerns the direction that asks for it', () => {
  const engine = start()
  const peer = (port: number) =>
    engine.groups.setIdentity({
      id: identity(1000),
      labels: LabelSet.parse(['k8s:app=db', 'k8s:io.kubernetes.pod.namespace=default']),
      namedPorts: new Map([['sql', [{protocol: 6, port}]]]) as NamedPorts,
    })
  peer(5432)
  engine.takeRows()
  apply(engine, 'a', {...ingress, egress: [{toPorts: [{ports: [{port: 'sql', protocol: 'TCP'}]}]}]})
  expect(recompiled(engine)).toEqual(['ingress', 'egress'])
  engine.takeRows()
  expect(recompiled(engine)).toEqual([])

  peer(5433)
  engine.takeRows()

  expect(recompiled(engine)).toEqual(['egress'])
})

test('the largest selection of each class is counted, as identities and selectors come and go', () => {
  const engine = start()
  const pod = (id: number) =>
    engine.groups.setIdentity({
      id: identity(id),
      labels: LabelSet.parse([
        'k8s:app=db',
        'k8s:io.cilium.k8s.policy.cluster=default',
        `k8s:n=${id}`,
        'k8s:io.kubernetes.pod.namespace=default',
      ]),
      namedPorts: new Map(),
    })
  engine.groups.setIdentity({id: identity(9), labels: LabelSet.parse(['reserved:world-ipv4']), namedPorts: new Map()})
  for (const id of [1000, 1001, 1002]) pod(id)
  const counts = () => Object.fromEntries(engine.largestSelections())
  expect(counts()).toEqual({fqdn: 0, cluster: 0, world: 0, other: 0})

  apply(engine, 'a', {ingress: [{fromEntities: ['world', 'cluster']}, {fromEndpoints: [{matchLabels: {n: '1000'}}]}]})
  recompiled(engine)
  expect(counts()).toEqual({fqdn: 0, cluster: 3, world: 1, other: 1})
  pod(1003)
  expect(counts()).toEqual({fqdn: 0, cluster: 4, world: 1, other: 1})

  engine.groups.deleteIdentity(1000)
  expect(counts()).toEqual({fqdn: 0, cluster: 3, world: 1, other: 0})
})
