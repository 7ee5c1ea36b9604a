import {expect, test} from 'vitest'
import {
  type Candidate,
  chooseDevices,
  isOwnDevice,
  matches,
  podDeviceName,
} from '../../../../src/agent/node/device-names.ts'

const device = (name: string, more: Partial<Candidate> = {}): Candidate => ({
  name,
  kind: '',
  loopback: false,
  enslaved: false,
  defaultRoute: false,
  nodeAddress: false,
  ...more,
})

const candidates = [
  device('lo', {loopback: true, nodeAddress: true}),
  device('eth1', {nodeAddress: true}),
  device('eth0', {defaultRoute: true}),
  device('eth2'),
  device('bond0', {defaultRoute: true}),
  device('ens1', {enslaved: true, defaultRoute: true}),
  device('cilium_host', {nodeAddress: true}),
  device('lxc0123456789ab', {defaultRoute: true}),
]

test.each<[string, readonly string[], boolean, readonly string[]]>([
  ['none named: those with a default route or an address of the node', [], false, ['bond0', 'eth0', 'eth1']],
  ['an exception', ['!bond0'], false, ['eth0', 'eth1']],
  ['named ones alone', ['eth2'], false, ['eth2']],
  ['named ones may be part of a bond', ['ens1'], false, ['ens1']],
  ['a prefix, with an exception', ['eth+', '!eth1'], false, ['eth0', 'eth2']],
  ['named ones and detected ones', ['eth2'], true, ['bond0', 'eth0', 'eth1', 'eth2']],
  ['everything, but never ours or loopback', ['+'], false, ['bond0', 'ens1', 'eth0', 'eth1', 'eth2']],
  ['a name that no device has', ['wlan0'], false, []],
])('%s', (_, patterns, force, expected) => {
  expect(chooseDevices(candidates, patterns, force)).toEqual(expected)
})

test('a pattern ends in a plus or means one name', () => {
  expect(matches('eth0', 'eth')).toBe(false)
  expect(matches('eth0', 'eth+')).toBe(true)
  expect(matches('eth', 'eth+')).toBe(true)
  expect(matches('veth0', 'eth+')).toBe(false)
})

test('the device of an attachment has one name, which Linux takes and which is known as ours', () => {
  const name = podDeviceName('c'.repeat(64), 'eth0')

  expect(name).toBe(podDeviceName('c'.repeat(64), 'eth0'))
  expect(name.length).toBeLessThanOrEqual(15)
  expect(isOwnDevice(name)).toBe(true)
  expect(podDeviceName('c'.repeat(64), 'eth1')).not.toBe(name)
})

test.each(['lxc1', 'lxcbr0', 'lxdbr0', 'cilium', 'cilium_hosts', 'veth0', 'cali0123456789'])(
  '%s is not ours',
  (name) => {
    expect(isOwnDevice(name)).toBe(false)
  },
)
