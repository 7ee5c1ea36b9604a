import {mkdirSync, rmdirSync} from 'node:fs'
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import {readLinkInfo} from '../../../src/kernel/bpf/info.ts'
import {
  attachCgroup,
  attachTcx,
  attachXdp,
  detachLink,
  queryPrograms,
  updateLink,
} from '../../../src/kernel/bpf/link.ts'
import {type LoadedObject, loadObject} from '../../../src/kernel/bpf/object.ts'
import {closeFd, openFd} from '../../../src/kernel/libc.ts'
import {
  clsactDelete,
  ensureClsact,
  filterDelete,
  filterReplace,
  listFilters,
} from '../../../src/kernel/netlink/filter.ts'
import {findLink, linkAdd, linkDelete} from '../../../src/kernel/netlink/link.ts'
import {type TestNamespace, testNamespace} from '../support/namespace.ts'
import {testPrograms} from '../support/programs.ts'

let node: TestNamespace
let object: LoadedObject
let ifindex: number
const links: number[] = []

beforeAll(async () => {
  object = loadObject((await testPrograms()).basic, {maps: {kd_extra: {create: false}}})
  node = testNamespace('attach')
  node.route.run(linkAdd({kind: 'veth', name: 'a', up: true, peer: {name: 'b'}}))
  ifindex = findLink(node.route, 'a')!.ifindex
})
afterEach(() => {
  for (const link of links.splice(0)) closeFd(link)
})
afterAll(() => {
  object.close()
  node.close()
})

const program = (name: string) => object.program(name).fd
const programId = (name: string) => object.info(name).id
const kept = (link: number) => {
  links.push(link)
  return link
}
const attachedIds = (type: 'tcx_ingress' | 'tcx_egress') =>
  node.run(() => queryPrograms(ifindex, type)).map((one) => one.programId)

test('a tc program is attached by a link, in the order wanted, and gone with it', () => {
  const first = kept(node.run(() => attachTcx(program('basic_tc'), ifindex, 'ingress')))
  node.run(() => kept(attachTcx(program('basic_drop'), ifindex, 'ingress', 'first')))

  expect(attachedIds('tcx_ingress')).toEqual([programId('basic_drop'), programId('basic_tc')])
  expect(attachedIds('tcx_egress')).toEqual([])
  expect(readLinkInfo(first)).toMatchObject({ifindex, attachType: 46, programId: programId('basic_tc')})

  for (const link of links.splice(0)) closeFd(link)
  expect(attachedIds('tcx_ingress')).toEqual([])
})

test('the program of a link is exchanged in place, and only when the expected one is there', () => {
  const link = kept(node.run(() => attachTcx(program('basic_tc'), ifindex, 'egress')))
  const {id} = readLinkInfo(link)

  expect(() => updateLink(link, program('basic_emit'), program('basic_drop'))).toThrow(
    expect.objectContaining({errno: 'EPERM'}),
  )
  updateLink(link, program('basic_emit'), program('basic_tc'))

  expect(readLinkInfo(link)).toMatchObject({id, programId: programId('basic_emit')})
  expect(attachedIds('tcx_egress')).toEqual([programId('basic_emit')])
})

test('a link is detached while somebody holds it, and one whose device went says ENOLINK', () => {
  const link = kept(node.run(() => attachTcx(program('basic_tc'), ifindex, 'ingress')))
  detachLink(link)
  expect(attachedIds('tcx_ingress')).toEqual([])

  node.route.run(linkAdd({kind: 'veth', name: 'c', peer: {name: 'd'}}))
  const other = findLink(node.route, 'c')!.ifindex
  const orphan = kept(node.run(() => attachTcx(program('basic_tc'), other, 'ingress')))
  node.route.run(linkDelete(other))

  expect(readLinkInfo(orphan).ifindex).toBe(0)
  expect(() => updateLink(orphan, program('basic_drop'))).toThrow(expect.objectContaining({errno: 'ENOLINK'}))
})

test('a device that is not in this namespace is refused', () => {
  expect(() => node.run(() => attachTcx(program('basic_tc'), 99999, 'ingress'))).toThrow(
    expect.objectContaining({errno: 'ENODEV', operation: 'attach to ingress of device 99999'}),
  )
})

test('an XDP program is attached natively to a veth', () => {
  const link = kept(node.run(() => attachXdp(program('basic_xdp'), ifindex, 'native')))

  expect(readLinkInfo(link)).toMatchObject({ifindex, programId: programId('basic_xdp')})
  expect(() => node.run(() => attachXdp(program('basic_xdp'), ifindex, 'native'))).toThrow(
    expect.objectContaining({errno: 'EBUSY'}),
  )
})

test('a socket program is attached to a cgroup', () => {
  const folder = '/sys/fs/cgroup/unified/kd-link'
  mkdirSync(folder, {recursive: true})
  const cgroup = openFd(folder)
  try {
    const link = kept(attachCgroup(program('basic_connect'), cgroup, 'cgroup_inet4_connect'))

    expect(readLinkInfo(link)).toMatchObject({attachType: 10, programId: programId('basic_connect')})
    expect(queryPrograms(cgroup, 'cgroup_inet4_connect')).toMatchObject([{programId: programId('basic_connect')}])
    expect(queryPrograms(cgroup, 'cgroup_inet6_connect')).toEqual([])
    closeFd(links.pop()!)
    expect(queryPrograms(cgroup, 'cgroup_inet4_connect')).toEqual([])
  } finally {
    closeFd(cgroup)
    rmdirSync(folder)
  }
})

test('where tcx is missing, a filter on clsact is added, exchanged, listed and deleted', () => {
  const filter = {ifindex, direction: 'ingress', priority: 1} as const
  expect(listFilters(node.route, ifindex, 'ingress')).toEqual([])

  ensureClsact(node.route, ifindex)
  ensureClsact(node.route, ifindex)
  node.route.run(filterReplace({...filter, program: program('basic_tc'), name: 'cil_from_container'}))
  node.route.run(filterReplace({...filter, program: program('basic_drop'), name: 'cil_from_container'}))

  expect(listFilters(node.route, ifindex, 'ingress')).toEqual([
    {priority: 1, name: 'cil_from_container', programId: programId('basic_drop')},
  ])
  expect(listFilters(node.route, ifindex, 'egress')).toEqual([])
  node.route.run(filterDelete(filter))
  expect(listFilters(node.route, ifindex, 'ingress')).toEqual([])
  expect(() => node.route.run(filterDelete(filter))).toThrow(expect.objectContaining({errno: 'ENOENT'}))
  node.route.run(clsactDelete(ifindex))
})
