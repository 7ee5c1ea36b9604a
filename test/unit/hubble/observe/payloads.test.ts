/** The first bytes of packets: from the ring to flows, lines and JSON. */
import {expect, test} from 'vitest'
import {GetFlowsResponse} from '../../../../src/api/gen/observer.ts'
import {bytesOfAny} from '../../../../src/api/wire/any.ts'
import {messageFromJson, messageToJson} from '../../../../src/api/wire/json.ts'
import {FlowPrinter} from '../../../../src/cli/hubble/flow-printer.ts'
import {plain} from '../../../../src/cli/render/style.ts'
import {eventCodec, eventSampleCodec} from '../../../../src/datapath/gen/types.ts'
import {NameTable} from '../../../../src/hubble/flow/name-table.ts'
import {machineClocks} from '../../../../src/hubble/observe/boot-clock.ts'
import {BootTime} from '../../../../src/hubble/observe/boot-time.ts'
import {EventTap} from '../../../../src/hubble/observe/event-tap.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {append, event} from '../events.ts'

const packet = new TextEncoder().encode('GET / HTTP/1.1\r\n')

function sampleView(bytes: Uint8Array): DataView {
  const view = new DataView(new ArrayBuffer(eventSampleCodec.size))
  const padded = new Uint8Array(128)
  padded.set(bytes)
  eventSampleCodec.encode({event: event(), captured: bytes.length, bytes: padded}, view, 0)
  return view
}

function flowOf(store: FlowStore, sequence: number) {
  return new FlowBuilder(store, new BootTime(machineClocks()), new NameTable('node'), '1.0.0').build(sequence)
}

test('a flow carries the bytes of its packet as an extension that every client can read', () => {
  const store = new FlowStore(7)
  append(store, {})
  store.append(sampleView(packet), 0, eventSampleCodec.size)

  const [without, flow] = [flowOf(store, 0), flowOf(store, 1)]
  const read = messageFromJson(GetFlowsResponse, messageToJson(GetFlowsResponse, {flow}))

  expect(without.extensions).toBeUndefined()
  expect(bytesOfAny(flow.extensions!)).toEqual(packet)
  expect(messageToJson(GetFlowsResponse, {flow})).toMatchObject({
    flow: {
      extensions: {
        '@type': 'type.googleapis.com/google.protobuf.BytesValue',
        value: Buffer.from(packet).toString('base64'),
      },
    },
  })
  expect(read.flow!.extensions).toEqual(flow.extensions)
})

test('the bytes of an event go when its place is taken', () => {
  const store = new FlowStore(7)
  store.append(sampleView(packet), 0, eventSampleCodec.size)
  append(store, ...Array.from({length: 8}, () => ({})))

  expect(store.payloads.of(0)).toEqual(packet)
  expect(store.payloads.of(8)).toBeUndefined()
})

test('lines show them when that is asked for', () => {
  const store = new FlowStore(7)
  store.append(sampleView(packet), 0, eventSampleCodec.size)
  const options = {
    format: 'compact',
    style: plain,
    timeFormat: 'StampMilli',
    nodeName: false,
    policyNames: false,
    translate: true,
    numeric: false,
    debug: false,
    legacyJson: false,
    explain: false,
  } as const

  const shown = new FlowPrinter({...options, payload: true}).print({flow: flowOf(store, 0)})
  const hidden = new FlowPrinter(options).print({flow: flowOf(store, 0)})

  expect(shown.out.split('\n')[1]).toBe('  0000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  |GET / HTTP/1.1..|')
  expect(hidden.out.split('\n')).toHaveLength(2)
})

test('whoever listens to the monitor gets them with the event', () => {
  const tap = new EventTap(
    () => true,
    () => 0,
    eventSampleCodec.size,
  )
  const small = new DataView(new ArrayBuffer(eventCodec.size))
  eventCodec.encode(event(), small, 0)
  tap.take(sampleView(packet), 0, eventSampleCodec.size)
  tap.take(small, 0, eventCodec.size)

  const lengths: number[] = []
  let first: Uint8Array | undefined
  tap.poll((view, offset, length) => {
    lengths.push(length)
    first ??= eventSampleCodec.decode(view, offset).bytes.slice(0, packet.length)
  })

  expect(lengths).toEqual([eventSampleCodec.size, eventCodec.size])
  expect(first).toEqual(packet)
})
