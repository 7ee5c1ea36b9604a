/**
 * What a filter costs for each stored flow: a store of ten million flows (FLOWS=n for others), of which few match, asked
 * as a server asks it. Budget: less than 10 ns a flow on addresses, identities, ports and verdicts. And what a flow takes
 * of memory.
 */
import type {FlowFilter} from '../../src/api/gen/flow.ts'
import {eventOffsets as at, eventCodec} from '../../src/datapath/gen/types.ts'
import {bareNames} from '../../src/hubble/flow/names.ts'
import {machineClocks} from '../../src/hubble/observe/boot-clock.ts'
import {EventPump} from '../../src/hubble/observe/event-pump.ts'
import {FlowBuilder} from '../../src/hubble/observe/flow-builder.ts'
import {FlowQuery} from '../../src/hubble/observe/flow-query.ts'
import {FlowStore} from '../../src/hubble/observe/flow-store.ts'
import {event} from '../unit/hubble/events.ts'
import type {BenchRow} from './rows.ts'
import {spread} from './spread.ts'

const flows = Number(process.env['FLOWS'] ?? 10_000_000)
const rounds = 5
const budget = 'budget 10'

/** Each flow has other ends: 65 536 pods of either family, ports, one drop in 128. */
function fill(store: FlowStore): void {
  const view = new DataView(new ArrayBuffer(2 * eventCodec.size))
  eventCodec.encode(event({from: '10.0.0.0', to: '10.128.0.0', type: 4, srcEndpoint: 3}), view, 0)
  eventCodec.encode(event({from: 'fd00::', to: 'fd00:1::', type: 4, srcEndpoint: 3}), view, eventCodec.size)
  const started = Number(machineClocks().boot())
  for (let i = 0; i < flows; i++) {
    const base = (i & 1) * eventCodec.size
    // spread over the whole range, the same in each run
    const random = Math.imul(i, 2_654_435_761) >>> 0
    view.setBigUint64(base, BigInt(started + i), true)
    view.setUint16(base + at.src + 14, random & 0xffff)
    view.setUint16(base + at.dst + 14, random >>> 16)
    view.setUint16(base + at.sport, 32_768 + (random & 0x7fff))
    view.setUint16(base + at.dport, random % 1000)
    view.setUint32(base + at.srcIdentity, 256 + (random % 4000), true)
    view.setUint32(base + at.dstIdentity, 256 + ((random >>> 8) % 4000), true)
    const drop = (random & 127) === 5
    view.setUint8(base + at.type, drop ? 1 : 4)
    view.setUint8(base + at.point, drop ? 133 : 0)
    store.append(view, base, eventCodec.size)
  }
}

const filters: readonly (readonly [name: string, whitelist: readonly FlowFilter[]])[] = [
  ['an address', [{source_ip: ['10.0.3.8']}]],
  ['an IPv6 address', [{source_ip: ['fd00::307']}]],
  ['a prefix', [{destination_ip: ['10.128.17.0/28']}]],
  ['an identity', [{source_identity: [300], verdict: [3]}]],
  ['a port', [{destination_port: ['445'], verdict: [2]}]],
  ['a verdict', [{verdict: [3]}]],
  ['all four', [{source_ip: ['10.0.0.0/16'], source_identity: [300], destination_port: ['44'], verdict: [1]}]],
  ['either end', [{source_ip: ['10.0.3.8']}, {destination_ip: ['10.128.3.7']}]],
]

export default async function bench(): Promise<BenchRow[]> {
  const capacity = 2 ** Math.ceil(Math.log2(flows + 1)) - 1
  const store = new FlowStore(capacity)
  fill(store)
  const source = {poll: () => 0, isCrowded: false, capacity: 0, counts: () => ({written: 0, lost: 0})}
  const pump = new EventPump({source, store, clocks: machineClocks()})
  const builder = new FlowBuilder(store, pump.time, bareNames('bench'), '1.0.0')
  const rows: BenchRow[] = []
  for (const [name, whitelist] of filters) {
    const values: number[] = []
    let found = 0
    for (let round = 0; round <= rounds; round++) {
      found = 0
      const query = new FlowQuery({pump, builder, nodeName: 'bench'}, {whitelist: [...whitelist]})
      const started = performance.now()
      for await (const batch of query.batches(new AbortController().signal)) found += batch.length
      // the first run is the compiler's
      if (round > 0) values.push(((performance.now() - started) * 1e6) / flows)
    }
    rows.push({
      name: `filter by ${name}, ${flows} flows`,
      unit: 'ns',
      ...spread(values),
      note: `${budget}; ${found} match`,
    })
  }
  const each = store.bytes / (capacity + 1)
  rows.push({
    name: 'memory of a stored flow',
    unit: 'B',
    ...spread([each]),
    note: `${capacity} flows: ${(store.bytes / 2 ** 20).toFixed(0)} MiB`,
  })
  return rows
}
