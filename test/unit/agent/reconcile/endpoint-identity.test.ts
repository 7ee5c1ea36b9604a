import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {candidateNumbers} from '../../../../src/agent/identity/identity-number.ts'
import {labelsOf} from '../../../../src/agent/identity/pod-identity.ts'
import {EndpointIdentity, type SharedIdentities} from '../../../../src/agent/reconcile/endpoint-identity.ts'
import type {EndpointRow, IdentityRow} from '../../../../src/agent/state/rows.ts'
import type {Tables} from '../../../../src/agent/state/tables.ts'
import {clusterIdentities, type Identity} from '../../../../src/model/identity.ts'
import {LabelFilter} from '../../../../src/model/label-filter.ts'
import {LabelSet} from '../../../../src/model/labels.ts'
import {CiliumError} from '../../../../src/runtime/errors.ts'
import {silentLog} from '../../../../src/runtime/log.ts'
import {FakeClock} from '../../../support/fake-clock.ts'
import {pod, tablesWith, turn} from '../reconcile-support.ts'
import {endpoint} from '../rows.ts'

const {filter} = LabelFilter.parse()
const range = clusterIdentities(0)

/** The API server's side: numbers are taken once. */
class Cluster implements SharedIdentities {
  readonly rows = new Map<Identity, IdentityRow>()
  readonly created: Identity[] = []
  readonly unmarked: Identity[] = []
  away = false
  onCreate: (row: IdentityRow) => void = () => {}

  async create(row: IdentityRow): Promise<boolean> {
    this.onCreate(row)
    if (this.away) throw new CiliumError('K8S_UNREACHABLE', {})
    if (this.rows.has(row.id)) return false
    this.rows.set(row.id, row)
    this.created.push(row.id)
    return true
  }

  async find(id: Identity): Promise<IdentityRow | undefined> {
    return this.rows.get(id)
  }

  async unmark(id: Identity): Promise<void> {
    if (this.away) throw new CiliumError('K8S_UNREACHABLE', {})
    this.unmarked.push(id)
  }
}

let cluster: Cluster
let clock: FakeClock
let tables: Tables
let identities: EndpointIdentity
let written: EndpointRow[]

function start(made: Tables, graceMs = 0): void {
  tables = made
  identities = new EndpointIdentity({
    tables,
    shared: cluster,
    records: {write: async (row) => void written.push(row)},
    cluster: 'default',
    filter,
    range,
    graceMs,
    clock,
    log: silentLog,
  })
  identities.start()
}

/** An endpoint as CNI makes it. */
function fresh(id: number, name: string): EndpointRow {
  return endpoint({
    id,
    pod: name,
    podUid: `uid-${name}`,
    state: 'waiting-for-identity',
    identity: undefined,
    labels: undefined,
    allLabels: undefined,
  })
}

function relevant(labels: Record<string, string>): LabelSet {
  return labelsOf(pod('x', labels), {name: 'default', labels: {}}, 'default', filter).relevant
}

const first = (labels: Record<string, string>) => candidateNumbers(relevant(labels), range).next().value as Identity

beforeEach(() => {
  cluster = new Cluster()
  clock = new FakeClock()
  written = []
})
afterEach(() => identities.stop())

describe('a new endpoint', () => {
  test('takes the identity that its labels have already, without asking anybody', async () => {
    const made = tablesWith(pod('a', {app: 'web'}))
    made.identities.upsert({id: 4711 as Identity, labels: relevant({app: 'web'})})
    start(made)
    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()

    expect(tables.endpoints.get('1')).toMatchObject({identity: 4711, state: 'ready'})
    expect(cluster.created).toEqual([])
  })

  test('makes one, under the first number of its labels, and once for all pods that come together', async () => {
    const made = tablesWith(pod('a', {app: 'web'}), pod('b', {app: 'web', 'pod-template-hash': 'x'}))
    made.identities.markSynced('ciliumidentities')
    start(made)
    tables.endpoints.upsert(fresh(1, 'a'))
    tables.endpoints.upsert(fresh(2, 'b'))
    await turn()

    expect(cluster.created).toEqual([first({app: 'web'})])
    expect([...tables.endpoints.values()].map(({identity}) => identity)).toEqual([
      first({app: 'web'}),
      first({app: 'web'}),
    ])
  })

  test('takes the next number when another set of labels has the first', async () => {
    const [one, two] = candidateNumbers(relevant({app: 'web'}), range)
    cluster.rows.set(one!, {id: one!, labels: LabelSet.parse(['k8s:other=thing'])})
    const made = tablesWith(pod('a', {app: 'web'}))
    made.identities.markSynced('ciliumidentities')
    start(made)
    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()

    expect(tables.endpoints.get('1')?.identity).toBe(two)
  })

  test('takes the number of whoever was faster with the same labels', async () => {
    const made = tablesWith(pod('a', {app: 'web'}))
    made.identities.markSynced('ciliumidentities')
    const id = first({app: 'web'})
    cluster.onCreate = () => {
      if (!cluster.rows.has(id)) cluster.rows.set(id, {id, labels: relevant({app: 'web'})})
    }
    start(made)
    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()

    expect(tables.endpoints.get('1')).toMatchObject({identity: id, state: 'ready'})
    expect(cluster.created).toEqual([])
  })

  test('waits for its pod and its namespace: it never gets an identity without their labels', async () => {
    const made = tablesWith()
    made.namespaces.delete('default')
    made.identities.markSynced('ciliumidentities')
    start(made)
    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()
    expect(tables.endpoints.get('1')?.identity).toBeUndefined()

    tables.pods.upsert(pod('a', {app: 'web'}))
    await turn()
    expect(tables.endpoints.get('1')?.identity).toBeUndefined()

    tables.namespaces.upsert({name: 'default', labels: {}})
    await turn()
    expect(tables.endpoints.get('1')?.identity).toBe(first({app: 'web'}))
  })

  test('is not taken for the pod of the same name that was there before', async () => {
    const made = tablesWith(pod('a', {app: 'old'}, {uid: 'another'}))
    made.identities.markSynced('ciliumidentities')
    start(made)
    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()

    expect(tables.endpoints.get('1')?.identity).toBeUndefined()
  })

  test('says why it waits and tries again while the API server is away', async () => {
    const made = tablesWith(pod('a', {app: 'web'}))
    made.identities.markSynced('ciliumidentities')
    cluster.away = true
    start(made)
    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()
    expect(tables.endpoints.get('1')?.log.at(-1)).toMatchObject({
      ok: false,
      message: expect.stringContaining('K8S_UNREACHABLE'),
    })

    cluster.away = false
    await clock.advance(60_000)
    await turn()

    expect(tables.endpoints.get('1')).toMatchObject({state: 'ready', identity: first({app: 'web'})})
  })
})

describe('a running endpoint', () => {
  async function running(labels: Record<string, string>, graceMs = 0): Promise<Identity> {
    const made = tablesWith(pod('a', labels))
    made.identities.markSynced('ciliumidentities')
    start(made, graceMs)
    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()
    return tables.endpoints.get('1')!.identity!
  }

  test('gets another identity when labels change that count, after the grace period, and its record follows', async () => {
    const before = await running({app: 'web'}, 5000)
    tables.pods.upsert(pod('a', {app: 'db'}))
    await turn()
    expect(tables.endpoints.get('1')?.identity).toBe(before)
    expect(cluster.created).toHaveLength(2)

    await clock.advance(5000)
    await turn()

    expect(tables.endpoints.get('1')?.identity).toBe(first({app: 'db'}))
    expect(written.map(({identity}) => identity)).toEqual([first({app: 'db'})])
  })

  test('keeps its identity when only labels change that do not count', async () => {
    const before = await running({app: 'web', 'pod-template-hash': 'x'})
    tables.pods.upsert(pod('a', {app: 'web', 'pod-template-hash': 'y'}))
    await turn()

    expect(tables.endpoints.get('1')?.identity).toBe(before)
    expect(tables.endpoints.get('1')?.allLabels?.get('k8s', 'pod-template-hash')).toBe('y')
    expect(cluster.created).toHaveLength(1)
  })

  test('follows labels of its namespace', async () => {
    const before = await running({app: 'web'})
    tables.namespaces.upsert({name: 'default', labels: {team: 'red'}})
    await turn()

    expect(tables.endpoints.get('1')?.identity).not.toBe(before)
    expect(tables.endpoints.get('1')?.labels?.get('k8s', 'io.cilium.k8s.namespace.labels.team')).toBe('red')
  })

  test('makes its identity again under the same number when somebody deletes it', async () => {
    const before = await running({app: 'web'})
    cluster.rows.delete(before)
    tables.identities.delete(String(before))
    await turn()

    expect(cluster.created).toEqual([before, before])
    expect(tables.endpoints.get('1')?.identity).toBe(before)
  })

  test('keeps the operator from removing its identity, which was marked before anybody here had it', async () => {
    const made = tablesWith(pod('a', {app: 'web'}))
    made.identities.upsert({id: 4711 as Identity, labels: relevant({app: 'web'}), marked: true})
    start(made)
    await turn()
    expect(cluster.unmarked).toEqual([]) // nobody has it yet

    tables.endpoints.upsert(fresh(1, 'a'))
    await turn()

    expect(tables.endpoints.get('1')).toMatchObject({identity: 4711, state: 'ready'})
    expect(cluster.unmarked).toEqual([4711])
  })

  test('keeps its identity when it is marked while the API server is away', async () => {
    const used = await running({app: 'web'})
    cluster.away = true
    tables.identities.upsert({id: used, labels: relevant({app: 'web'}), marked: true})
    await turn()
    expect(cluster.unmarked).toEqual([])
    expect(tables.endpoints.get('1')?.state).toBe('ready')

    cluster.away = false
    await clock.advance(60_000)
    await turn()

    expect(cluster.unmarked).toEqual([used])
  })

  test('that was restored keeps what it has until everything is known', async () => {
    const made = tablesWith()
    start(made)
    tables.endpoints.upsert(
      endpoint({id: 1, pod: 'a', podUid: 'uid-a', labels: relevant({app: 'web'}), allLabels: relevant({app: 'web'})}),
    )
    await turn()

    expect(tables.endpoints.get('1')).toMatchObject({identity: 4711, state: 'ready'})
    expect(cluster.created).toEqual([])
  })
})

test('when no number is left the label that uses most of them is named', async () => {
  const small = {first: 256 as Identity, last: 259 as Identity}
  const made = tablesWith(pod('a', {app: 'web'}))
  for (let id = 256; id <= 259; id++) {
    made.identities.upsert({id: id as Identity, labels: LabelSet.parse([`k8s:run=${id}`, 'k8s:app=job'])})
  }
  made.identities.markSynced('ciliumidentities')
  tables = made
  identities = new EndpointIdentity({
    tables,
    shared: cluster,
    records: {write: async () => {}},
    cluster: 'default',
    filter,
    range: small,
    graceMs: 0,
    clock,
    log: silentLog,
  })
  identities.start()
  tables.endpoints.upsert(fresh(1, 'a'))
  await turn()

  expect(tables.endpoints.get('1')?.log.at(-1)?.message).toContain('label run alone makes 4 of them')
})
