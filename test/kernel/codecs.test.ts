import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {pathToFileURL} from 'node:url'
import {beforeAll, describe, expect, test} from 'vitest'
import {readMaps, readPrograms} from '../../scripts/codecs/maps.ts'
import {TypeReader} from '../../scripts/codecs/model.ts'
import {generatedFiles, typesText} from '../../scripts/generate-codecs.ts'
import {loadObject} from '../../src/kernel/bpf/object.ts'
import {runSyscallProgram} from '../../src/kernel/bpf/test-run.ts'
import {Btf} from '../../src/kernel/btf.ts'
import type {Codec} from '../../src/kernel/codec.ts'
import {readElf} from '../../src/kernel/elf.ts'
import {testPrograms} from './support/programs.ts'

const root = resolve(import.meta.dirname, '../..')

test('the committed codecs are those of the headers', async () => {
  for (const [path, text] of await generatedFiles())
    expect(readFileSync(join(root, path), 'utf8'), `${path}: run npm run generate`).toBe(text)
})

interface Generated {
  everyFormCodec: Codec<Record<string, unknown>>
  everyFormZero: Record<string, unknown>
  everyFormOffsets: Record<string, number>
}

describe('a codec made from BTF', () => {
  let generated: Generated
  let filled: Uint8Array

  beforeAll(async () => {
    const {layout} = await testPrograms()
    const reader = new TypeReader(Btf.fromObject(readFileSync(layout)), new Set(['every_form.count']))
    reader.struct('every_form')
    const folder = join(root, 'dist/test/codecs')
    mkdirSync(folder, {recursive: true})
    const file = join(folder, 'layout.ts')
    writeFileSync(file, typesText(reader, join(root, 'src/kernel/codec.ts')))
    generated = (await import(pathToFileURL(file).href)) as Generated

    using object = loadObject(layout)
    filled = new Uint8Array(generated.everyFormCodec.size)
    runSyscallProgram(object.program('layout_fill').fd, filled)
  })

  test('reads what the kernel wrote', () => {
    const value = generated.everyFormCodec.decode(new DataView(filled.buffer), 0)

    expect(value).toEqual({
      small: 200,
      negative: -5,
      yes: true,
      port: 443,
      number: 4000000000,
      below: -70000,
      address: 0x0a000001,
      large: 0xfedcba9876543210n,
      deep: -2n,
      wide: 0x0102030405060708n,
      count: 2 ** 40,
      addr: new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
      mac: new Uint8Array([2, 0, 0, 0, 0, 9]),
      point: {x: -300, z: 8, y: 7},
      points: [
        {x: 0, z: 0, y: 0},
        {x: 11, z: 0, y: 12},
      ],
      list: [1, 0, 65535],
      text: new Uint8Array([97, 0, 0, 0, 101]),
      low: 5,
      middle: 0xabc,
      high: 1,
      innerA: 1,
      innerB: 2,
      either: new Uint8Array([0, 0, 0, 4]),
    })
  })

  test('writes the very bytes, also over memory that was not zero', () => {
    const {everyFormCodec} = generated
    const value = everyFormCodec.decode(new DataView(filled.buffer), 0)
    const dirty = new Uint8Array(everyFormCodec.size + 8).fill(0xee)

    everyFormCodec.encode(value, new DataView(dirty.buffer), 4)

    expect(dirty.subarray(4, 4 + everyFormCodec.size)).toEqual(filled)
    expect([...dirty.subarray(0, 4), ...dirty.subarray(-4)]).toEqual(new Array(8).fill(0xee))
  })

  test('has a zero value that encodes to zeros, and offsets for single fields', () => {
    const {everyFormCodec, everyFormZero, everyFormOffsets} = generated
    const bytes = new Uint8Array(everyFormCodec.size).fill(1)

    everyFormCodec.encode(everyFormZero, new DataView(bytes.buffer), 0)

    expect(bytes.every((byte) => byte === 0)).toBe(true)
    expect(new DataView(filled.buffer).getUint32(everyFormOffsets['number']!, true)).toBe(4000000000)
  })

  test('refuses bytes of another length than the field has', () => {
    const {everyFormCodec, everyFormZero} = generated

    const encode = () =>
      everyFormCodec.encode(
        {...everyFormZero, addr: new Uint8Array(4)},
        new DataView(new ArrayBuffer(everyFormCodec.size)),
        0,
      )

    expect(encode).toThrow('16 bytes are wanted, not 4')
  })
})

test('maps and programs are found in the object', async () => {
  const file = readFileSync((await testPrograms()).basic)
  const btf = Btf.fromObject(file)

  const maps = readMaps(btf, new TypeReader(btf, new Set()))

  expect(maps.map(({name, type, maxEntries}) => [name, type, maxEntries])).toEqual([
    ['kd_counts', 6, 4],
    ['kd_events', 27, 4096],
    ['kd_extra', 1, 1000000],
    ['kd_pairs', 1, 1024],
    ['kd_shards', 12, 4],
    ['kd_slots', 2, 4],
  ])
  expect(maps.find(({name}) => name === 'kd_shards')?.inner).toMatchObject({type: 1, maxEntries: 16})
  expect(readPrograms(readElf(file))).toContainEqual({name: 'basic_connect', section: 'cgroup/connect4'})
})

test('bytes that are no object are refused', () => {
  expect(() => Btf.fromObject(new Uint8Array(100))).toThrow('no ELF file')
})
