import {existsSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {ClusterMemory} from '../../../../src/agent/state/cluster-memory.ts'
import type {AddressRow, NodeRow} from '../../../../src/agent/state/rows.ts'
import {createTables, type Tables} from '../../../../src/agent/state/tables.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {identity} from '../../../../src/model/identity.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {silentLog} from '../../../../src/runtime/log.ts'
import {FakeClock} from '../../../support/fake-clock.ts'

let folder: string
let tables: Tables
let clock: FakeClock
let memory: ClusterMemory
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cluster-memory-'))
  tables = createTables()
  clock = new FakeClock()
  memory = new ClusterMemory(folder, tables, clock, silentLog)
})
afterEach(() => rmSync(folder, {recursive: true}))

const node = (name: string, local = false): NodeRow => ({
  name,
  local,
  internalIps: [Ip.of('192.168.0.2')],
  externalIps: [],
  routerIps: [Ip.of('10.0.2.1'), Ip.of('fd00:2::1')],
  healthIps: [Ip.of('10.0.2.2')],
  podCidrs: ['10.0.2.0/24', 'fd00:2::/64'].map(Cidr.of),
  bootId: 'boot',
  labels: {zone: 'a'},
})

const address = (cidr: string, source: AddressRow['source']): AddressRow => ({
  cidr: Cidr.of(cidr),
  source,
  owner: `owner of ${cidr}`,
  identity: identity(4711),
  cidrClass: 0,
  endpoint: undefined,
  localHost: false,
  remoteNode: true,
  native: true,
  tunnel: Ip.of('192.168.0.2'),
})

function sync(): void {
  for (const table of [tables.nodes, tables.addresses]) for (const source of table.waitingFor) table.markSynced(source)
}

test('what belongs to other nodes is read back, with the weakest claim', async () => {
  memory.start()
  tables.nodes.upsert(node('other'))
  tables.nodes.upsert(node('self', true))
  tables.addresses.upsert(address('10.0.2.9/32', 'remote-endpoint'))
  tables.addresses.upsert(address('10.0.1.9/32', 'local-endpoint'))
  tables.addresses.upsert(address('0.0.0.0/0', 'cluster'))
  sync()
  await clock.advance(20_000)
  await memory.stop()

  const {nodes, addresses} = await new ClusterMemory(folder, createTables(), clock, silentLog).read()

  expect(nodes).toEqual([{...node('other'), bootId: undefined, labels: {}}])
  expect(addresses).toEqual([{...address('10.0.2.9/32', 'restored'), owner: 'restored'}])
})

test('what the labels of a node are known by is this life’s: after it, it is a remote node', async () => {
  memory.start()
  tables.addresses.upsert({...address('192.168.0.2/32', 'node'), identity: identity(0x02000005)})
  sync()
  await clock.advance(20_000)
  await memory.stop()

  const {addresses} = await new ClusterMemory(folder, createTables(), clock, silentLog).read()

  expect(addresses.map((row) => row.identity)).toEqual([6])
})

test('half of the truth is not written', async () => {
  memory.start()
  tables.nodes.upsert(node('other'))
  await clock.advance(60_000)
  await memory.stop()

  expect(existsSync(join(folder, 'cluster.json'))).toBe(false)
})

test('many changes are one file', async () => {
  memory.start()
  sync()
  for (let i = 0; i < 100; i++) {
    tables.addresses.upsert(address(`10.0.2.${i}/32`, 'remote-endpoint'))
    await clock.advance(10)
  }

  expect(existsSync(join(folder, 'cluster.json'))).toBe(false)
  expect(clock.pending).toBe(1)
  await memory.stop() // writes what is due
  expect((await memory.read()).addresses).toHaveLength(100)
})

test('a file that cannot be read is as good as none', async () => {
  writeFileSync(join(folder, 'cluster.json'), '{"version": 1, "da')

  expect(await memory.read()).toEqual({nodes: [], addresses: []})
})
