import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {parseConfig} from '../../../../src/agent/config.ts'
import {NodePools} from '../../../../src/agent/ipam/node-pools.ts'
import {NodeFactsFile} from '../../../../src/agent/node/facts.ts'
import {familiesOf} from '../../../../src/agent/node/own-facts.ts'
import {OwnNode} from '../../../../src/agent/node/own-node.ts'
import type {LocalNodeRow} from '../../../../src/agent/state/rows.ts'
import {createTables, type Tables} from '../../../../src/agent/state/tables.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {silentLog} from '../../../../src/runtime/log.ts'
import {FakeClock} from '../../../support/fake-clock.ts'
import {turn} from '../reconcile-support.ts'

let folder: string
let running: OwnNode[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'own-node-'))
  running = []
})
afterEach(async () => {
  for (const node of running) await node.stop()
  rmSync(folder, {recursive: true})
})

/** A process of the agent; another one finds what the last wrote. */
async function create(texts: Record<string, string> = {}): Promise<{node: OwnNode; tables: Tables}> {
  const {config} = parseConfig(
    new Map(Object.entries({ipam: 'kubernetes', 'enable-ipv4': 'true', 'enable-ipv6': 'true', ...texts})),
    'node1',
  )
  const tables = createTables()
  const node = new OwnNode({
    config,
    tables,
    pools: new NodePools(familiesOf(config)),
    file: new NodeFactsFile(folder, new FakeClock(), silentLog),
    bootId: 'boot',
    log: silentLog,
  })
  running.push(node)
  await node.start()
  await turn()
  return {node, tables}
}

const row = (more: {cidrs?: readonly string[]; ips?: readonly string[]} = {}): LocalNodeRow => ({
  name: 'node1',
  uid: 'uid',
  internalIps: (more.ips ?? ['192.168.0.1']).map(Ip.of),
  externalIps: [],
  podCidrs: (more.cidrs ?? ['10.0.1.0/24', 'fd00:1::/64']).map(Cidr.of),
  labels: {},
  taints: [],
  runtime: 'containerd://2.1.4',
})

async function told(tables: Tables, node: LocalNodeRow): Promise<void> {
  tables.localNode.upsert(node)
  await turn()
}

test('a node is ready when each family has a range', async () => {
  const {node, tables} = await create()
  expect(node.waiting).toBe('the Node object of this node')

  await told(tables, row({cidrs: ['10.0.1.0/24']}))
  expect(node.waiting).toContain('IPv6')
  expect(tables.ownNode.get('node1')).toMatchObject({bootId: 'boot', routerIps: []})

  await told(tables, row())
  expect(node.waiting).toBe('')
  expect(node.routerIps.map(String)).toEqual(tables.ownNode.get('node1')!.routerIps.map(String))
  expect(node.facts.healthIps).toHaveLength(2)
})

test('a label that comes or goes is told to others, and none before the Node is known', async () => {
  const first = await create()
  await told(first.tables, row())
  await told(first.tables, {...row(), labels: {role: 'infra'}})
  expect(first.tables.ownNode.get('node1')!.labels).toEqual({role: 'infra'})
  await told(first.tables, row())
  expect(first.tables.ownNode.get('node1')!.labels).toEqual({})
  await first.node.stop()

  const second = await create()

  expect(second.node.waiting).toBe('')
  expect(second.tables.ownNode.get('node1')!.labels).toBeUndefined()
})

test('the next agent knows everything without the API server', async () => {
  const first = await create()
  await told(first.tables, row())
  await first.node.stop()

  const second = await create()

  expect(second.node.waiting).toBe('')
  expect(JSON.stringify(second.node.facts)).toBe(JSON.stringify(first.node.facts))
  expect(second.node.routerIps).toEqual(first.node.routerIps)
})

test('an edit that cannot be, and a range taken away, leave what is known', async () => {
  const {node, tables} = await create()
  await told(tables, row())
  const before = JSON.stringify(node.facts)

  await told(tables, row({ips: ['10.0.1.99']}))
  expect(JSON.stringify(node.facts)).toBe(before)

  await told(tables, row({cidrs: []}))
  expect(JSON.stringify(node.facts)).toBe(before)

  await told(tables, row({ips: ['192.168.0.9']}))
  expect(node.facts.internalIps.map(String)).toEqual(['192.168.0.9'])
})

test('a first range that holds an address of the node is told, not taken', async () => {
  const {node, tables} = await create()

  await told(tables, row({ips: ['10.0.1.99']}))

  expect(node.waiting).toContain('10.0.1.99')
  expect(() => node.facts).toThrow()
})

test('whoever waits for the facts is told, or stopped', async () => {
  const {node, tables} = await create()
  const stop = new AbortController()
  const stopped = node.ready(stop.signal)
  const ready = node.ready(new AbortController().signal)
  stop.abort(new Error('stopping'))
  await expect(stopped).rejects.toThrow('stopping')

  await told(tables, row())

  await ready
})

test('addresses of a family that is off are not announced', async () => {
  const {node, tables} = await create({'enable-ipv6': 'false'})

  await told(tables, row({ips: ['192.168.0.1', 'fd99::1'], cidrs: ['10.0.1.0/24', 'fd00:1::/64']}))

  expect(node.facts.podCidrs.map(String)).toEqual(['10.0.1.0/24'])
  expect(tables.ownNode.get('node1')!.internalIps.map(String)).toEqual(['192.168.0.1'])
})
