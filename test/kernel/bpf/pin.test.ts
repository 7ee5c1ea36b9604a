import {mkdirSync, readdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import {ensureBpfFileSystem, isBpfFileSystem, listPins} from '../../../src/kernel/bpf/file-system.ts'
import {attachTcx} from '../../../src/kernel/bpf/link.ts'
import {BpfMap, createMap} from '../../../src/kernel/bpf/map.ts'
import {type LoadedObject, loadObject} from '../../../src/kernel/bpf/object.ts'
import {openPin, pin, pinReplacing, unpin} from '../../../src/kernel/bpf/pin.ts'
import {closeFd, unmountFileSystem} from '../../../src/kernel/libc.ts'
import {inNewNetns} from '../../../src/kernel/netns.ts'
import {inner} from '../support/basic-shapes.ts'
import {testPrograms} from '../support/programs.ts'

const mountPoint = '/run/kd-bpffs'
const folder = join(mountPoint, 'cilium')
let object: LoadedObject

beforeAll(async () => {
  mkdirSync(mountPoint, {recursive: true})
  ensureBpfFileSystem(mountPoint)
  object = loadObject((await testPrograms()).basic, {maps: {kd_extra: {create: false}}})
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))
afterAll(() => {
  object?.close()
  unmountFileSystem(mountPoint)
  rmSync(mountPoint, {recursive: true})
})

test('a bpf file system is mounted once', () => {
  expect(isBpfFileSystem(mountPoint)).toBe(true)
  expect(isBpfFileSystem('/proc')).toBe(false)
  expect(isBpfFileSystem('/nowhere')).toBe(false)
  expect(ensureBpfFileSystem(mountPoint)).toBe(false)
})

test('a pinned map outlives its descriptors and is opened by name', () => {
  const path = join(folder, 'state', 'v1', 'kd_inner')
  const map = createMap(inner)
  map.put(1, 2)
  pin(map.fd, path)
  map.close()

  const reopened = new BpfMap(openPin(path)!, inner)

  expect(reopened.get(1)).toBe(2)
  reopened.close()
})

test('a missing pin is told from an error, and removing one twice is success', () => {
  const path = join(folder, 'one')
  const map = createMap(inner)
  pin(map.fd, path)
  map.close()

  unpin(path)
  unpin(path)

  expect(openPin(path)).toBeUndefined()
})

test('a name that is taken is refused, or replaced when asked for', () => {
  const path = join(folder, 'one')
  const [first, second] = [createMap(inner), createMap(inner)]
  first.put(1, 1)
  second.put(1, 2)
  pin(first.fd, path)

  expect(() => pin(second.fd, path)).toThrow(expect.objectContaining({errno: 'EEXIST', operation: `pin ${path}`}))
  pinReplacing(second.fd, path)

  const now = new BpfMap(openPin(path)!, inner)
  expect(now.get(1)).toBe(2)
  expect(readdirSync(folder)).toEqual(['one'])
  for (const map of [first, second, now]) map.close()
})

test('what is pinned is listed by kind, with the kernel number', () => {
  const map = createMap(inner)
  const link = inNewNetns(() => attachTcx(object.program('basic_tc').fd, 1, 'ingress'))
  pin(map.fd, join(folder, 'maps', 'kd_inner'))
  pin(object.program('basic_tc').fd, join(folder, 'programs', 'basic_tc'))
  pin(link, join(folder, 'links', '1_ingress'))
  closeFd(link)
  map.close()

  expect(listPins(folder)).toEqual([
    {path: join(folder, 'links', '1_ingress'), kind: 'link', id: expect.any(Number), name: ''},
    {path: join(folder, 'maps', 'kd_inner'), kind: 'map', id: expect.any(Number), name: 'kd_inner'},
    {
      path: join(folder, 'programs', 'basic_tc'),
      kind: 'program',
      id: object.info('basic_tc').id,
      name: 'basic_tc',
    },
  ])
  expect(listPins(join(folder, 'nothing'))).toEqual([])
})

test('pinning outside a bpf file system is refused', () => {
  const map = createMap(inner)

  expect(() => pin(map.fd, '/run/kd-not-bpf')).toThrow(expect.objectContaining({errno: 'EPERM'}))
  map.close()
})
