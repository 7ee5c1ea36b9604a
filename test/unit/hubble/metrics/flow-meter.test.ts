import {expect, test} from 'vitest'
import {NameTable} from '../../../../src/hubble/flow/name-table.ts'
import {FlowMeter} from '../../../../src/hubble/metrics/flow-meter.ts'
import {EventPump} from '../../../../src/hubble/observe/event-pump.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import type {EventInput} from '../events.ts'
import {Ring} from '../ring.ts'

async function counted(specs: readonly string[], events: readonly EventInput[], capacity = 255) {
  const names = new NameTable('n1')
  names.apply({
    endpoints: [
      [
        '10.0.1.5',
        {
          namespace: 'shop',
          podName: 'web-1',
          labels: [],
          workloads: [{name: 'web', kind: 'Deployment'}],
          clusterName: '',
        },
      ],
    ],
    identities: [
      [9, ['reserved:world-ipv4']],
      [500, ['k8s:app=web']],
    ],
  })
  const ring = new Ring()
  const store = new FlowStore(capacity)
  const pump = new EventPump({source: ring, store, clocks: {boot: () => 0n, wall: () => 0n}})
  const meter = new FlowMeter(pump, new FlowBuilder(store, pump.time, names, '1'), specs)
  ring.write(...events)
  pump.tick()
  while (ring.waiting > 0) await new Promise((resolve) => setImmediate(resolve))
  const samples = (await meter.registry.samples()).filter(
    ({name}) => name !== 'hubble_lost_events_total' || specs.length === 0,
  )
  return samples.map(({name, labels, value}) => [name.replace('hubble_', ''), ...Object.values(labels), value])
}

const drop: EventInput = {type: 1, point: 133, direction: 2}

test('drops count by reason and protocol', async () => {
  expect(await counted(['drop'], [drop, drop, {...drop, proto: 17}, {}])).toEqual([
    ['drop_total', 'POLICY_DENIED', 'TCP', 2],
    ['drop_total', 'POLICY_DENIED', 'UDP', 1],
  ])
})

test('TCP flags count of packets that went on, SYN and its answer apart', async () => {
  const events = [
    {tcpFlags: 2},
    {tcpFlags: 0x12},
    {tcpFlags: 0x11},
    {tcpFlags: 2, from: 'fd00::1'},
    {...drop, tcpFlags: 2},
  ]
  expect(await counted(['tcp'], events)).toEqual([
    ['tcp_flags_total', 'SYN', 'IPv4', 1],
    ['tcp_flags_total', 'SYN-ACK', 'IPv4', 1],
    ['tcp_flags_total', 'FIN', 'IPv4', 1],
    ['tcp_flags_total', 'SYN', 'IPv6', 1],
  ])
})

test('ports count once per request, not for answers', async () => {
  const events = [{dport: 80}, {dport: 80, sport: 5}, {dport: 443}, {dport: 40_000, reason: 2}]
  expect(await counted(['port-distribution'], events)).toEqual([
    ['port_distribution_total', 'TCP', '80', 2],
    ['port_distribution_total', 'TCP', '443', 1],
  ])
})

test('flows and ICMP messages have their kinds', async () => {
  expect(
    await counted(
      ['flow', 'icmp'],
      [{point: 11}, {proto: 1, tcpFlags: 8}, {proto: 58, tcpFlags: 129, from: 'fd00::1'}],
    ),
  ).toEqual([
    ['flows_processed_total', 'TCP', 'Trace', 'to-network', 'FORWARDED', 1],
    ['flows_processed_total', 'ICMPv4', 'Trace', 'to-endpoint', 'FORWARDED', 1],
    ['flows_processed_total', 'ICMPv6', 'Trace', 'to-endpoint', 'FORWARDED', 1],
    ['icmp_total', 'IPv4', 'EchoRequest', 1],
    ['icmp_total', 'IPv6', 'EchoReply', 1],
  ])
})

test('contexts and labels name the ends, the first that says something', async () => {
  const spec =
    'drop:sourceContext=workload|ip;destinationContext=dns|ip;labelsContext=source_namespace,traffic_direction'
  expect(await counted([spec], [drop, {...drop, from: '10.9.9.9'}])).toEqual([
    ['drop_total', 'shop/web', '10.0.2.7', 'shop', 'egress', 'POLICY_DENIED', 'TCP', 1],
    ['drop_total', '10.9.9.9', '10.0.2.7', '', 'egress', 'POLICY_DENIED', 'TCP', 1],
  ])
})

test('flows to outside are those whose destination is the world', async () => {
  expect(
    await counted(['flows-to-world:port'], [{dstIdentity: 9}, {dstIdentity: 500}, {dstIdentity: 9, reason: 2}]),
  ).toEqual([['flows_to_world_total', 'TCP', 'forwarded', '80', 1]])
})

test('more than the store holds is counted before it is forgotten', async () => {
  const events = Array.from({length: 100}, () => drop)
  expect(await counted(['drop'], events, 7)).toEqual([['drop_total', 'POLICY_DENIED', 'TCP', 100]])
})

test.each([
  ['colour', 'there are drop'],
  ['drop:sourceContext=colour', 'sourceContext=colour'],
  ['drop:labelsContext=colour', 'labelsContext=colour'],
  [':x', 'no name'],
])('%s is refused', async (spec, detail) => {
  await expect(counted([spec], [])).rejects.toThrow(detail)
})
