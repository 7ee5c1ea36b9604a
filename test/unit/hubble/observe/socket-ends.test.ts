import {expect, test} from 'vitest'
import {eventFlags, eventType, socketPoint, sourceFile} from '../../../../src/datapath/gen/enums.ts'
import {eventCodec} from '../../../../src/datapath/gen/types.ts'
import {NameTable} from '../../../../src/hubble/flow/name-table.ts'
import {BootTime} from '../../../../src/hubble/observe/boot-time.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {SocketEnds} from '../../../../src/hubble/observe/socket-ends.ts'
import {type EventInput, event} from '../events.ts'

const cookie = 0x1_0000_0005n
const cgroup = 77n

function flowOf(input: EventInput) {
  const names = new NameTable('n1')
  names.apply({
    processes: [[cookie, {ips: ['10.0.0.7', 'fd00::7'], identity: 4711, endpoint: 9}]],
    endpoints: [['10.0.0.7', {namespace: 'a', podName: 'client', labels: [], workloads: [], clusterName: 'c'}]],
  })
  const store = new FlowStore(3)
  store.complete = new SocketEnds(store, names).complete
  const bytes = new DataView(new ArrayBuffer(eventCodec.size))
  const orig = new BigUint64Array([cookie, cgroup])
  eventCodec.encode(
    event({file: sourceFile.FILE_SOCK, flags: 0, orig: new Uint8Array(orig.buffer), ...input}),
    bytes,
    0,
  )
  store.append(bytes, 0, eventCodec.size)
  const clocks = {boot: () => 0n, wall: () => 0n}
  return new FlowBuilder(store, new BootTime(clocks), names, '1').build(0)
}

test('a process that asks for a service gets the address, identity and name of its pod', () => {
  const flow = flowOf({
    type: eventType.EVENT_SOCKET,
    point: socketPoint.SOCKET_PRE_FORWARD,
    from: '::',
    to: '10.96.0.1',
    srcIdentity: 0,
    sport: 0,
    dport: 80,
  })

  expect(flow.IP).toMatchObject({source: '10.0.0.7', destination: '10.96.0.1'})
  expect(flow.source).toMatchObject({ID: 9, identity: 4711, namespace: 'a', pod_name: 'client'})
  expect(flow).toMatchObject({verdict: 6, sock_xlate_point: 1, cgroup_id: cgroup, Type: 3})
})

test('an answer goes to the process', () => {
  const flow = flowOf({
    type: eventType.EVENT_SOCKET,
    point: socketPoint.SOCKET_POST_REVERSE,
    flags: eventFlags.EVENT_REPLY,
    from: '10.96.0.1',
    to: '::',
  })

  expect(flow.IP).toMatchObject({source: '10.96.0.1', destination: '10.0.0.7'})
  expect(flow.destination).toMatchObject({ID: 9, identity: 4711})
})

test('a refused process is a dropped flow that claims no flags', () => {
  const flow = flowOf({type: eventType.EVENT_DROP, point: 158, from: '::', to: '10.96.0.1', proto: 6, direction: 2})

  expect(flow).toMatchObject({verdict: 2, drop_reason_desc: 158, traffic_direction: 2, Summary: 'TCP'})
  expect(flow.source).toMatchObject({pod_name: 'client'})
})

test('IPv6 asks for the IPv6 address', () => {
  const flow = flowOf({
    type: eventType.EVENT_SOCKET,
    point: 1,
    flags: eventFlags.EVENT_IPV6,
    from: '::',
    to: 'fd00:96::1',
  })

  expect(flow.IP?.source).toBe('fd00::7')
})
