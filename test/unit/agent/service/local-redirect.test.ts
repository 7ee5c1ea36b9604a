import {expect, test} from 'vitest'
import {serviceRow} from '../../../../src/agent/reflect/service.ts'
import {FrontendClaims} from '../../../../src/agent/service/claims.ts'
import {type LocalRedirectObject, localRedirectRow, redirectsOf} from '../../../../src/agent/service/local-redirect.ts'
import type {FrontendRow} from '../../../../src/agent/service/rows.ts'
import type {PodRow} from '../../../../src/agent/state/rows.ts'
import {Cidr} from '../../../../src/model/cidr.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {pod} from '../reconcile-support.ts'

type Spec = NonNullable<LocalRedirectObject['spec']>
const dns = {localEndpointSelector: {matchLabels: {app: 'dns'}}, toPorts: [{port: '5353', protocol: 'UDP'}]}
const backends = [
  {pod: pod('dns-1', {app: 'dns'}), ips: [Ip.of('10.0.1.5'), Ip.of('fd00::5')]},
  {pod: pod('dns-2', {app: 'dns'}, {ready: false}), ips: [Ip.of('10.0.1.6')]},
  {pod: pod('web', {app: 'web'}), ips: [Ip.of('10.0.1.7')]},
]
const service = serviceRow({
  metadata: {namespace: 'default', name: 'kube-dns'},
  spec: {
    clusterIPs: ['10.96.0.10', 'fd00:96::a'],
    ports: [
      {name: 'dns', port: 53, protocol: 'UDP'},
      {name: 'dns-tcp', port: 53, protocol: 'TCP'},
    ],
  },
})!

function see(spec: Spec, more: {pods?: {pod: PodRow; ips: Ip[]}[]; owner?: string; allowed?: Cidr[]} = {}) {
  const policy = localRedirectRow({metadata: {namespace: 'default', name: 'lrp'}, spec})
  const {rows, problems} = redirectsOf(policy, {
    node: 'worker1',
    families: [4, 6],
    allowed: more.allowed ?? [],
    service: (key) => (key === 'default/kube-dns' ? service : undefined),
    pods: () => more.pods ?? backends,
    owner: () => more.owner,
  })
  const texts = rows.map(
    ({key, backends}) => `${key} → ${backends.active.map(({ip, port}) => `${ip} ${port}`).join(', ')}`,
  )
  return problems.length > 0 ? problems : texts
}

const address = (ip: string, ...toPorts: {port: string; protocol: string; name?: string}[]): Spec => ({
  redirectFrontend: {addressMatcher: {ip, toPorts}},
  redirectBackend: dns,
})

test('an address is redirected to the ready pods of this node that the selector names', () => {
  expect(see(address('169.254.20.10', {port: '53', protocol: 'UDP'}))).toEqual(['169.254.20.10:53/UDP → 10.0.1.5 5353'])
  expect(see(address('fd12::10', {port: '53', protocol: 'UDP'}))).toEqual(['[fd12::10]:53/UDP → fd00::5 5353'])
})

test('a service is redirected at all its cluster addresses, several ports by their names', () => {
  const spec = {
    redirectFrontend: {serviceMatcher: {serviceName: 'kube-dns', namespace: 'default'}},
    redirectBackend: {
      ...dns,
      toPorts: [
        {name: 'dns', port: '5353', protocol: 'UDP'},
        {name: 'dns-tcp', port: '5354', protocol: 'TCP'},
      ],
    },
  }

  expect(see(spec)).toEqual([
    '10.96.0.10:53/UDP → 10.0.1.5 5353',
    '10.96.0.10:53/TCP → 10.0.1.5 5354',
    '[fd00:96::a]:53/UDP → fd00::5 5353',
    '[fd00:96::a]:53/TCP → fd00::5 5354',
  ])
})

test('without a ready pod here nothing is redirected', () => {
  expect(see(address('169.254.20.10', {port: '53', protocol: 'UDP'}), {pods: backends.slice(1)})).toEqual([])
})

test('what belongs to others, or to no range that may be redirected, stays where it is', () => {
  const spec = address('10.96.7.7', {port: '53', protocol: 'UDP'})

  expect(see(spec, {owner: 'service prod/db'})).toEqual(['10.96.7.7 belongs to service prod/db'])
  expect(see(spec, {allowed: [Cidr.of('169.254.0.0/16')]})).toEqual([
    '10.96.7.7 is in none of the ranges that may be redirected (localRedirectPolicies.addressMatcherCIDRs)',
  ])
})

test('a service of another namespace is refused', () => {
  const redirectFrontend = {serviceMatcher: {serviceName: 'kube-dns', namespace: 'kube-system'}}

  expect(see({redirectFrontend, redirectBackend: dns})).toEqual([
    'serviceMatcher: "kube-system" is not the policy\'s own namespace',
  ])
})

test('what cannot be followed is named', () => {
  const two = address(
    '169.254.20.10',
    {port: '53', protocol: 'UDP', name: 'a'},
    {port: '54', protocol: 'UDP', name: 'b'},
  )
  expect(see(two)).toEqual(['no port of the backends goes with a/UDP', 'no port of the backends goes with b/UDP'])
  expect(see(address('0.0.0.0', {port: '53', protocol: 'UDP'}))).toHaveLength(1)
})

test('pods that are spared find whoever had the frontend, or nobody', () => {
  const spec = {
    redirectFrontend: {
      serviceMatcher: {serviceName: 'kube-dns', namespace: 'default', toPorts: [{port: '53', protocol: 'UDP'}]},
    },
    redirectBackend: dns,
    skipRedirectFromBackend: true,
  }
  const policy = localRedirectRow({metadata: {namespace: 'default', name: 'lrp'}, spec})
  const {rows, problems} = redirectsOf(policy, {
    node: 'worker1',
    families: [4],
    allowed: [],
    service: () => service,
    pods: () => backends,
    owner: () => undefined,
  })
  const [redirect] = rows
  const backend = {ip: Ip.of('10.0.9.9'), port: 53, protocol: 'UDP', node: 'other', zone: undefined} as const
  const own: FrontendRow = {
    ...redirect!,
    kind: 'ClusterIP',
    inside: undefined,
    sparesBackends: false,
    backends: {active: [backend], terminating: []},
  }
  const claims = new FrontendClaims()

  expect(problems).toEqual([])
  expect(redirect).toMatchObject({sparesBackends: true, backends: {active: []}, inside: {active: [{port: 5353}]}})
  expect(claims.set('lrp', rows)).toMatchObject([{row: {backends: {active: []}, inside: {active: [{port: 5353}]}}}])
  for (const change of [claims.set('service', [own]), claims.set('lrp', rows)])
    expect(change).toMatchObject([
      {row: {kind: 'LocalRedirect', backends: {active: [backend]}, inside: {active: [{port: 5353}]}}},
    ])
  expect(claims.conflicts('service')).toEqual([])
  expect(claims.set('lrp', [])).toMatchObject([{row: {kind: 'ClusterIP', inside: undefined}}])
})
