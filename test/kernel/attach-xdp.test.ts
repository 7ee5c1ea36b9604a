/** The XDP program on real devices: one that takes it in its driver, one that does not, and a change of configuration. */
import {mkdirSync, readdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest'
import {type Acceleration, XdpAttachments} from '../../src/datapath/attach-xdp.ts'
import {ensureBpfFileSystem} from '../../src/kernel/bpf/file-system.ts'
import {type LoadedObject, loadObject} from '../../src/kernel/bpf/object.ts'
import {unmountFileSystem} from '../../src/kernel/libc.ts'
import {findLink, linkAdd, linkDelete} from '../../src/kernel/netlink/link.ts'
import {type TestNamespace, testNamespace} from './support/namespace.ts'
import {testPrograms} from './support/programs.ts'

const mountPoint = '/run/kd-xdp-bpffs'
const root = join(mountPoint, 'cilium')
/** has no XDP of its own */
const loopback = 1
let node: TestNamespace
let object: LoadedObject
let device: number

beforeAll(async () => {
  mkdirSync(mountPoint, {recursive: true})
  ensureBpfFileSystem(mountPoint)
  object = loadObject((await testPrograms()).basic, {maps: {kd_extra: {create: false}}})
  node = testNamespace('xdp')
})
beforeEach(() => {
  rmSync(root, {recursive: true, force: true})
  node.route.run(linkAdd({kind: 'veth', name: 'a', up: true, peer: {name: 'b'}}))
  device = findLink(node.route, 'a')!.ifindex
  return () => {
    const link = findLink(node.route, 'a')
    if (link) node.route.run(linkDelete(link.ifindex))
  }
})
afterAll(() => {
  object?.close()
  node?.close()
  unmountFileSystem(mountPoint)
  rmSync(mountPoint, {recursive: true})
})

const attach = (acceleration: Acceleration, ifindex: number) =>
  node.run(() => new XdpAttachments(root, acceleration).attach(ifindex, object.program('basic_xdp').fd))
const pins = () => readdirSync(join(root, 'links'))

test('native: in the driver, again by the next agent, and named where a driver cannot', () => {
  expect(attach('native', device)).toBe(true)
  expect(attach('native', device)).toBe(true)

  expect(pins()).toEqual([`${device}_xdp_native`])
  expect(() => attach('native', loopback)).toThrow(expect.objectContaining({code: 'XDP_NOT_ATTACHED'}))
})

test('best-effort: in the driver where it can be', () => {
  expect(attach('best-effort', device)).toBe(true)
  expect(attach('best-effort', loopback)).toBe(false)

  expect(pins()).toEqual([`${device}_xdp_native`])
})

test('generic: on any device, and the other way goes', () => {
  attach('native', device)

  expect(attach('generic', device)).toBe(true)
  expect(attach('generic', loopback)).toBe(true)

  expect(pins().sort()).toEqual([`${loopback}_xdp_generic`, `${device}_xdp_generic`].sort())
  expect(attach('disabled', loopback)).toBe(false)
  expect(pins()).toEqual([`${device}_xdp_generic`])
})

test('disabled takes it off, so that others may have the device', () => {
  attach('native', device)

  expect(attach('disabled', device)).toBe(false)
  expect(pins()).toEqual([])
  expect(attach('native', device)).toBe(true)
})

test('a device that has gone is forgotten, one that came again is served', () => {
  attach('native', device)
  node.route.run(linkDelete(device))

  new XdpAttachments(root, 'native').detach(device)
  expect(pins()).toEqual([])
  expect(() => attach('best-effort', device)).toThrow(expect.objectContaining({errno: 'EINVAL'}))
})
