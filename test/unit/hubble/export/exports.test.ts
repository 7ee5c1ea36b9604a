/** Exports that come and go with a file, while flows come. */
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {stringify} from 'yaml'
import {parseFlowLogs} from '../../../../src/hubble/export/export-config.ts'
import {Exports} from '../../../../src/hubble/export/exports.ts'
import {bareNames} from '../../../../src/hubble/flow/names.ts'
import {EventPump} from '../../../../src/hubble/observe/event-pump.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {MetricRegistry} from '../../../../src/runtime/metrics.ts'
import {Ring} from '../ring.ts'

let folder: string
let path: string
let ring: Ring
let pump: EventPump
let exports: Exports
let registry: MetricRegistry
let told: string[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exports-'))
  path = join(folder, 'flowlogs.yaml')
  ring = new Ring()
  const store = new FlowStore(255)
  pump = new EventPump({source: ring, store, clocks: {boot: () => 0n, wall: () => 0n}})
  registry = new MetricRegistry()
  told = []
  exports = new Exports({
    pump,
    builder: new FlowBuilder(store, pump.time, bareNames('n1'), '1'),
    nodeName: 'n1',
    clusterName: 'lab',
    version: '1',
    plans: [],
    flowLogsPath: path,
    registry,
    trouble: (message) => told.push(message),
    lookEveryMs: 3_600_000,
  })
})

afterEach(async () => {
  await exports.stop()
  rmSync(folder, {recursive: true, force: true})
})

const say = (...flowLogs: object[]) => writeFileSync(path, stringify({flowLogs}))
const file = (name: string) => join(folder, `${name}.log`)
const lines = (name: string): {flow: object}[] => {
  try {
    return readFileSync(file(name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as {flow: object})
  } catch {
    return []
  }
}

async function packet(dport: number): Promise<void> {
  // who has just been started has to be listening first
  await new Promise((resolve) => setImmediate(resolve))
  ring.write({dport, type: 1, point: 133})
  pump.tick()
  await new Promise((resolve) => setImmediate(resolve))
}

const value = async (name: string, labels: Record<string, string> = {}) =>
  (await registry.samples()).find(
    (one) => one.name === name && Object.entries(labels).every(([key, text]) => one.labels[key] === text),
  )?.value

test('one begins when the file names it, changes and ends with it', async () => {
  exports.start()
  expect(exports.active).toEqual([])

  say({name: 'drops', filePath: file('drops'), fieldMask: ['verdict'], includeFilters: [{verdict: ['DROPPED']}]})
  exports.look()
  await packet(80)
  await expect.poll(() => lines('drops').map(({flow}) => flow)).toEqual([{verdict: 'DROPPED'}])

  say({name: 'drops', filePath: file('drops'), fieldMask: ['l4.TCP.destination_port']})
  exports.look()
  await packet(81)
  await expect.poll(() => lines('drops')[1]?.flow).toEqual({l4: {TCP: {destination_port: 81}}})

  say()
  exports.look()
  await packet(82)
  expect(exports.active).toEqual([])
  expect(lines('drops')).toHaveLength(2)
  expect(await value('hubble_dynamic_exporter_reconfigurations_total', {op: 'add'})).toBe(1)
  expect(await value('hubble_dynamic_exporter_reconfigurations_total', {op: 'update'})).toBe(1)
  expect(await value('hubble_dynamic_exporter_reconfigurations_total', {op: 'remove'})).toBe(1)
})

test('one whose end has come is there and does not write', async () => {
  say({name: 'old', filePath: file('old'), end: '2020-01-01T00:00:00Z'}, {name: 'new', filePath: file('new')})
  exports.start()

  expect(exports.active).toEqual(['new'])
  expect(await value('hubble_dynamic_exporter_exporters_total', {status: 'inactive'})).toBe(1)
  expect(await value('hubble_dynamic_exporter_up', {name: 'old'})).toBe(0)
  expect(await value('hubble_dynamic_exporter_up', {name: 'new'})).toBe(1)
})

test('a file that says nonsense changes nothing, and is told', async () => {
  say({name: 'all', filePath: file('all')})
  exports.start()
  writeFileSync(path, 'flowLogs: 5')
  exports.look()

  expect(exports.active).toEqual(['all'])
  expect(told).toEqual([expect.stringContaining('flowLogs must be a list')])
  await packet(80)
  await expect.poll(() => lines('all')).toHaveLength(1)
})

test.each([
  ['flowLogs: [{filePath: /a}]', 'flowLogs[0].name'],
  ['flowLogs: [{name: a, filePath: a}]', 'flowLogs[0].filePath'],
  ['flowLogs: [{name: a, filePath: /a}, {name: a, filePath: /b}]', 'called a'],
  ['flowLogs: [{name: a, filePath: /a}, {name: b, filePath: /a}]', 'write to /a'],
  ['flowLogs: [{name: a, filePath: /a, includeFilters: [{nothing: [1]}]}]', 'includeFilters[0]'],
  ['flowLogs: [{name: a, filePath: /a, end: tomorrow}]', 'flowLogs[0].end'],
  ['flowLogs: [{name: a, filePath: /a, aggregationInterval: soon}]', 'aggregationInterval'],
  ['a: [', 'cannot be used'],
])('%s is refused', (text, part) => {
  expect(() => parseFlowLogs(text)).toThrow(part)
})

test('without a file nothing is written, and nobody complains', () => {
  exports.look()

  expect(exports.active).toEqual([])
  expect(told).toEqual([])
})
