import {expect, test} from 'vitest'
import {monitorJson} from '../../../../src/cli/dbg/monitor/event-json.ts'
import {monitorLine} from '../../../../src/cli/dbg/monitor/event-text.ts'
import {isWanted, type MonitorFilter, parseTypes} from '../../../../src/cli/dbg/monitor/filter.ts'
import type {MonitorItem} from '../../../../src/cli/dbg/monitor/listen.ts'
import {eventFlags, sourceFile} from '../../../../src/datapath/gen/enums.ts'
import {type Event, eventZero} from '../../../../src/datapath/gen/types.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {monitorTypes} from '../../../../src/model/trace.ts'

const bytes = (text: string) => Ip.of(text).toMappedBytes()

const syn: Event = {
  ...eventZero,
  version: 1,
  src: bytes('10.0.0.17'),
  sport: 40_110,
  dst: bytes('10.0.1.6'),
  dport: 8080,
  proto: 6,
  tcpFlags: 0x02,
  srcIdentity: 1207,
  dstIdentity: 1311,
  srcEndpoint: 7,
  dstEndpoint: 9,
  ifindex: 4103,
  length: 74,
  cpu: 3,
}
const item = (event: Partial<Event>): MonitorItem => ({kind: 'event', event: {...syn, ...event}})
const options = {numeric: false, verbosity: 0, deviceName: (ifindex: number) => `lxc${ifindex}`}
const line = (event: Partial<Event>, overrides: Partial<typeof options> = {}) =>
  monitorLine(item(event), {...options, ...overrides})?.replace(/flow 0x[0-9a-f]+/, 'flow 0xH')

test('a drop tells reason, place in the source, identities and packet', () => {
  const drop = {type: monitorTypes.drop, point: 133, dstEndpoint: 0, file: sourceFile.FILE_POD, line: 136}

  expect(line(drop)).toBe(
    'xx drop (Policy denied) flow 0xH to endpoint 0, ifindex 4103, file pod.c:136, , identity 1207->1311: 10.0.0.17:40110 -> 10.0.1.6:8080 tcp SYN',
  )
  expect(line({...drop, extError: -2})).toContain('xx drop (Policy denied, -2) flow')
})

test.each<[string, Partial<Event>, string]>([
  ['to an endpoint', {point: 0}, '-> endpoint 9 flow 0xH , identity 1207->1311 state new ifindex lxc4103'],
  ['to a proxy', {point: 1, proxyPort: 15_001}, '-> proxy port 15001 flow'],
  ['to the host', {point: 2}, '-> host from flow'],
  ['to a tunnel', {point: 4}, '-> overlay flow'],
  ['from an endpoint', {point: 5}, '<- endpoint 7 flow'],
  ['from the network, a reply', {point: 10, reason: 2}, '<- network flow 0xH , identity 1207->1311 state reply'],
  ['encrypted', {point: 11, reason: 0x81}, '-> network encrypted  flow 0xH , identity 1207->1311 state established'],
])('a trace %s', (_, event, expected) => {
  expect(line({type: monitorTypes.trace, ...event})).toMatch(expected)
})

test('a trace ends with the original address and the packet', () => {
  const translated = {flags: eventFlags.EVENT_ORIGINAL, orig: bytes('10.96.0.10')}

  expect(line({type: monitorTypes.trace})).toMatch(
    /orig-ip 10\.0\.0\.17: 10\.0\.0\.17:40110 -> 10\.0\.1\.6:8080 tcp SYN$/,
  )
  expect(line({type: monitorTypes.trace, ...translated})).toContain('orig-ip 10.96.0.10: ')
})

test('a verdict tells who decided about whom, and what', () => {
  const verdict = {type: monitorTypes['policy-verdict'], direction: 1, reason: 2, verdict: 0}

  expect(line(verdict)).toBe(
    'Policy verdict log: flow 0xH local EP ID 9, remote ID 1207, proto 6, ingress, action allow, auth: disabled, match L3-L4, 10.0.0.17:40110 -> 10.0.1.6:8080 tcp SYN',
  )
  expect(line({...verdict, direction: 2, verdict: -133})).toMatch(
    /local EP ID 7, remote ID 1311, .* egress, action deny/,
  )
  expect(line({...verdict, verdict: 15_001})).toContain('action redirect')
  expect(line({...verdict, verdict: -133, flags: eventFlags.EVENT_AUDITED})).toContain('action audit')
})

test.each<[string, Partial<Event>, string]>([
  ['TCP flags in their order', {tcpFlags: 0x17}, '10.0.0.17:40110 -> 10.0.1.6:8080 tcp SYN, ACK, RST, FIN'],
  ['UDP', {proto: 17}, '10.0.0.17:40110 -> 10.0.1.6:8080 udp'],
  ['an echo', {proto: 1, tcpFlags: 8}, '10.0.0.17 -> 10.0.1.6 EchoRequest'],
  [
    'an echo of IPv6',
    {proto: 58, tcpFlags: 129, src: bytes('fd00::1'), dst: bytes('fd00::2')},
    'fd00::1 -> fd00::2 EchoReply',
  ],
  ['IPv6 with ports', {src: bytes('fd00::1'), dst: bytes('fd00::2')}, '[fd00::1]:40110 -> [fd00::2]:8080 tcp SYN'],
  ['a protocol without ports', {proto: 47}, '10.0.0.17 -> 10.0.1.6'],
])('%s is told', (_, event, expected) => {
  expect(line({type: monitorTypes.trace, ...event})!.endsWith(`: ${expected}`)).toBe(true)
})

test('both directions of a connection have one flow number', () => {
  const there = monitorLine(item({type: monitorTypes.trace}), options)!
  const back = monitorLine(
    item({type: monitorTypes.trace, src: syn.dst, dst: syn.src, sport: syn.dport, dport: syn.sport}),
    options,
  )!
  const flow = (text: string) => /flow (0x[0-9a-f]+)/.exec(text)?.[1]

  expect(flow(there)).toBe(flow(back))
})

test('reserved identities show by name unless numbers are asked for', () => {
  const event = {type: monitorTypes.trace, srcIdentity: 1, dstIdentity: 2}

  expect(line(event)).toContain('identity host->world')
  expect(line(event, {numeric: true})).toContain('identity 1->2')
})

test('with more words a line begins with the processor and a rule', () => {
  const text = line({type: monitorTypes.drop, point: 133}, {verbosity: 1})!

  expect(text).toContain(`${'-'.repeat(78)}\nCPU 03: MARK 0x`)
  expect(text).toContain('FROM 7 DROP: 74 bytes, reason Policy denied, identity 1207->1311, to endpoint 9')
})

test('the bytes of packets are shown when that is asked for', () => {
  const told: MonitorItem = {...item({type: monitorTypes.trace}), payload: Uint8Array.of(0x45, 0x00)} as MonitorItem

  expect(monitorLine(told, {...options, hex: true})).toMatch(/\n0000 {2}45 00 +\|E\.\|$/)
  expect(monitorLine(told, {...options, verbosity: 1})).toContain('(2 captured)')
  expect(monitorLine(told, options)).not.toContain('|')
})

test('what was lost and what the agent did have lines of their own', () => {
  const lost: MonitorItem = {kind: 'lost', lost: {count: 12, where: 'ring'}}
  const notice: MonitorItem = {kind: 'notice', notice: {title: 'Endpoint created', message: {id: 7, pod: 'a\u001b[2J'}}}

  expect(monitorLine(lost, options)).toBe('Lost 12 events')
  expect(monitorLine(notice, options)).toBe('>> Endpoint created: { "id": 7, "pod": "a\\u001b[2J" }')
})

test('JSON is one object a line with the keys that readers know', () => {
  const trace = monitorJson(item({type: monitorTypes.trace, point: 0}))!
  const drop = monitorJson(item({type: monitorTypes.drop, point: 133, file: sourceFile.FILE_POD, line: 9}))!

  expect(trace).not.toContain('\n')
  expect(JSON.parse(trace)).toMatchObject({
    cpu: 'CPU 03:',
    type: 'trace',
    ifindex: 4103,
    state: 'new',
    observationPoint: 'to-endpoint',
    traceSummary: '-> endpoint 9',
    source: 7,
    bytes: 74,
    srcLabel: 1207,
    dstLabel: 1311,
    dstID: 9,
    summary: {l3: {src: '10.0.0.17', dst: '10.0.1.6'}, l4: {src: '40110', dst: '8080'}},
  })
  expect(JSON.parse(drop)).toMatchObject({type: 'drop', reason: 'Policy denied', File: 'pod.c', Line: 9})
})

const everything: MonitorFilter = {types: [], from: [], to: [], relatedTo: []}

test('types are names or numbers, and one that is none is refused with what was meant', () => {
  expect(parseTypes(['drop', '4', 'policy-verdict'])).toEqual([1, 4, 5])
  expect(() => parseTypes(['dorp'])).toThrow(
    expect.objectContaining({code: 'MONITOR_TYPE_UNKNOWN', advice: 'did you mean drop?'}),
  )
})

test.each<[string, Partial<MonitorFilter>, boolean]>([
  ['no filter', {}, true],
  ['its type', {types: [1]}, true],
  ['another type', {types: [4]}, false],
  ['its source', {from: [7]}, true],
  ['its destination as source', {from: [9]}, false],
  ['its destination', {to: [9]}, true],
  ['either end', {relatedTo: [9]}, true],
  ['no end of it', {relatedTo: [8]}, false],
])('a drop is shown with %s: %j', (_, filter, shown) => {
  expect(isWanted(item({type: monitorTypes.drop}), {...everything, ...filter})).toBe(shown)
})

test('losses are always shown', () => {
  const lost: MonitorItem = {kind: 'lost', lost: {count: 1, where: 'listener'}}

  expect(isWanted(lost, {...everything, types: [1], from: [3]})).toBe(true)
})
