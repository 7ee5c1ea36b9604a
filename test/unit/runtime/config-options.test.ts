import {describe, expect, test} from 'vitest'
import * as config from '../../../src/runtime/config-options.ts'

const spec = {
  debug: config.boolOption(false),
  'cluster-name': config.textOption('default'),
  'cluster-id': config.integerOption(0, {min: 0, max: 255}),
  'bpf-map-dynamic-size-ratio': config.numberOption(0.0025, {min: 0}),
  'ipam-mode': config.choiceOption('cluster-pool', ['cluster-pool', 'kubernetes'] as const),
  'health-interval': config.durationOption(60_000),
  devices: config.listOption(),
  'k8s-service-host': config.ipOption(),
  'native-cidr': config.cidrOption(),
  'pool-cidrs': config.cidrListOption(),
  free: config.integerOption(1),
}

const read = (texts: Record<string, string>) => config.readConfig(spec, new Map(Object.entries(texts)))

test('without any key everything has its fallback', () => {
  expect(read({})).toEqual({
    config: {
      debug: false,
      'cluster-name': 'default',
      'cluster-id': 0,
      'bpf-map-dynamic-size-ratio': 0.0025,
      'ipam-mode': 'cluster-pool',
      'health-interval': 60_000,
      devices: [],
      'k8s-service-host': undefined,
      'native-cidr': undefined,
      'pool-cidrs': [],
      free: 1,
    },
    problems: [],
    unknown: [],
  })
})

test('texts become typed values', () => {
  const {config: values, problems} = read({
    debug: ' TRUE ',
    'cluster-name': 'one',
    'cluster-id': '7',
    'bpf-map-dynamic-size-ratio': '1e-3',
    'ipam-mode': 'Kubernetes',
    'health-interval': '1m30s',
    devices: 'eth0, eth1\neth2',
    'k8s-service-host': 'fd00::1',
    'native-cidr': '10.0.0.0/8',
    'pool-cidrs': '10.0.0.0/8 fd00::/48',
    free: '',
  })

  expect(problems).toEqual([])
  expect(JSON.parse(JSON.stringify(values))).toEqual({
    debug: true,
    'cluster-name': 'one',
    'cluster-id': 7,
    'bpf-map-dynamic-size-ratio': 0.001,
    'ipam-mode': 'kubernetes',
    'health-interval': 90_000,
    devices: ['eth0', 'eth1', 'eth2'],
    'k8s-service-host': 'fd00::1',
    'native-cidr': '10.0.0.0/8',
    'pool-cidrs': ['10.0.0.0/8', 'fd00::/48'],
    free: 1,
  })
})

describe('problems', () => {
  test('all are reported at once and the fallback stands in', () => {
    const {config: values, problems} = read({
      debug: 'yes',
      'cluster-id': '256',
      'bpf-map-dynamic-size-ratio': '-1',
      'ipam-mode': 'eni',
      'health-interval': '5',
      'k8s-service-host': 'example.org',
      'native-cidr': '10.0.0.0',
      'pool-cidrs': '10.0.0.0/8 nope',
      free: '1.5',
    })

    expect(problems.map(({key, problem}) => `${key} ${problem}`)).toEqual([
      'debug must be true or false',
      'cluster-id must be a whole number from 0 to 255',
      'bpf-map-dynamic-size-ratio must be a number of at least 0',
      'ipam-mode must be one of cluster-pool, kubernetes',
      'health-interval must be a duration such as 30s or 1m30s',
      'k8s-service-host must be an IP address',
      'native-cidr must be a CIDR such as 10.0.0.0/8',
      'pool-cidrs must be a list of CIDRs (nope is none)',
      'free must be a whole number',
    ])
    expect(values['cluster-id']).toBe(0)
  })

  test('keys that no option has are listed', () => {
    expect(read({'no-such-key': 'x', toString: 'y'}).unknown).toEqual(['no-such-key', 'toString'])
  })

  test('an upper limit alone is named', () => {
    const {problems} = config.readConfig({n: config.integerOption(1, {max: 5})}, new Map([['n', '9']]))
    expect(problems[0]?.problem).toBe('must be a whole number of at most 5')
  })
})
