/**
 * Policy at size: what compiling costs against policies and identities, how many entries and how much memory that is,
 * and what the maps cost. From a change to every endpoint under it: policy-change.
 */
import {ENDPOINT_IFINDEX_BASE} from '../../src/datapath/gen/constants.ts'
import {ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {PolicyTables} from '../../src/datapath/maps/policy.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {parseSelector} from '../../src/model/selector.ts'
import {CidrClasses} from '../../src/policy/cidr-classes.ts'
import {compileRules} from '../../src/policy/compile.ts'
import {cidrSelectorsOf, type ExpandedPolicy, expandPolicy} from '../../src/policy/expand.ts'
import {checkNetworkPolicy} from '../../src/policy/network-policy.ts'
import {defaultPolicyOptions} from '../../src/policy/options.ts'
import {groupsMax, PeerGroups, type PeerRow} from '../../src/policy/peer-groups.ts'
import {inOrder, resolveRules} from '../../src/policy/resolve.ts'
import {RuleCookies} from '../../src/policy/rule-cookies.ts'
import {
  makePart,
  makeRuleSet,
  type PortEntry,
  type RuleSet,
  type RuleSetPart,
  type SetRule,
} from '../../src/policy/rule-set.ts'
import {BpfNode, devices, identities, macs, plans} from '../bpf/node.ts'
import {tcp} from '../bpf/support/packet.ts'
import type {BenchRow} from './rows.ts'
import {collectGarbage} from './support/garbage.ts'
import {labelsOf, namespaces} from './support/policy-cluster.ts'

const cookies = new RuleCookies()

export default async function bench(): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  for (const [policies, identities] of [
    [250, 600],
    [250, 6000],
    [2500, 6000],
    [250, 60_000],
  ] as const) {
    rows.push(...compileAll(policies, identities))
  }
  rows.push(...(await enforce(250, 6000)))
  rows.push(...(await packets()))
  return rows
}

/**
 * A packet that the receiver's set refuses, again and again: it never becomes a flow, so each is judged as a first one.
 * The set has one rule about many ports, or many rules about many groups of peers.
 */
async function packets(): Promise<BenchRow[]> {
  const node = await BpfNode.make('bench-verdict', {config: {test: 0, monitorLevel: 3, eventDrop: 0, eventVerdict: 0}})
  const tables = new PolicyTables((name) => node.fd(name))
  try {
    const groups = new Uint8Array(groupsMax / 8)
    tables.writePeers([{kind: 'identity', number: identities.a, groups}])
    const rules = (count: number): SetRule[] =>
      Array.from({length: count}, (_, n) => ({group: n + 1, verdict: 'allow', explicit: false, cookie: n + 1}))
    const ports = (count: number, mask: bigint): PortEntry[] =>
      Array.from({length: count}, (_, n) => ({protocol: 6, port: n + 1, rules: mask}))
    const everyRule = (count: number) => 2n ** BigInt(count) - 1n
    const kinds: (readonly [string, readonly RuleSetPart[]])[] = [
      ...[0, 100, 10_000].map((count) => [`${count} ports`, [makePart(rules(1), ports(count, 1n), [])]] as const),
      ...[1, 64].map(
        (count) =>
          [`${count} rules about the port`, [makePart(rules(count), ports(100, everyRule(count)), [])]] as const,
      ),
      ['1024 rules about the port', Array.from({length: 16}, () => makePart(rules(64), ports(100, everyRule(64)), []))],
    ]
    const [plan] = plans
    const frame = tcp(plan!.end(plan!.a, 4000), plan!.end(plan!.b, 80)).syn().mac(macs.a.pod, macs.a.node).bytes
    const fd = node.program('cil_from_container')
    const cost = (set: number) => {
      node.pod('b', {ingressSet: set})
      const run = () => node.inside(() => runSkbProgram(fd, frame, {ifindex: devices.a}, {repeat: 20_000}).durationNs)
      return Array.from({length: 9}, run)
    }
    const closed = cost(ruleSetNumber.SET_CLOSED)
    return [
      figure('a refused packet: closed, no set is asked', 'ns', closed),
      ...kinds.map(([name, parts], index) => {
        const set = ruleSetNumber.SET_FIRST + index
        tables.write(set, makeRuleSet(parts, {verdict: 'deny', cookie: 0}))
        return figure(`a refused packet: a set with ${name}`, 'ns', cost(set))
      }),
    ]
  } finally {
    tables.close()
    node.close()
  }
}

/** Rules over whole namespaces, over teams of them, over everybody, and over one app. */
function policy(n: number): ExpandedPolicy {
  const object = {
    metadata: {name: `policy-${n}`, namespace: `ns-${n % namespaces}`, uid: ''},
    spec: {
      podSelector: n % 4 === 0 ? {} : {matchLabels: {tier: ['front', 'middle', 'back'][n % 3]!}},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {from: [{namespaceSelector: {matchLabels: {team: `team-${n % 10}`}}}], ports: [{port: 80}, {port: 443}]},
        {from: [{namespaceSelector: {}}], ports: [{port: 9090 + (n % 3)}]},
        {from: [{podSelector: {matchLabels: {app: `app-${n % 400}`}}}]},
      ],
      egress: [
        {to: [{namespaceSelector: {}}], ports: [{port: 53, protocol: 'UDP'}]},
        {to: [{ipBlock: {cidr: `10.${n % 256}.0.0/16`, except: [`10.${n % 256}.3.0/24`]}}]},
        {to: [{podSelector: {}}], ports: [{port: 8000, endPort: 8999}]},
      ],
    },
  }
  const checked = checkNetworkPolicy(object, defaultPolicyOptions)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return expandPolicy(checked.policy, {cidrGroups: [], services: []}, defaultPolicyOptions)
}

interface Made {
  readonly groups: PeerGroups
  readonly sets: readonly RuleSet[]
  readonly perSet: number[]
  readonly buildMs: number
}

/** All sets of 100 pods. */
function make(policies: readonly ExpandedPolicy[], identities: number): Made {
  const groups = new PeerGroups()
  const all = Array.from({length: identities}, (_, n) => ({id: 256 + n, labels: labelsOf(n), namedPorts: new Map()}))
  groups.setClasses(new CidrClasses(cidrSelectorsOf(policies)).all)
  const started = performance.now()
  for (const one of all) groups.setIdentity(one)
  const buildMs = performance.now() - started
  const sets = new Map<string, RuleSet>()
  const perSet: number[] = []
  for (let pod = 0; pod < 100; pod++) {
    for (const direction of ['ingress', 'egress'] as const) {
      const at = performance.now()
      const subject = {kind: 'endpoint', labels: labelsOf(pod), namedPorts: new Map()} as const
      const resolved = resolveRules(policies, subject, direction, 'default')
      if (resolved !== 'open') {
        const set = compileRules(resolved, subject, groups, cookies)
        sets.set(set.hash, set)
      }
      perSet.push(performance.now() - at)
    }
  }
  return {groups, sets: [...sets.values()], perSet, buildMs}
}

function compileAll(policyCount: number, identities: number): BenchRow[] {
  const policies = inOrder(Array.from({length: policyCount}, (_, n) => policy(n)))
  make(policies, 100)
  collectGarbage()
  const before = process.memoryUsage()
  const {groups, sets, perSet, buildMs} = make(policies, identities)
  collectGarbage()
  const after = process.memoryUsage()
  const name = (what: string) => `${policyCount} policies, ${identities} identities: ${what}`
  const entries = sets.flatMap(({parts}) => parts.map((part) => part.entries.length + part.ranges.length))
  const memory = (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 2 ** 20
  const arrivals = times(200, (n) => {
    groups.setIdentity({id: 500_000 + n, labels: labelsOf(n + 7), namedPorts: new Map()})
    groups.takeChanges()
  })
  return [
    figure(name('resolve and compile one set'), 'ms', perSet),
    figure(name('all identities into groups'), 'ms', [buildMs]),
    figure(
      name('a new identity'),
      'us',
      arrivals.map((ms) => ms * 1000),
    ),
    figure(name('sets'), '', [sets.length]),
    figure(name('port entries and blocks of all sets'), '', [entries.reduce((sum, n) => sum + n, 0)]),
    figure(name('memory'), 'MiB', [memory], 'heap and rows'),
  ]
}

/** The way into the kernel: everything at first, then one policy's change, then new identities. */
async function enforce(policyCount: number, identities: number): Promise<BenchRow[]> {
  const policies = inOrder(Array.from({length: policyCount}, (_, n) => policy(n)))
  const node = await BpfNode.make('bench-policy')
  const tables = new PolicyTables((name) => node.fd(name))
  try {
    const {groups, sets} = make(policies, identities)
    const started = performance.now()
    tables.writePeers(groups.takeChanges().rows)
    for (const [index, set] of sets.entries()) tables.write(16 + index, set)
    const first = performance.now() - started
    let number = 100_000
    const pod = node.endpoints.get(devices.a - ENDPOINT_IFINDEX_BASE)!
    const flip = (set: number) => {
      for (let slot = 100; slot < 200; slot++) node.endpoints.put(slot, {...pod, id: slot, ingressSet: set})
    }
    const subject = {kind: 'endpoint', labels: labelsOf(3), namedPorts: new Map()} as const
    const change = (n: number, every: boolean) => {
      const changed = [...policies, policy(every ? 3 : 3 + 50 * (n % 8))]
      const resolved = resolveRules(changed, subject, 'ingress', 'default')
      if (resolved === 'open') throw new Error('open')
      const set = compileRules(resolved, subject, groups, {cookieOf: () => n + 1})
      tables.writePeers(groups.takeChanges().rows)
      tables.write(number, set)
      flip(number++)
    }
    const known = times(200, (n) => change(n, true))
    const arrivals = times(1000, (n) => {
      groups.setIdentity({id: 500_000 + n, labels: labelsOf(n), namedPorts: new Map()})
      tables.writePeers(groups.takeChanges().rows)
    })
    const churned = await churn(groups, (rows) => tables.writePeers(rows))
    const broad = times(50, (n) => {
      const parsed = parseSelector({matchExpressions: [{key: `no-such-${n}`, operator: 'DoesNotExist'}]})
      if (!('selector' in parsed)) throw new Error(parsed.problem.reason)
      groups.numberOf({any: false, cidrs: [], selectors: [parsed.selector]})
      tables.writePeers(groups.takeChanges().rows)
    })
    const name = (what: string) => `${policyCount} policies, ${identities} identities, real maps: ${what}`
    return [
      figure(name('first write of everything'), 'ms', [first]),
      figure(name('a changed policy: compiled, written, 100 pods turned'), 'ms', known),
      figure(name('a new rule about every identity: rows written'), 'ms', broad),
      figure(
        name('a new identity: row written'),
        'us',
        arrivals.map((ms) => ms * 1000),
      ),
      figure(name('1000 label sets a second: late by'), 'ms', churned.late),
      figure(name('1000 label sets a second: share of a processor'), '%', [churned.share]),
    ]
  } finally {
    tables.close()
    node.close()
  }
}

/** Identities come and go, 1000 of each a second for five seconds: how late the last of each hundredth is in the maps. */
async function churn(groups: PeerGroups, write: (rows: readonly PeerRow[]) => void) {
  const seconds = 5
  const late: number[] = []
  const began = performance.now()
  const before = process.cpuUsage()
  for (let tick = 0; tick < seconds * 100; tick++) {
    const due = began + tick * 10
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
    for (let n = tick * 10; n < tick * 10 + 10; n++) {
      groups.setIdentity({id: 600_000 + n, labels: labelsOf(n * 31), namedPorts: new Map()})
      if (n >= 1000) groups.deleteIdentity(600_000 + n - 1000)
    }
    write(groups.takeChanges().rows)
    // timers may be early by a little
    late.push(Math.max(0, performance.now() - due))
  }
  const {user, system} = process.cpuUsage(before)
  return {late, share: (user + system) / 10_000 / seconds}
}

function times(count: number, step: (n: number) => void): number[] {
  return Array.from({length: count}, (_, n) => {
    const at = performance.now()
    step(n)
    return performance.now() - at
  })
}

function figure(name: string, unit: string, values: readonly number[], note?: string): BenchRow {
  const sorted = [...values].sort((a, b) => a - b)
  const p99 =
    sorted.length < 100 ? undefined : `p99 ${Number(sorted[Math.floor(sorted.length * 0.99)]!.toPrecision(3))} ${unit}`
  const said = [p99, note].filter((part) => part !== undefined).join('; ') || undefined
  return {
    name,
    unit,
    median: sorted[Math.floor(sorted.length / 2)]!,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    runs: sorted.length,
    ...(said === undefined ? {} : {note: said}),
  }
}
