import {expect, test} from 'vitest'
import {NodeIdentities} from '../../../../src/agent/identity/node-identities.ts'
import type {RememberedNode} from '../../../../src/agent/identity/node-identity-memory.ts'
import type {NodeRow} from '../../../../src/agent/state/rows.ts'
import {createTables} from '../../../../src/agent/state/tables.ts'
import {identityScope} from '../../../../src/model/identity.ts'
import {LabelFilter} from '../../../../src/model/label-filter.ts'

class Rig {
  readonly tables = createTables()
  written: readonly RememberedNode[] = []
  readonly identities: NodeIdentities

  constructor(remembered: readonly RememberedNode[] = [], filter = '') {
    this.identities = new NodeIdentities({
      ...{table: this.tables.nodeIdentities, cluster: 'default', filter: LabelFilter.parseForNodes(filter).filter},
      memory: {write: (nodes) => void (this.written = nodes)},
    })
    this.identities.restore(remembered)
  }

  /** The number of a node with these labels, once it may be used. */
  async numberOf(name: string, labels: Record<string, string>, apiServer = false): Promise<number> {
    this.identities.of(node(name, labels), apiServer)
    this.identities.written(() => true)
    const number = this.identities.of(node(name, labels), apiServer)
    await Promise.resolve()
    return number
  }

  labels(number: number): string[] | undefined {
    return this.tables.nodeIdentities.get(String(number))?.labels.toStrings()
  }
}

function node(name: string, labels: Record<string, string>): NodeRow {
  return {
    ...{name, local: false, internalIps: [], externalIps: [], routerIps: [], healthIps: [], podCidrs: []},
    ...{bootId: undefined, labels},
  }
}

test('equal labels have one number, others another, and agents that start anew give the same', async () => {
  const [first, second] = [new Rig(), new Rig()]
  const numbers = [
    await first.numberOf('a', {role: 'x'}),
    await first.numberOf('b', {role: 'x'}),
    await first.numberOf('c', {role: 'y'}),
    await first.numberOf('a', {role: 'x'}, true),
  ]

  expect(numbers[1]).toBe(numbers[0])
  expect(new Set(numbers).size).toBe(3)
  expect(numbers.map((number) => identityScope(number as never))).toEqual(numbers.map(() => 'remote-node'))
  expect(await second.numberOf('c', {role: 'y'})).toBe(numbers[2])
  expect(first.labels(numbers[3]!)).toContain('reserved:kube-apiserver')
})

test('until its row is written a node is known as a node, then as what it was', async () => {
  const rig = new Rig()
  expect(rig.identities.of(node('a', {role: 'x'}), false)).toBe(6)
  expect(rig.identities.of(node('a', {role: 'x'}), true)).toBe(7)
  const told: (readonly string[])[] = []
  rig.identities.onUsable((nodes) => told.push(nodes))

  rig.identities.written(() => false)
  expect(told).toEqual([])
  rig.identities.written(() => true)
  expect(told).toEqual([['a']])
  const before = rig.identities.of(node('a', {role: 'x'}), false)

  expect(rig.identities.of(node('a', {role: 'y'}), false)).toBe(before)
})

test('two sets of labels that meet at one number keep theirs when an agent starts again, in whatever order', async () => {
  const [one, other] = await colliding()
  const first = new Rig()
  const numbers = [await first.numberOf('a', one), await first.numberOf('b', other)]
  expect(numbers[1]).toBe(numbers[0]! + 1)

  const second = new Rig(first.written)

  expect([await second.numberOf('b', other), await second.numberOf('a', one)]).toEqual([numbers[1], numbers[0]])
})

test('a number is given up when no node has had it twice, also one that is remembered of a node that is gone', async () => {
  const first = new Rig()
  const number = await first.numberOf('a', {role: 'x'})
  const second = new Rig(first.written)
  expect(second.labels(number)).toBeDefined()

  second.identities.tidy()
  expect(second.labels(number)).toBeDefined()
  second.identities.tidy()

  expect(second.labels(number)).toBeUndefined()
})

test('labels that do not count make no difference', async () => {
  const rig = new Rig([], 'role')
  const number = await rig.numberOf('a', {role: 'x', hostname: 'a'})

  expect(await rig.numberOf('b', {role: 'x', hostname: 'b'})).toBe(number)
  expect(rig.labels(number)).not.toContain('node:hostname=a')
})

/** Labels whose hashes give one number: among some thousand there are two. */
async function colliding(): Promise<[Record<string, string>, Record<string, string>]> {
  const seen = new Map<number, Record<string, string>>()
  for (let n = 0; ; n++) {
    const labels = {n: String(n)}
    const number = await new Rig().numberOf('x', labels)
    const before = seen.get(number)
    if (before !== undefined) return [before, labels]
    seen.set(number, labels)
  }
}
