import {expect, test} from 'vitest'
import {parseOperatorConfig} from '../../../src/operator/config.ts'
import {parseFlags} from '../../../src/operator/main.ts'

const pools = {'cluster-pool-ipv4-cidr': '10.0.0.0/8 172.16.0.0/12', 'cluster-pool-ipv6-cidr': 'fd00::/104'}
const parse = (texts: Record<string, string>) => parseOperatorConfig(new Map(Object.entries({...pools, ...texts})))
const code = (texts: Record<string, string>) => {
  try {
    parse(texts)
    return undefined
  } catch (thrown) {
    return thrown as {code: string; message: string}
  }
}

test('the keys of cilium-config are read with their defaults', () => {
  const config = parse({'enable-ipv6': 'true', 'identity-gc-interval': '1m30s'})

  expect(config['identity-gc-interval']).toBe(90_000)
  expect(config['agent-not-ready-taint-key']).toBe('node.cilium.io/agent-not-ready')
  expect(config.families.map(({family, pools, nodeMask}) => [family, pools.map(String), nodeMask])).toEqual([
    [4, ['10.0.0.0/8', '172.16.0.0/12'], 24],
    [6, ['fd00::/104'], 120],
  ])
})

test('keys of the agent are passed over', () => {
  expect(code({'routing-mode': 'native', 'bpf-map-dynamic-size-ratio': 'x'})).toBeUndefined()
})

test('a family that is off takes no part, and neither does any with ipam=kubernetes', () => {
  expect(parse({}).families.map(({family}) => family)).toEqual([4])
  expect(parse({ipam: 'kubernetes', 'cluster-pool-ipv4-cidr': ''}).families).toEqual([])
})

test.each([
  ['a pool with host bits', {'cluster-pool-ipv4-cidr': '10.0.0.1/8'}, 'has host bits; its network is 10.0.0.0/8'],
  ['a pool of the other family', {'cluster-pool-ipv4-cidr': 'fd00::/104'}, 'must be a list of IPv4 prefixes'],
  ['a mode that is not offered', {ipam: 'eni'}, 'one of cluster-pool, kubernetes'],
  ['a duration without a unit', {'nodes-gc-interval': '5'}, 'nodes-gc-interval="5" must be a duration'],
  ['a prefix without room for pods', {'cluster-pool-ipv4-mask-size': '31'}, 'from 1 to 30'],
])('%s is refused with its key', (_, texts, message) => {
  expect(code(texts)).toMatchObject({code: 'CONFIG_INVALID', message: expect.stringContaining(message)})
})

test('all wrong values are named at once', () => {
  expect(code({ipam: 'x', 'enable-ipv4': 'y'})?.message).toMatch(/enable-ipv4.*;.*ipam|ipam.*;.*enable-ipv4/)
})

test.each([
  ['no family', {'enable-ipv4': 'false'}, 'both false'],
  ['no pool for a family', {'enable-ipv6': 'true', 'cluster-pool-ipv6-cidr': ''}, 'needs cluster-pool-ipv6-cidr'],
  ['a pool smaller than a prefix', {'cluster-pool-ipv4-cidr': '10.0.0.0/25'}, 'smaller than one'],
  ['pools that overlap', {'cluster-pool-ipv4-cidr': '10.0.0.0/8 10.1.0.0/16'}, '10.0.0.0/8 and 10.1.0.0/16 overlap'],
  ['taints that nobody removes', {'remove-cilium-node-taints': 'false'}, 'would stay for ever'],
])('%s is refused', (_, texts, message) => {
  expect(code(texts)).toMatchObject({code: 'OPERATOR_CONFIG_CONFLICT', message: expect.stringContaining(message)})
})

test('flags name the folder and override its keys', () => {
  const {folder, overrides} = parseFlags([
    '--config-dir',
    '/config',
    '--debug',
    '--ipam=kubernetes',
    '--metrics',
    'a b',
  ])

  expect(folder).toBe('/config')
  expect(overrides).toEqual(
    new Map([
      ['debug', 'true'],
      ['ipam', 'kubernetes'],
      ['metrics', 'a b'],
    ]),
  )
})

test.each([['--ipan=kubernetes'], ['kubernetes'], ['--config_dir=/x']])('flag %s is refused', (flag) => {
  expect(() => parseFlags([flag])).toThrow(expect.objectContaining({code: 'OPERATOR_FLAG_INVALID'}))
})
