import {mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {changeConfig, formatValue, loadConfig, parseConfig} from '../../../src/agent/config.ts'
import {CiliumError} from '../../../src/runtime/errors.ts'

const parse = (texts: Record<string, string>) => parseConfig(new Map(Object.entries(texts)), 'node1')

function problemOf(texts: Record<string, string>): string {
  try {
    parse(texts)
  } catch (thrown) {
    if (thrown instanceof CiliumError) return `${thrown.code} ${thrown.message}`
    throw thrown
  }
  return 'none'
}

test('no key at all gives the defaults', () => {
  const {config} = parse({})

  expect(config.nodeName).toBe('node1')
  expect(config['routing-mode']).toBe('tunnel')
  expect(config['enable-ipv4']).toBe(true)
  expect(config['enable-ipv6']).toBe(false)
  expect(config['cluster-health-port']).toBe(4240)
})

test('texts become typed values, whatever their case and blanks', () => {
  const {config} = parse({
    'enable-ipv6': 'True\n',
    'routing-mode': 'Native',
    'ipv4-native-routing-cidr': '10.0.0.1/8',
    'ipv6-native-routing-cidr': 'fd00::/48',
    'cluster-pool-ipv4-cidr': '10.1.0.0/16 10.2.0.0/16,10.3.0.0/16',
    devices: 'eth0 eth+',
    'monitor-aggregation-interval': '1m30s',
    'log-opt': 'format=json,level=warn',
  })

  expect(config['enable-ipv6']).toBe(true)
  expect(config['routing-mode']).toBe('native')
  expect(String(config['ipv4-native-routing-cidr'])).toBe('10.0.0.0/8')
  expect(config['cluster-pool-ipv4-cidr'].map(String)).toEqual(['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16'])
  expect(config.devices).toEqual(['eth0', 'eth+'])
  expect(config['monitor-aggregation-interval']).toBe(90_000)
  expect(config['log-opt']).toEqual({format: 'json', level: 'warn'})
})

test.each([
  [{'enable-ipv4': 'maybe'}, 'enable-ipv4="maybe" must be true or false'],
  [{'routing-mode': 'magic'}, 'routing-mode="magic" must be one of tunnel, native'],
  [{'tunnel-port': '70000'}, 'tunnel-port="70000" must be a whole number from 0 to 65535'],
  [{'cluster-pool-ipv4-cidr': 'fd00::/64'}, 'must be a list of IPv4 CIDRs (fd00::/64 is none)'],
  [{'ipv6-native-routing-cidr': '10.0.0.0/8'}, 'must be an IPv6 prefix such as fd00::/104'],
  [{'monitor-aggregation-interval': '5'}, 'must be a duration such as 30s'],
  [{'log-opt': 'json'}, 'must be pairs such as format=json,level=info'],
])('a wrong value %o names its key and what is allowed', (texts, part) => {
  expect(problemOf(texts as Record<string, string>)).toContain('CONFIG_VALUE_INVALID')
  expect(problemOf(texts as Record<string, string>)).toContain(part)
})

test.each([
  [{'enable-ipv4': 'false'}, 'both false'],
  [{'cluster-id': '3'}, 'cluster-name'],
  [{'cluster-name': 'Über'}, 'cluster-name'],
  [{'routing-mode': 'native'}, 'ipv4-native-routing-cidr'],
  [{'auto-direct-node-routes': 'true'}, 'routing-mode=native'],
  [{'tunnel-protocol': 'geneve'}, 'routing-mode=native'],
  [{'enable-ipv6': 'true', mtu: '1000'}, '1280'],
  [{'underlay-protocol': 'ipv6'}, 'enable-ipv6'],
  [{'bpf-lb-mode': 'dsr', 'bpf-lb-dsr-dispatch': 'ipip'}, 'kube-proxy-replacement'],
  [{'bpf-lb-acceleration': 'native'}, 'kube-proxy-replacement'],
  [{'bpf-lb-mode': 'hybrid', 'kube-proxy-replacement': 'true'}, 'routing-mode=native'],
  [{'bpf-lb-mode-annotation': 'true', 'kube-proxy-replacement': 'true'}, 'routing-mode=native'],
])('values that do not fit together (%o) are refused', (texts, part) => {
  expect(problemOf(texts as Record<string, string>)).toContain('CONFIG_CONFLICT')
  expect(problemOf(texts as Record<string, string>)).toContain(part)
})

test('a node without a name is refused', () => {
  expect(() => parseConfig(new Map(), undefined)).toThrow('name of this node is not known')
})

test('keys of other processes are silent, unknown ones are listed', () => {
  const {unknown} = parse({'operator-api-serve-addr': 'x', 'enable-hubble': 'true', 'enabel-ipv4': 'x'})

  expect(unknown).toEqual(['enabel-ipv4'])
})

test('a bad label expression is a problem and not the end', () => {
  const {problems} = parse({labels: 'k8s:app k8s:('})

  expect(problems).toHaveLength(1)
})

test('a few keys may change while the agent runs, the others may not', () => {
  const {config} = parse({})

  expect(changeConfig(config, new Map([['debug', 'true']])).debug).toBe(true)
  expect(() => changeConfig(config, new Map([['enable-ipv4', 'false']]))).toThrow('enable-ipv4 cannot be changed')
  expect(() => changeConfig(config, new Map([['no-such', 'x']]))).toThrow('no-such cannot be changed')
  expect(() => changeConfig(config, new Map([['monitor-aggregation', 'x']]))).toThrow('must be one of none')
})

test('a folder is read as Kubernetes mounts it, and the command line wins', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-config-'))
  try {
    await mkdir(join(folder, '..2026'))
    await writeFile(join(folder, '..2026', 'debug'), 'true')
    await writeFile(join(folder, '..2026', 'mtu'), '1400')
    await symlink('..2026', join(folder, '..data'))
    await symlink('..data/debug', join(folder, 'debug'))
    await symlink('..data/mtu', join(folder, 'mtu'))

    const {config, texts} = await loadConfig(folder, new Map([['mtu', '9000']]), 'node1')

    expect(config.debug).toBe(true)
    expect(config.mtu).toBe(9000)
    expect(texts).toEqual(
      new Map([
        ['debug', 'true'],
        ['mtu', '9000'],
      ]),
    )
  } finally {
    await rm(folder, {recursive: true})
  }
})

test('a missing folder is an error with its path', async () => {
  await expect(loadConfig('/no/such/folder', new Map(), 'node1')).rejects.toMatchObject({code: 'CONFIG_UNREADABLE'})
})

test('values are shown as the texts that would give them', () => {
  const {config} = parse({'cluster-pool-ipv4-cidr': '10.1.0.0/16', 'log-opt': 'level=info'})

  expect(formatValue(config['cluster-pool-ipv4-cidr'])).toBe('10.1.0.0/16')
  expect(formatValue(config['ipv4-native-routing-cidr'])).toBe('')
  expect(formatValue(config['log-opt'])).toBe('level=info')
  expect(formatValue(config['enable-ipv4'])).toBe('true')
})
