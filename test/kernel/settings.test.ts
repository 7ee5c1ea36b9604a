import {execFileSync} from 'node:child_process'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {linkAdd} from '../../src/kernel/netlink/link.ts'
import {readOffload, writeOffload} from '../../src/kernel/offload.ts'
import {readSysctl, writeSysctl} from '../../src/kernel/sysctl.ts'
import {type TestNamespace, testNamespace} from './support/namespace.ts'

let node: TestNamespace
beforeAll(() => {
  node = testNamespace('settings')
  node.route.run(linkAdd({kind: 'veth', name: 'eth0.7', peer: {name: 'far'}}))
})
afterAll(() => node.close())

test('a setting below net/ is that of the namespace where the thread stands', () => {
  const path = 'net/ipv4/conf/eth0.7/rp_filter'
  const outside = readSysctl('net/core/somaxconn')
  node.run(() => writeSysctl(path, 0))

  const before = node.run(() => writeSysctl(path, 2))
  node.run(() => writeSysctl('net/core/somaxconn', 77))

  expect(before).toBe('0')
  expect(node.run(() => readSysctl(path))).toBe('2')
  expect(execFileSync('nsenter', [`--net=${node.path}`, 'sysctl', '-n', path], {encoding: 'utf8'}).trim()).toBe('2')
  expect(readSysctl(path)).toBeUndefined()
  expect(readSysctl('net/core/somaxconn')).toBe(outside)
})

test('a setting that does not exist cannot be written, nor can a value that it does not take', () => {
  expect(() => writeSysctl('net/ipv4/no_such_thing', 1)).toThrow(expect.objectContaining({errno: 'ENOENT'}))
  expect(() => node.run(() => writeSysctl('net/ipv4/ip_forward', 'perhaps'))).toThrow(
    expect.objectContaining({errno: 'EINVAL', operation: 'set net/ipv4/ip_forward to perhaps'}),
  )
})

test('offloads of a device are read and changed', () => {
  expect(node.run(() => readOffload('eth0.7', 'tx-checksum'))).toBe(true)

  node.run(() => writeOffload('eth0.7', 'tx-checksum', false))
  node.run(() => writeOffload('eth0.7', 'gro', true))

  expect(node.run(() => readOffload('eth0.7', 'tx-checksum'))).toBe(false)
  expect(node.run(() => readOffload('eth0.7', 'gro'))).toBe(true)
  expect(() => node.run(() => readOffload('nobody', 'gro'))).toThrow(expect.objectContaining({errno: 'ENODEV'}))
})
