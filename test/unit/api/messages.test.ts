import {readFileSync} from 'node:fs'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import {describe, expect, test} from 'vitest'
import {generatedMessages} from '../../../scripts/generate-messages.ts'
import * as flow from '../../../src/api/gen/flow.ts'
import * as observer from '../../../src/api/gen/observer.ts'
import * as peer from '../../../src/api/gen/peer.ts'
import * as relay from '../../../src/api/gen/relay.ts'
import {messageFromJson, messageToJson, parseTimestamp, timestampText} from '../../../src/api/wire/json.ts'
import {decodeMessage, type EnumType, encodeMessage, type MessageType} from '../../../src/api/wire/message.ts'

const root = new URL('../../../', import.meta.url).pathname
const exported = [flow, observer, peer, relay].flatMap((file) => Object.values(file)) as unknown[]
const messages = new Map(
  exported
    .filter((one): one is MessageType<unknown> => typeof one === 'object' && one !== null && 'fields' in one)
    .map((type) => [type.name, type]),
)
const enums = new Map(
  exported
    .filter(
      (one): one is EnumType =>
        typeof one === 'object' && one !== null && 'members' in one && typeof one.members === 'object',
    )
    .map((type) => [type.name, type]),
)

interface Section {
  readonly kind: string
  readonly name: string
  readonly lines: readonly string[]
}

function documented(): Section[] {
  const sections: {kind: string; name: string; lines: string[]}[] = []
  for (const line of readFileSync(`${root}test/unit/api/hubble-wire.txt`, 'utf8').split('\n')) {
    if (line.startsWith('#') || line === '') continue
    if (line.startsWith('  ')) sections.at(-1)!.lines.push(line.trim())
    else {
      const [kind, name] = line.split(' ') as [string, string]
      sections.push({kind, name, lines: []})
    }
  }
  return sections
}

describe('the messages of Hubble', () => {
  test('are those of its documentation, no more and no fewer', () => {
    const sections = documented()

    expect([...messages.keys()].sort()).toEqual(
      sections
        .filter(({kind}) => kind === 'message')
        .map(({name}) => name)
        .sort(),
    )
    expect([...enums.keys()].sort()).toEqual(
      sections
        .filter(({kind}) => kind === 'enum')
        .map(({name}) => name)
        .sort(),
    )
  })

  test.each(documented().map((section) => [`${section.kind} ${section.name}`, section] as const))(
    '%s has the documented names, numbers and types',
    (_, {kind, name, lines}) => {
      const actual =
        kind === 'enum'
          ? Object.entries(enums.get(name)!.members).map(([member, number]) => `${number} ${member}`)
          : messages
              .get(name)!
              .fields.map(({number, name: field, type, repeated, oneof}) =>
                [number, field, type, repeated ? 'repeated' : 'one', ...(oneof === undefined ? [] : [oneof])].join(' '),
              )

      expect(actual.sort()).toEqual([...lines].sort())
    },
  )

  test('are generated from the proto files as they are', () => {
    for (const [path, text] of generatedMessages()) expect(readFileSync(`${root}${path}`, 'utf8')).toBe(text)
  })
})

const independent = new protobuf.Root()
independent.resolvePath = (_, target) =>
  target.startsWith('google/') ? target : `${root}src/api/proto/${target.split('/').at(-1)}`
independent.loadSync(['observer.proto', 'peer.proto'], {keepCase: true})

const everything: flow.Flow = {
  time: 1_700_000_000_123_456_789n,
  uuid: 'b5c8a5d0-6a3b-4a44-8f5c-0d7a0f2c9b11',
  verdict: flow.Verdict.DROPPED,
  drop_reason: 133,
  ethernet: {source: '0a:00:00:00:00:01', destination: '0a:00:00:00:00:02'},
  IP: {source: 'fd00::1', destination: 'fd00::2', ipVersion: flow.IPVersion.IPv6, encrypted: true},
  l4: {TCP: {source_port: 40_000, destination_port: 80, flags: {SYN: true, ACK: true}}},
  source: {
    ID: 7,
    identity: 4_294_967_295,
    labels: ['k8s:app=wëb', 'k8s:io.kubernetes.pod.namespace=default'],
    pod_name: 'web-0',
  },
  destination: {identity: 2, workloads: [{name: 'api', kind: 'Deployment'}, {}]},
  Type: flow.FlowType.L3_L4,
  source_names: ['a'.repeat(5000), ''],
  event_type: {type: 1, sub_type: -133},
  is_reply: false,
  socket_cookie: 18_446_744_073_709_551_615n,
  trace_observation_point: 101,
  Summary: 'TCP Flags: SYN',
  extensions: {typeUrl: 'type.googleapis.com/x.Y', value: Uint8Array.of(1, 2, 3)},
  egress_denied_by: [{name: 'deny', revision: 9_007_199_254_740_993n, kind: 'NetworkPolicy'}],
}

describe('the wire form', () => {
  test('is what another implementation writes and reads', () => {
    const other = independent.lookupType('flow.Flow')
    const bytes = encodeMessage(flow.Flow, everything)

    const read = other.toObject(other.decode(bytes), {longs: String, enums: String, arrays: false}) as Record<
      string,
      unknown
    >
    const back = decodeMessage(flow.Flow, Buffer.from(other.encode(other.decode(bytes)).finish()))

    expect(read).toMatchObject({
      verdict: 'DROPPED',
      socket_cookie: '18446744073709551615',
      is_reply: {},
      time: {seconds: '1700000000', nanos: 123_456_789},
      event_type: {type: 1, sub_type: -133},
    })
    expect(back).toEqual(everything)
  })

  test('of any filter comes back as it was, through both implementations', () => {
    const other = independent.lookupType('flow.FlowFilter')
    const words = fc.array(fc.string({unit: 'grapheme'}), {minLength: 1, maxLength: 3})
    const numbers = fc.array(fc.integer({min: 0, max: 2 ** 32 - 1}), {minLength: 1, maxLength: 3})
    const filters = fc.record(
      {
        source_ip: words,
        destination_pod: words,
        source_identity: numbers,
        verdict: fc.array(fc.integer({min: 0, max: 7}), {minLength: 1, maxLength: 3}),
        reply: fc.array(fc.boolean(), {minLength: 1, maxLength: 3}),
        ip_trace_id: fc.array(fc.bigInt({min: 0n, max: 2n ** 64n - 1n}), {minLength: 1, maxLength: 3}),
        event_type: fc.array(fc.record({type: fc.integer({min: -5, max: 200}), match_sub_type: fc.constant(true)}), {
          minLength: 1,
        }),
      },
      {requiredKeys: []},
    )

    fc.assert(
      fc.property(filters, (filter) => {
        const bytes = encodeMessage(flow.FlowFilter, filter)
        const through = decodeMessage(flow.FlowFilter, Buffer.from(other.encode(other.decode(bytes)).finish()))
        // zero of a single field is the same as its absence
        expect(messageToJson(flow.FlowFilter, through)).toEqual(messageToJson(flow.FlowFilter, filter))
      }),
    )
  })

  test('of random bytes is refused or read, and never reaches beyond them', () => {
    fc.assert(
      fc.property(fc.uint8Array({maxLength: 200}), (bytes) => {
        try {
          decodeMessage(observer.GetFlowsRequest, bytes)
        } catch (thrown) {
          expect(thrown instanceof RangeError || thrown instanceof TypeError).toBe(true)
        }
      }),
    )
  })

  test('passes over fields of newer versions', () => {
    const bytes = Buffer.concat([Buffer.from([0xfa, 0x3f, 0x03, 1, 2, 3]), encodeMessage(flow.Workload, {name: 'x'})])

    expect(decodeMessage(flow.Workload, bytes)).toEqual({name: 'x'})
  })
})

describe('the JSON form', () => {
  test('has names of enums, texts for long numbers and times, and no defaults', () => {
    const json = messageToJson(observer.GetFlowsResponse, {
      flow: {...everything, extensions: undefined, drop_reason: 0},
      node_name: 'default/n1',
      time: everything.time,
    })

    expect(json).toMatchObject({
      flow: {
        time: '2023-11-14T22:13:20.123456789Z',
        verdict: 'DROPPED',
        IP: {ipVersion: 'IPv6', encrypted: true},
        is_reply: false,
        socket_cookie: '18446744073709551615',
        trace_observation_point: 'TO_ENDPOINT',
      },
      node_name: 'default/n1',
    })
    expect(json['flow']).not.toHaveProperty('drop_reason')
  })

  test('comes back from text as it was, in both spellings of names', () => {
    const text = JSON.stringify(messageToJson(flow.Flow, everything))

    expect(messageFromJson(flow.Flow, JSON.parse(text))).toEqual(everything)
    expect(messageFromJson(flow.Flow, {isReply: true, sourceNames: ['a']})).toEqual({
      is_reply: true,
      source_names: ['a'],
    })
  })

  test('says which field is wrong', () => {
    expect(() => messageFromJson(flow.FlowFilter, {source_port: [80]})).toThrow(
      'flow.FlowFilter.source_port: 80 is not a text',
    )
    expect(() => messageFromJson(flow.FlowFilter, {sauce_ip: ['x']})).toThrow('has no field "sauce_ip"')
  })

  test.each([
    ['2023-11-14T22:13:20Z', 1_700_000_000_000_000_000n],
    ['1969-12-31T23:59:59.500Z', -500_000_000n],
    ['2023-11-14T22:13:20.000001Z', 1_700_000_000_000_001_000n],
  ])('writes the time %s', (text, value) => {
    expect(timestampText(value)).toBe(text)
    expect(parseTimestamp(text)).toBe(value)
  })
})
