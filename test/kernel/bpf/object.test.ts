import {readdirSync} from 'node:fs'
import {beforeAll, describe, expect, test} from 'vitest'
import {createMap} from '../../../src/kernel/bpf/map.ts'
import {loadObject} from '../../../src/kernel/bpf/object.ts'
import {runSkbProgram, runSyscallProgram, runXdpProgram} from '../../../src/kernel/bpf/test-run.ts'
import {hasCode} from '../../../src/runtime/errors.ts'
import {basicConfig, counts, inner, pairs, shards, slots} from '../support/basic-shapes.ts'
import {testPrograms} from '../support/programs.ts'

let basic: string
beforeAll(async () => {
  basic = (await testPrograms()).basic
})

const packet = new Uint8Array(64)
const withoutExtra = {kd_extra: {create: false}}
const openFds = () => readdirSync('/proc/self/fd').length

describe('loading an object', () => {
  test('the program runs with the configuration that was set before load', () => {
    using object = loadObject(basic, {
      config: basicConfig({action: 2, mark: 77, cookie: 5}),
      maps: withoutExtra,
    })

    const run = runSkbProgram(object.program('basic_tc').fd, packet, {mark: 1})

    expect(run).toMatchObject({result: 2, mark: 77, cb: [5, 0, 0, 0, 0]})
    expect(
      object
        .map(counts)
        .get(0)!
        .reduce((sum, count) => sum + count),
    ).toBe(1)
  })

  test('without configuration the values of the source hold', () => {
    using object = loadObject(basic, {maps: withoutExtra})

    expect(runSkbProgram(object.program('basic_tc').fd, packet, {mark: 1})).toMatchObject({result: 0, mark: 0})
  })

  test('a map that is switched off is not made', () => {
    using object = loadObject(basic, {maps: withoutExtra})

    expect(object.maps.has('kd_extra')).toBe(false)
    expect(object.maps.has('kd_pairs')).toBe(true)
  })

  test('a program that reaches a map which is off is refused with the end of the verifier log', () => {
    const load = () => loadObject(basic, {config: basicConfig({useExtra: true}), maps: withoutExtra})

    expect(load).toThrow(/referenced but wasn't created/)
    expect(load).toThrow(expect.objectContaining({code: 'BPF_LOAD_FAILED'}))
  })

  test('a program that is switched off is not loaded', () => {
    using object = loadObject(basic, {maps: withoutExtra, programs: {basic_connect: false}})

    expect(object.programs.has('basic_connect')).toBe(false)
    expect(object.programs.has('basic_tc')).toBe(true)
  })

  test('maps take another size', () => {
    using object = loadObject(basic, {
      maps: {...withoutExtra, kd_pairs: {maxEntries: 9}, kd_shards: {inner: {maxEntries: 5}}},
    })
    using map = object.map(pairs)

    expect(map.maxEntries).toBe(9)
  })

  test('a map of another object is used when its shape is the same', () => {
    using first = loadObject(basic, {maps: withoutExtra})
    using kept = first.map(pairs)
    using second = loadObject(basic, {maps: {...withoutExtra, kd_pairs: {reuse: kept.fd}}})

    kept.put({address: 1, port: 2, protocol: 6}, {packets: 3, tag: 4})

    using seen = second.map(pairs)
    expect(seen.get({address: 1, port: 2, protocol: 6})).toEqual({packets: 3, tag: 4})
  })

  test('a map of another shape is refused', () => {
    using other = createMap({...inner, name: 'kd_other'})

    expect(() => loadObject(basic, {maps: {...withoutExtra, kd_pairs: {reuse: other.fd}}})).toThrow(
      expect.objectContaining({code: 'BPF_MAP_LAYOUT'}),
    )
  })

  test('reading a map with another shape than it has is refused', () => {
    using object = loadObject(basic, {maps: withoutExtra})

    expect(() => object.map({...slots, name: 'kd_pairs'})).toThrow(expect.objectContaining({code: 'BPF_MAP_LAYOUT'}))
  })

  test('configuration of another size is refused', () => {
    expect(() => loadObject(basic, {config: new Uint8Array(23)})).toThrow(
      expect.objectContaining({code: 'BPF_CONFIG_SIZE', fields: {object: 'basic.o', expected: 24, given: 23}}),
    )
  })

  test('names that are not in the object are refused', () => {
    using object = loadObject(basic, {maps: withoutExtra})

    expect(() => object.program('nobody')).toThrow(expect.objectContaining({code: 'BPF_NAME_UNKNOWN'}))
    expect(() => loadObject(basic, {maps: {nobody: {create: false}}})).toThrow('basic.o has no map named nobody')
  })

  test('a missing file and a file that is no object are told apart', () => {
    expect(() => loadObject('/nowhere.o')).toThrow(expect.objectContaining({code: 'BPF_OBJECT_MISSING'}))
    expect(() => loadObject('/etc/hostname')).toThrow(expect.objectContaining({code: 'BPF_OBJECT_INVALID'}))
  })

  test('the verifier says how much work each program was', () => {
    using object = loadObject(basic, {maps: withoutExtra, statistics: true})

    expect(object.info('basic_tc')).toMatchObject({name: 'basic_tc', type: 3})
    expect(object.info('basic_tc').verifiedInstructions).toBeGreaterThan(5)
    expect(object.program('basic_tc').statistics).toMatch(/stack depth \d+\nprocessed \d+ insns/)
  })

  test('statistics of an object that is refused still give the reason', () => {
    const load = () => loadObject(basic, {config: basicConfig({useExtra: true}), maps: withoutExtra, statistics: true})

    expect(load).toThrow(/referenced but wasn't created/)
  })

  test('no descriptor is left after close, nor after a load that failed', () => {
    loadObject(basic, {maps: withoutExtra}).close()
    const before = openFds()

    loadObject(basic, {maps: {...withoutExtra, kd_shards: {inner: {maxEntries: 5}}}}).close()
    try {
      loadObject(basic, {config: basicConfig({useExtra: true}), maps: withoutExtra})
    } catch (thrown) {
      expect(hasCode(thrown, 'BPF_LOAD_FAILED')).toBe(true)
    }

    expect(openFds()).toBe(before)
  })
})

describe('running programs', () => {
  test('a map in a map is found by the program', () => {
    using object = loadObject(basic, {maps: withoutExtra})
    using outer = object.map(shards)
    using shard = createMap(inner)
    const program = object.program('basic_shard').fd

    const empty = runSkbProgram(program, packet, {mark: 2})
    outer.put(2, shard.fd)
    const missing = runSkbProgram(program, packet, {mark: 2})
    shard.put(7, 42)
    const found = runSkbProgram(program, packet, {mark: 2})

    expect([empty.result, missing.result, found.result]).toEqual([100, 101, 42])
  })

  test('an XDP program gives its verdict and the frame', () => {
    using object = loadObject(basic, {maps: withoutExtra})

    const run = runXdpProgram(object.program('basic_xdp').fd, packet.fill(9))

    expect(run.result).toBe(2)
    expect(run.packet).toEqual(packet)
  })

  test('a syscall program works on its context in place', () => {
    using object = loadObject(basic, {maps: withoutExtra})
    const context = new BigUint64Array([3n, 4n, 0n])

    const result = runSyscallProgram(object.program('basic_add').fd, new Uint8Array(context.buffer))

    expect(result).toBe(5)
    expect(context[2]).toBe(7n)
  })

  test('a packet that is too short is refused with the errno', () => {
    using object = loadObject(basic, {maps: withoutExtra})

    expect(() => runSkbProgram(object.program('basic_tc').fd, new Uint8Array(3))).toThrow(
      expect.objectContaining({errno: 'EINVAL'}),
    )
  })
})
