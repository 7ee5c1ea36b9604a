/** Metrics that a file names, which may change while flows are counted. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {NameTable} from '../../../../src/hubble/flow/name-table.ts'
import {DynamicMetrics, parseMetricPlans} from '../../../../src/hubble/metrics/dynamic-metrics.ts'
import {FlowMeter} from '../../../../src/hubble/metrics/flow-meter.ts'
import {EventPump} from '../../../../src/hubble/observe/event-pump.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {Ring} from '../ring.ts'

const web = {namespace: 'shop', podName: 'web-1', labels: [], workloads: [], clusterName: ''}

let folder: string
let path: string
let ring: Ring
let pump: EventPump
let meter: FlowMeter
let names: NameTable
let troubles: string[]
let metrics: DynamicMetrics
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dynamic-metrics-'))
  path = join(folder, 'dynamic-metrics.yaml')
  ring = new Ring()
  const store = new FlowStore(255)
  pump = new EventPump({source: ring, store, clocks: {boot: () => 0n, wall: () => 0n}})
  names = new NameTable('n1')
  names.apply({endpoints: [['10.0.1.5', web]]})
  meter = new FlowMeter(pump, new FlowBuilder(store, pump.time, names, '1'), ['icmp'])
  troubles = []
  metrics = new DynamicMetrics({path, apply: (plans) => meter.set(plans), trouble: (text) => troubles.push(text)})
})
afterEach(() => rmSync(folder, {recursive: true}))

function say(text: string) {
  writeFileSync(path, text)
  metrics.look()
}

async function counts(): Promise<string[]> {
  pump.tick()
  const samples = await meter.registry.samples()
  return samples
    .filter(({name}) => name !== 'hubble_lost_events_total')
    .map(({name, labels, value}) => `${name} ${Object.values(labels).join(' ')} ${value}`)
}

test('what the file names is counted from then on, with its contexts', async () => {
  ring.write({})
  pump.tick()
  say(`metrics:
    - name: flow
      contextOptions:
        - {name: sourceContext, values: [pod, ip]}
        - {name: labelsContext, values: [source_namespace, destination_ip]}`)
  ring.write({}, {})

  expect(await counts()).toEqual([
    'hubble_flows_processed_total shop/web-1 shop 10.0.2.7 TCP Trace to-endpoint FORWARDED 2',
  ])
})

test('filters choose the flows, whatever they ask for', async () => {
  say(`metrics:
    - name: flow
      includeFilters: [{source_port: ["40000"]}, {destination_ip: ["10.0.2.9"]}]
      excludeFilters: [{protocol: [udp]}]`)
  ring.write({}, {sport: 40_001}, {sport: 40_001, to: '10.0.2.9'}, {proto: 17})

  expect(await counts()).toEqual(['hubble_flows_processed_total TCP Trace to-endpoint FORWARDED 2'])
})

test('a metric that stays keeps its counts, one that changes begins anew, one that goes is gone', async () => {
  say('metrics: [{name: flow}, {name: tcp}, {name: port-distribution}]')
  ring.write({tcpFlags: 2})
  pump.tick()
  say('metrics: [{name: flow}, {name: tcp, contextOptions: [{name: sourceContext, values: [ip]}]}]')
  ring.write({tcpFlags: 2})

  expect(await counts()).toEqual([
    'hubble_flows_processed_total TCP Trace to-endpoint FORWARDED 2',
    'hubble_tcp_flags_total 10.0.1.5 SYN IPv4 1',
  ])
})

test.each([
  ['metrics: [', 'Flow sequence'],
  ['metrics: {}', 'must be a list'],
  ['metrics: [{}]', 'metrics[0].name is missing'],
  ['metrics: [{name: flow}, {name: flow}]', 'flow is there twice'],
  ['metrics: [{name: flow, includeFilters: [{no_such: 1}]}]', 'includeFilters[0]'],
  ['metrics: [{name: flow, contextOptions: [{values: [x]}]}]', 'contextOptions[0]'],
])('%s changes nothing and is told', async (text, detail) => {
  say('metrics: [{name: flow}]')
  say(text)
  ring.write({})

  expect(troubles.join()).toContain(detail)
  expect(await counts()).toHaveLength(1)
})

test.each([
  ['metrics: [{name: nonsense}, {name: flow}]', 'nonsense'],
  ['metrics: [{name: icmp}, {name: flow}]', 'hubble_icmp_total is counted already'],
  ['metrics: [{name: tcp, contextOptions: [{name: sourceContext, values: [x]}]}, {name: flow}]', 'no context'],
  ['metrics: [{name: tcp, includeFilters: [{source_ip: [x]}]}, {name: flow}]', 'source_ip'],
])('%s: the others are counted all the same', async (text, detail) => {
  say(text)
  ring.write({})

  expect(troubles.join()).toContain(detail)
  expect((await counts()).join()).toContain('flows_processed_total')
})

test('without a file nothing is counted, and nobody complains', () => {
  metrics.look()

  expect(troubles).toEqual([])
  expect(parseMetricPlans('')).toEqual([])
})

test('what was counted of a pod goes a minute after it, unless it is back', async () => {
  names.onPodGone = (namespace, pod) => meter.forgetPod(namespace, pod, 0)
  say('metrics: [{name: flow, contextOptions: [{name: labelsContext, values: [source_pod, source_namespace]}]}]')
  ring.write({}, {from: '10.0.1.6'})
  const forget = (now: number) => meter.forget((namespace, pod) => names.hasPod(namespace, pod), now)
  const before = await counts()

  names.apply({endpoints: [['10.0.1.5', undefined]]})
  names.apply({endpoints: [['10.0.1.8', web]]})
  forget(60_000)
  const whenBack = await counts()
  names.apply({endpoints: [['10.0.1.8', undefined]]})
  forget(59_999)
  const early = await counts()
  forget(60_000)

  expect([before.length, whenBack.length, early.length]).toEqual([2, 2, 2])
  expect(await counts()).toEqual(['hubble_flows_processed_total   TCP Trace to-endpoint FORWARDED 1'])
})
