import {expect, test} from 'vitest'
import {FlowExporter} from '../../../../src/hubble/export/flow-exporter.ts'
import {lineSink} from '../../../../src/hubble/export/flow-sink.ts'
import {bareNames} from '../../../../src/hubble/flow/names.ts'
import {EventPump} from '../../../../src/hubble/observe/event-pump.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {Ring} from '../ring.ts'

function exporter(write: (lines: string) => void, failed: (message: string) => void = () => {}) {
  const ring = new Ring()
  const store = new FlowStore(63)
  const pump = new EventPump({source: ring, store, clocks: {boot: () => 0n, wall: () => 0n}})
  const made = new FlowExporter({
    pump,
    builder: new FlowBuilder(store, pump.time, bareNames('n1'), '1'),
    nodeName: 'n1',
    allow: [{verdict: [2]}],
    deny: [{destination_port: ['443']}],
    fieldMask: ['verdict', 'l4.TCP.destination_port'],
    aggregate: [],
    aggregationMs: 0,
    sink: lineSink(write),
    failed: (error) => failed(error.message),
  })
  made.start()
  return {ring, pump, made}
}

test('lines hold what is wanted of the flows that are wanted', async () => {
  let text = ''
  const {ring, pump, made} = exporter((lines) => (text += lines))
  const drop = {type: 1, point: 133}
  ring.write({dport: 80}, {...drop, dport: 80}, {...drop, dport: 443}, {...drop, dport: 81})
  // the exporter has to be listening before it can be told
  await new Promise((resolve) => setImmediate(resolve))
  pump.tick()
  await expect.poll(() => made.written, {timeout: 30_000}).toBe(2)
  await made.stop()

  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines.map(({flow}) => flow)).toEqual([
    {verdict: 'DROPPED', l4: {TCP: {destination_port: 80}}},
    {verdict: 'DROPPED', l4: {TCP: {destination_port: 81}}},
  ])
  expect(lines[0]).toMatchObject({node_name: 'n1'})
})

test('a file that cannot be written ends nothing, and is told', async () => {
  const told: string[] = []
  const {ring, pump, made} = exporter(
    () => {
      throw new Error('no space left')
    },
    (message) => told.push(message),
  )
  await new Promise((resolve) => setImmediate(resolve))
  ring.write({type: 1, point: 133})
  pump.tick()
  await expect.poll(() => made.failed, {timeout: 30_000}).toBe(1)
  ring.write({type: 1, point: 133})
  pump.tick()
  await expect.poll(() => made.failed, {timeout: 30_000}).toBe(2)
  await made.stop()

  expect(told[0]).toContain('no space left')
})
