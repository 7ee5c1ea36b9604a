/** Which drops become Kubernetes events. */
import {beforeEach, expect, test} from 'vitest'
import {NameTable} from '../../../../src/hubble/flow/name-table.ts'
import {DropNotices} from '../../../../src/hubble/observe/drop-notices.ts'
import {EventPump} from '../../../../src/hubble/observe/event-pump.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import type {EventInput} from '../events.ts'
import {Ring} from '../ring.ts'

const pod = (podName: string) => ({namespace: 'shop', podName, labels: [], workloads: [], clusterName: ''})
const out: EventInput = {type: 1, point: 133, direction: 2, srcEndpoint: 7}
const into: EventInput = {...out, direction: 1, srcEndpoint: 0, dstEndpoint: 9}

let ring: Ring
let pump: EventPump
let notices: DropNotices
beforeEach(() => {
  const names = new NameTable('n1')
  names.apply({
    endpoints: [
      ['10.0.1.5', pod('web')],
      ['fd00::5', pod('web')],
      ['10.0.2.7', pod('db')],
      ['fd00::7', pod('db')],
    ],
  })
  ring = new Ring()
  const store = new FlowStore(255)
  pump = new EventPump({source: ring, store, clocks: {boot: () => 0n, wall: () => 0n}})
  const builder = new FlowBuilder(store, pump.time, names, '1')
  notices = new DropNotices(pump, builder, {intervalMs: 1000, reasons: [133]})
})

function told(now: number, ...events: EventInput[]): string[] {
  ring.write(...events)
  pump.tick()
  return notices.look(now).map(({namespace, pod: name, message}) => `${namespace}/${name}: ${message}`)
}

test('a drop is told of the pod whose it is, with its peer', () => {
  expect(told(0, out, {...into, from: 'fd00::5', to: 'fd00::7', dport: 5432})).toEqual([
    'shop/web: Outgoing packet dropped (policy_denied) to shop/db (10.0.2.7) TCP/80',
    'shop/db: Incoming packet dropped (policy_denied) from shop/web (fd00::5) TCP/5432',
  ])
  expect(told(0, {...out, to: '203.0.113.1', dstIdentity: 2, proto: 1})).toEqual([
    'shop/web: Outgoing packet dropped (policy_denied) to world (203.0.113.1) ICMPv4',
  ])
})

test('the same drop is told once in a span of time, from whatever port', () => {
  const again = {...out, sport: 40_001}

  expect(told(0, out, again, again)).toHaveLength(1)
  expect(told(999, again)).toEqual([])
  expect(told(1000, again)).toHaveLength(1)
})

test.each<[string, EventInput]>([
  ['of another reason', {...out, point: 151}],
  ['of a pod elsewhere', {...out, srcEndpoint: 0}],
  ['that a verdict tells already', {...out, type: 5, verdict: -133}],
  ['of a pod that is not known', {...out, from: '10.0.1.99'}],
])('a drop %s is not told', (_, event) => {
  expect(told(0, event)).toEqual([])
})

test('of a flood a few are told, and the rest later', () => {
  const flood = Array.from({length: 100}, (_, port) => ({...out, dport: port}))

  expect(told(0, ...flood)).toHaveLength(20)
  expect(told(1, flood[50]!)).toHaveLength(1)
})
