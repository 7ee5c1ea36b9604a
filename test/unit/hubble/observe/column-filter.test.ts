import fc from 'fast-check'
import {expect, test} from 'vitest'
import type {FlowFilter} from '../../../../src/api/gen/flow.ts'
import {compileFilters} from '../../../../src/hubble/filter/flow-filter.ts'
import {bareNames} from '../../../../src/hubble/flow/names.ts'
import {BootTime} from '../../../../src/hubble/observe/boot-time.ts'
import {compileEventFilter} from '../../../../src/hubble/observe/column-filter.ts'
import {FlowBuilder} from '../../../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../../../src/hubble/observe/flow-store.ts'
import {append, type EventInput} from '../events.ts'

const v4 = ['10.0.1.5', '10.0.2.7', '192.168.1.1']
const v6 = ['fd00::5', 'fd00:1::7', '2001:db8::1']
const some = <T>(values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), {minLength: 1, maxLength: 2})

const events: fc.Arbitrary<EventInput> = fc
  .record({
    ends: fc.constantFrom(v4, v6).chain((ips) => fc.tuple(fc.constantFrom(...ips), fc.constantFrom(...ips))),
    type: fc.constantFrom(1, 4, 5, 7),
    point: fc.constantFrom(0, 1, 2, 3, 11, 133, 181),
    reason: fc.constantFrom(0, 1, 2, 3, 5, 0x80, 0x82),
    verdict: fc.constantFrom(0, -133, -181, 15_000),
    direction: fc.constantFrom(0, 1, 2, 3),
    proto: fc.constantFrom(1, 6, 17, 58, 132, 47),
    sport: fc.constantFrom(0, 80, 40_000),
    dport: fc.constantFrom(0, 80, 53),
    srcIdentity: fc.constantFrom(1, 2, 4_294_967_295),
    dstIdentity: fc.constantFrom(1, 2, 12_345),
    srcEndpoint: fc.constantFrom(0, 7),
    audited: fc.boolean(),
    tcpFlags: fc.nat(255),
  })
  .map(({ends: [from, to], audited, ...rest}) => ({
    ...rest,
    from,
    to,
    flags: (from.includes(':') ? 1 : 0) | (audited ? 16 : 0),
  }))

const several = fc.array(events, {minLength: 1, maxLength: 8})

const filters: fc.Arbitrary<FlowFilter> = fc.record(
  {
    source_ip: some([...v4, ...v6, '10.0.0.0/8', 'fd00::/16', '0.0.0.0/0', '::/0']),
    destination_ip: some([...v4, ...v6, '10.0.2.0/24']),
    source_port: some(['0', '80', '40000']),
    destination_port: some(['0', '80', '53']),
    source_identity: some([1, 2, 4_294_967_295]),
    destination_identity: some([1, 12_345]),
    verdict: some([0, 1, 2, 4, 5, 6, 7]),
    traffic_direction: some([0, 1, 2]),
    drop_reason_desc: some([0, 133, 181]),
    encrypted: some([true, false]),
    ip_version: some([1, 2]),
    protocol: some(['icmp', 'TCP', 'udp', 'sctp', 'dns', 'icmpv6']),
    reply: some([true, false]),
    event_type: some([{type: 4}, {type: 1, match_sub_type: true, sub_type: 133}, {type: 4, match_sub_type: true}, {}]),
    tcp_flags: some([{SYN: true}, {SYN: true, ACK: true}]),
  },
  {requiredKeys: []},
)

test('columns and flows give the same answer to every filter', () => {
  fc.assert(
    fc.property(several, fc.array(filters, {maxLength: 3}), fc.array(filters, {maxLength: 2}), (some, white, black) => {
      const store = new FlowStore(15)
      append(store, ...some)
      const builder = new FlowBuilder(store, new BootTime({boot: () => 0n, wall: () => 0n}), bareNames('n1'), '1.0.0')
      const slots = Uint32Array.from(some, (_, index) => index)

      const left = compileEventFilter(builder.columns, white, black).select(slots, some.length, (slot) =>
        builder.build(slot),
      )

      const test = compileFilters(white, black)
      const wanted = some.flatMap((_, index) => (test(builder.build(index)) ? [index] : []))
      expect([...slots.subarray(0, left)]).toEqual(wanted)
    }),
    {numRuns: 2000},
  )
})
