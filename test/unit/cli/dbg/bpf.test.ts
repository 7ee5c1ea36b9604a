import {expect, test} from 'vitest'
import {connections, connectionText} from '../../../../src/cli/dbg/bpf/connection.ts'
import {counterText, packetCounts} from '../../../../src/cli/dbg/bpf/counter.ts'
import {endpointRows, endpointText} from '../../../../src/cli/dbg/bpf/endpoint.ts'
import type {FlowEntry} from '../../../../src/cli/dbg/bpf/flow.ts'
import {addressText, ipcacheText, longestMatch} from '../../../../src/cli/dbg/bpf/ipcache.ts'
import {keyedText} from '../../../../src/cli/dbg/bpf/map-place.ts'
import {translations, translationText} from '../../../../src/cli/dbg/bpf/translation.ts'
import {flowFlags} from '../../../../src/datapath/gen/enums.ts'
import {addressZero, endpointZero, type Flow, flowZero} from '../../../../src/datapath/gen/types.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {Ip} from '../../../../src/model/ip.ts'

const bytes = (text: string) => Ip.of(text).toMappedBytes()
const seconds = (count: number) => BigInt(count) * 1_000_000_000n

interface Tuple {
  readonly src: string
  readonly sport: number
  readonly dst: string
  readonly dport: number
}

function entry(key: Tuple, to: Tuple, proto: number, flow: Partial<Flow>): FlowEntry {
  return [
    {src: bytes(key.src), sport: key.sport, dst: bytes(key.dst), dport: key.dport, proto, zone: 0},
    {
      ...flowZero,
      toSrc: bytes(to.src),
      toSport: to.sport,
      toDst: bytes(to.dst),
      toDport: to.dport,
      ...flow,
    },
  ]
}

const asIs = (tuple: Tuple) => tuple
const out: Tuple = {src: '10.0.0.17', sport: 40_110, dst: '10.0.1.6', dport: 8080}
const back: Tuple = {src: '10.0.1.6', sport: 8080, dst: '10.0.0.17', dport: 40_110}

test('both entries of a flow make one connection: what came back is Rx', () => {
  const [one, ...others] = connections([
    entry(back, asIs(back), 6, {flags: flowFlags.FLOW_REVERSE, packets: 5, bytes: 612, tcpFlags: 0x1b}),
    entry(out, asIs(out), 6, {
      expires: seconds(91_234),
      packets: 6,
      bytes: 501,
      tcpFlags: 0x1b,
      srcIdentity: 1207,
      srcEndpoint: 7,
      ifindex: 9,
    }),
  ])

  expect(others).toEqual([])
  expect(connectionText([one!])).toBe(
    'TCP OUT 10.0.0.17:40110 -> 10.0.1.6:8080 expires=91234 RxPackets=5 RxBytes=612 RxFlagsSeen=0x1b LastRxReport=0 ' +
      'TxPackets=6 TxBytes=501 TxFlagsSeen=0x1b LastTxReport=0 Flags=0x0000 [ ] RevNAT=0 SourceSecurityID=1207 IfIndex=9 \n',
  )
})

test('how long a connection has left is told against the clock of the machine', () => {
  const list = connections([entry(out, out, 6, {expires: seconds(100)})])

  expect(connectionText(list, 40)).toContain('expires=100 (remaining: 60 sec(s)) RxPackets=0')
  expect(connectionText(list, 200)).toContain('(remaining: 0 sec(s))')
})

test('a connection to a local endpoint from elsewhere comes in, and IPv6 stands in brackets', () => {
  const six = {src: 'fd00::1', sport: 1, dst: 'fd00::2', dport: 2}

  const [one] = connections([entry(six, six, 17, {dstEndpoint: 3})])

  expect(one!.Key).toEqual({Protocol: 'UDP', Direction: 'IN', SourceAddr: '[fd00::1]:1', DestAddr: '[fd00::2]:2'})
})

test('an echo finds its answers by the identifier that both carry', () => {
  const request = {src: '10.0.0.1', sport: 77, dst: '10.0.0.2', dport: 0}
  const answer = {src: '10.0.0.2', sport: 77, dst: '10.0.0.1', dport: 0}

  const [one] = connections([
    entry(request, request, 1, {packets: 1}),
    entry(answer, answer, 1, {packets: 2, flags: flowFlags.FLOW_REVERSE}),
  ])

  expect(one!.Value).toMatchObject({TxPackets: 1, RxPackets: 2})
})

test('only changed ends are translations, both ways', () => {
  const outside = {src: '10.0.0.17', sport: 4000, dst: '1.1.1.1', dport: 443}
  const masqueraded = {...outside, src: '172.30.0.11', sport: 50_000}
  const answer = {src: '1.1.1.1', sport: 443, dst: '172.30.0.11', dport: 50_000}
  const entries = [
    entry(outside, masqueraded, 6, {created: seconds(10), flags: flowFlags.FLOW_SNAT}),
    entry(answer, {src: '1.1.1.1', sport: 443, dst: '10.0.0.17', dport: 4000}, 6, {
      created: seconds(10),
      flags: flowFlags.FLOW_SNAT | flowFlags.FLOW_REVERSE,
    }),
    entry(out, out, 6, {}),
  ]

  expect(translationText(translations(entries), 25)).toBe(
    'TCP IN 1.1.1.1:443 -> 172.30.0.11:50000 XLATE_DST 10.0.0.17:4000 Created=15sec ago NeedsCT=0\n' +
      'TCP OUT 10.0.0.17:4000 -> 1.1.1.1:443 XLATE_SRC 172.30.0.11:50000 Created=15sec ago NeedsCT=0\n',
  )
})

test('an address is shown with its identity and tunnel in the words that tools look for', () => {
  const far = {...addressZero, identity: 1207, tunnel: bytes('192.0.2.12')}
  const six = {...addressZero, identity: 1207, tunnel: bytes('fd00::c')}

  expect(addressText(far)).toBe('identity=1207 encryptkey=0 tunnelendpoint=192.0.2.12 flags=hastunnel')
  expect(addressText(six)).toBe('identity=1207 encryptkey=0 tunnelendpoint=fd00::c flags=hastunnel,ipv6tunnel')
  expect(addressText({...addressZero, identity: 1})).toMatch(
    /identity=(\d+)\s+encryptkey=(\d+)\s+tunnelendpoint=(\S+) flags=<none>/,
  )
  expect(ipcacheText(keyedText([['10.0.1.6/32', addressText(far)]]))).toBe(
    'IP PREFIX/ADDRESS   IDENTITY\n10.0.1.6/32         identity=1207 encryptkey=0 tunnelendpoint=192.0.2.12 flags=hastunnel   \n',
  )
})

test('the longest prefix around an address counts', () => {
  const rows = ['0.0.0.0/0', '10.0.0.0/8', '10.0.1.0/24', 'fd00::/8'].map(
    (text) => [Cidr.of(text), {...addressZero, identity: text.length}] as const,
  )

  expect(longestMatch(rows, Ip.of('10.0.1.5'))?.[0].toString()).toBe('10.0.1.0/24')
  expect(longestMatch(rows, Ip.of('192.0.2.1'))?.[0].toString()).toBe('0.0.0.0/0')
  expect(longestMatch(rows, Ip.of('2001:db8::1'))).toBeUndefined()
})

test('an endpoint shows once for each of its addresses', () => {
  const endpoint = {
    ...endpointZero,
    id: 7,
    identity: 1207,
    ifindex: 4103,
    v4: bytes('10.0.0.17'),
    v6: bytes('fd00::11'),
    mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    nodeMac: Uint8Array.of(2, 0, 0, 0, 0, 2),
  }

  expect(endpointText(keyedText(endpointRows(7, endpoint)))).toBe(
    `IP ADDRESS   LOCAL ENDPOINT INFO
10.0.0.17    id=7 sec_id=1207 flags=0x0000 ifindex=4103 mac=02:00:00:00:00:01 nodemac=02:00:00:00:00:02
fd00::11     id=7 sec_id=1207 flags=0x0000 ifindex=4103 mac=02:00:00:00:00:01 nodemac=02:00:00:00:00:02
`,
  )
})

test('counters are summed over processors, and what never happened is left out', () => {
  const counts = packetCounts([
    [
      0 * 4 + 1,
      [
        {packets: 3, bytes: 300},
        {packets: 2, bytes: 200},
      ],
    ],
    [
      133 * 4 + 2,
      [
        {packets: 1, bytes: 74},
        {packets: 0, bytes: 0},
      ],
    ],
    [134 * 4 + 2, [{packets: 0, bytes: 0}]],
  ])

  expect(counterText(counts)).toBe(`REASON          DIRECTION   PACKETS   BYTES
Policy denied   EGRESS      1         74
Success         INGRESS     5         500
`)
})
