/**
 * From a change of a policy to every endpoint of the node under it: the agent's own engine and reconcilers over real
 * maps, with 100 pods here, 6000 identities in the cluster and 250 policies. What is measured begins with the object as
 * the API server sends it and ends when the row of the last endpoint names its new set.
 *
 *     POLICIES=2500 IDENTITIES=60000 npm run bench -- policy-change
 */
import type {AddressPlan} from '../../src/agent/identity/address-rows.ts'
import {PolicyEnforcer} from '../../src/agent/policy/enforcer.ts'
import {AddressClaimants} from '../../src/agent/reconcile/address-claimants.ts'
import {addressReconciler} from '../../src/agent/reconcile/addresses.ts'
import {addressMaps, endpointMap} from '../../src/agent/reconcile/loaded-datapath.ts'
import {loadedSetMaps} from '../../src/agent/reconcile/loaded-set-maps.ts'
import {policyRow} from '../../src/agent/reflect/policy.ts'
import {createTables, type Tables} from '../../src/agent/state/tables.ts'
import {openAddresses, openEndpoints, openEpoch} from '../../src/datapath/maps/open.ts'
import {PolicyTables, SetNumbers} from '../../src/datapath/maps/policy.ts'
import {identity} from '../../src/model/identity.ts'
import {Ip} from '../../src/model/ip.ts'
import {defaultPolicyOptions} from '../../src/policy/options.ts'
import type {PolicyKind} from '../../src/policy/rule.ts'
import {systemClock} from '../../src/runtime/clock.ts'
import {silentLog} from '../../src/runtime/log.ts'
import {ReconcilerRunner} from '../../src/runtime/reconciler.ts'
import {BpfNode} from '../bpf/node.ts'
import {endpoint} from '../unit/agent/rows.ts'
import type {BenchRow} from './rows.ts'
import {labelsOf, namespaces} from './support/policy-cluster.ts'

const pods = 100
const policies = Number(process.env['POLICIES'] ?? 250)
const identities = Number(process.env['IDENTITIES'] ?? 6000)
const runs = Number(process.env['RUNS'] ?? 200)
const plan: AddressPlan = {ipv4: true, ipv6: true, tunnel: false, underlay: 4, nativeCidrs: []}

export default async function bench(): Promise<BenchRow[]> {
  const node = await BpfNode.make('bench-policy-change')
  const world = new World(node)
  try {
    const first = await world.fill()
    const namespaced = await world.times(runs, (n) =>
      world.apply('NetworkPolicy', `policy-${n % policies}`, policy(n % policies, n + 7)),
    )
    const prefix = await world.times(Math.ceil(runs / 4), (n) =>
      world.apply('NetworkPolicy', 'prefix', {
        podSelector: {},
        ingress: [{from: [{ipBlock: {cidr: `198.51.${n}.0/24`, except: [`198.51.${n}.8/29`]}}]}],
      }),
    )
    const everybody = await world.times(Math.ceil(runs / 4), (n) =>
      world.apply('CiliumClusterwideNetworkPolicy', 'everybody', {
        endpointSelector: {},
        ingressDeny: [
          {fromEndpoints: [{matchLabels: {release: String(n)}}], toPorts: [{ports: [{port: String(n + 1)}]}]},
        ],
      }),
    )
    const arrivals = await world.times(runs, (n) => world.know(1_000_000 + n, identities + n))
    const size = `${pods} pods, ${policies} policies, ${identities} identities`
    return [
      figure(`${size}: everything at first`, [first], ''),
      figure(`${size}: a policy of one namespace changes`, namespaced, 'budget p50 5, p99 50'),
      figure(`${size}: a policy with a prefix that nobody had asked about`, prefix, ''),
      figure(`${size}: a policy for all pods changes`, everybody, 'the sets of all of them are new'),
      figure(`${size}: an identity comes`, arrivals, 'until its row is written'),
    ]
  } finally {
    await world.stop()
    node.close()
  }
}

class World {
  readonly #tables: Tables = createTables()
  readonly #enforcer: PolicyEnforcer
  readonly #claimants: AddressClaimants
  readonly #addresses: {stop(): Promise<void>; whenIdle(): Promise<void>; start(): void}
  readonly #closing: {close(): void}[]
  #version = 0
  #passes = 0

  constructor(node: BpfNode) {
    const tables = this.#tables
    const open = (name: string) => node.fd(name)
    const [sets, numbers, endpoints, addresses, epoch] = [
      new PolicyTables(open),
      new SetNumbers(open),
      openEndpoints(open),
      openAddresses(open),
      openEpoch(open),
    ]
    this.#closing = [sets, numbers, endpoints, addresses, epoch]
    const maps = addressMaps(addresses, epoch)
    const nothing = () => {}
    this.#enforcer = new PolicyEnforcer({
      ...{tables, former: new Map(), policyOptions: defaultPolicyOptions, nodesMatch: false},
      maps: loadedSetMaps(sets, numbers, maps.moveEpoch),
      endpointMap: endpointMap(endpoints),
      addresses: {setClasses: (classes) => this.#claimants.setClasses(classes)},
      addressesSettled: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        await this.#addresses.whenIdle()
      },
      memory: {read: () => [], write: nothing},
      mode: () => 'default',
      audits: () => false,
      remember: nothing,
      // called at the end of every pass
      news: {refused: () => void this.#passes++, enforced: nothing, learnt: nothing},
      clock: systemClock,
      log: silentLog,
    })
    this.#claimants = new AddressClaimants(tables, plan, () => false, this.#enforcer.whenClassed)
    this.#addresses = new ReconcilerRunner({
      name: 'addresses',
      table: tables.addresses,
      reconciler: addressReconciler(maps),
      begin: 'now',
    })
  }

  /** Everybody and every policy. @returns ms until the first pass has put all of it into force */
  async fill(): Promise<number> {
    const tables = this.#tables
    for (let n = 0; n < identities; n++) {
      this.know(256 + n, n)
      if (n >= pods) {
        const ips = [Ip.of(`10.${2 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`)]
        const nodeIp = Ip.of('192.168.0.2')
        tables.remoteEndpoints.upsert({
          ...{namespace: `ns-${n % namespaces}`, name: `pod-${n}`, uid: '', ips, nodeIp, namedPorts: []},
          identity: identity(256 + n),
        })
        continue
      }
      const labels = labelsOf(n)
      tables.endpoints.upsert(
        endpoint({
          ...{id: n + 1, namespace: `ns-${n % namespaces}`, pod: `pod-${n}`, labels, allLabels: labels},
          identity: identity(256 + n),
        }),
      )
    }
    for (let n = 0; n < policies; n++) this.apply('NetworkPolicy', `policy-${n}`, policy(n, n))
    const began = performance.now()
    this.#claimants.start([])
    this.#addresses.start()
    this.#enforcer.start()
    for (const table of Object.values(tables)) {
      const {waitingFor} = table as {readonly waitingFor: readonly string[]}
      for (const source of waitingFor) (table as {markSynced(source: string): void}).markSynced(source)
    }
    await this.#pass(0)
    return performance.now() - began
  }

  /** Each change until it is in force. */
  async times(count: number, change: (n: number) => void): Promise<number[]> {
    const took: number[] = []
    for (let n = 0; n < count; n++) {
      const before = this.#passes
      const began = performance.now()
      change(n)
      await this.#pass(before)
      took.push(performance.now() - began)
      const {lastError} = this.#enforcer.runnerState
      if (lastError !== undefined) throw new Error(lastError)
    }
    return took
  }

  apply(kind: PolicyKind, name: string, spec: object): void {
    const number = Number(/\d+$/.exec(name)?.[0] ?? 0)
    const namespaced = kind === 'NetworkPolicy' ? {namespace: `ns-${number % namespaces}`} : {}
    const metadata = {name, uid: name, resourceVersion: String(++this.#version), ...namespaced}
    this.#tables.policies.upsert(policyRow(kind, {metadata, spec} as never, defaultPolicyOptions))
  }

  know(id: number, n: number): void {
    this.#tables.identities.upsert({id: identity(id), labels: labelsOf(n)})
  }

  async stop(): Promise<void> {
    await this.#enforcer.stop()
    this.#claimants.stop()
    await this.#addresses.stop()
    for (const map of this.#closing) map.close()
  }

  async #pass(before: number): Promise<void> {
    while (this.#passes === before) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Rules over teams of namespaces, over everybody, over one app and over a prefix. @param turn changes what it says */
function policy(n: number, turn: number): object {
  return {
    podSelector: n % 4 === 0 ? {} : {matchLabels: {tier: ['front', 'middle', 'back'][n % 3]!}},
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {from: [{namespaceSelector: {matchLabels: {team: `team-${turn % 10}`}}}], ports: [{port: 80}, {port: 443}]},
      {from: [{namespaceSelector: {}}], ports: [{port: 9000 + turn}]},
      {from: [{podSelector: {matchLabels: {app: `app-${turn % 400}`}}}]},
    ],
    egress: [
      {to: [{namespaceSelector: {}}], ports: [{port: 53, protocol: 'UDP'}]},
      {to: [{ipBlock: {cidr: `10.${n % 250}.0.0/16`, except: [`10.${n % 250}.3.0/24`]}}]},
    ],
  }
}

function figure(name: string, values: readonly number[], note: string): BenchRow {
  const sorted = [...values].sort((a, b) => a - b)
  const p99 = sorted[Math.floor(sorted.length * 0.99)]!
  const said = [sorted.length < 50 ? '' : `p99 ${Number(p99.toPrecision(3))} ms`, note].filter((part) => part !== '')
  return {
    ...{name, unit: 'ms', median: sorted[Math.floor(sorted.length / 2)]!, min: sorted[0]!, max: sorted.at(-1)!},
    ...{runs: sorted.length, note: said.join('; ')},
  }
}
