import {describe, expect, test} from 'vitest'
import type {Endpoint, Flow} from '../../../../src/api/gen/flow.ts'
import {DropReason, TraceObservationPoint, Verdict} from '../../../../src/api/gen/flow.ts'
import {nodeOf} from '../../../../src/hubble/ui/flow-ends.ts'
import {ServiceMap} from '../../../../src/hubble/ui/service-map.ts'

const pod = (name: string): Endpoint => ({
  identity: 5000,
  namespace: 'shop',
  pod_name: `${name}-x`,
  workloads: [{name, kind: 'Deployment'}],
})
const world: Endpoint = {identity: 2}
const trace = (point: number): Flow => ({
  time: 1_000_000_000n,
  verdict: Verdict.FORWARDED,
  event_type: {type: 4},
  trace_observation_point: point,
  is_reply: false,
})
const tcp = (source: number, destination: number) => ({TCP: {source_port: source, destination_port: destination}})

const arrived = (from: Endpoint, to: Endpoint, port: number): Flow => ({
  ...trace(TraceObservationPoint.TO_ENDPOINT),
  source: from,
  destination: to,
  l4: tcp(40_000, port),
})
const drop = (from: Endpoint, to: Endpoint, reason: number): Flow => ({
  time: 2_000_000_000n,
  verdict: Verdict.DROPPED,
  event_type: {type: 1},
  drop_reason_desc: reason,
  source: from,
  destination: to,
  l4: tcp(40_000, 80),
})

describe('the map', () => {
  test('counts a packet once, where it arrives', () => {
    const map = new ServiceMap()

    map.add({...arrived(pod('a'), pod('b'), 80), trace_observation_point: TraceObservationPoint.FROM_ENDPOINT}, true)
    map.add({...arrived(pod('a'), pod('b'), 80), trace_observation_point: TraceObservationPoint.TO_OVERLAY}, true)
    map.add(arrived(pod('a'), pod('b'), 80), true)

    expect(map.changes(0)?.edges).toMatchObject([
      {from: 'shop/Deployment/a', to: 'shop/Deployment/b', protocol: 'TCP', port: 80, counts: {forwarded: 1}, live: 1},
    ])
  })

  test('leads from the caller to the called, whoever sent the packet', () => {
    const map = new ServiceMap()

    map.add({...arrived(pod('b'), pod('a'), 40_000), l4: tcp(80, 40_000), is_reply: true}, true)

    expect(map.changes(0)?.edges).toMatchObject([
      {from: 'shop/Deployment/a', to: 'shop/Deployment/b', port: 80, counts: {forwarded: 0}},
    ])
  })

  test('tells denials from other drops, with the reason and the policy', () => {
    const map = new ServiceMap()
    const policy = [{name: 'db', namespace: 'shop', kind: 'CiliumNetworkPolicy'}]

    map.add({...drop(pod('a'), pod('db'), DropReason.POLICY_DENY), ingress_denied_by: policy}, true)
    map.add(drop(pod('a'), world, DropReason.STALE_OR_UNROUTABLE_IP), true)

    expect(map.changes(0)?.edges).toMatchObject([
      {
        to: 'shop/Deployment/db',
        counts: {denied: 1, dropped: 0},
        badMs: 2000,
        reason: 'Policy denied by denylist',
        policies: [{...policy[0], direction: 'ingress', effect: 'denies'}],
      },
      {to: 'world', counts: {denied: 0, dropped: 1}},
    ])
  })

  test('takes who allowed it from the verdict, without counting that', () => {
    const map = new ServiceMap()
    const allowed = [{name: 'web', namespace: 'shop', kind: 'NetworkPolicy'}]

    map.add({...arrived(pod('a'), pod('b'), 80), event_type: {type: 5}, ingress_allowed_by: allowed}, true)

    expect(map.changes(0)?.edges).toMatchObject([
      {counts: {forwarded: 0, denied: 0}, policies: [{name: 'web', effect: 'allows'}]},
    ])
  })

  test('tells only what changed', () => {
    const map = new ServiceMap()
    map.add(arrived(pod('a'), pod('b'), 80), false)
    map.add(arrived(pod('a'), pod('c'), 80), false)
    expect(map.changes(0)).toMatchObject({nodes: [{}, {}, {}], edges: [{live: 0}, {live: 0}]})
    expect(map.changes(0)).toBeUndefined()

    map.add(arrived(pod('a'), pod('c'), 80), true)

    expect(map.changes(7)).toMatchObject({nodes: [], edges: [{to: 'shop/Deployment/c', live: 1}], nowMs: 7})
  })

  test('grows to its limit and says what it left out', () => {
    const map = new ServiceMap({nodes: 3, edges: 2})

    for (const port of [1, 2, 3, 4]) map.add(arrived(pod('a'), pod('b'), port), true)
    for (const name of ['c', 'd', 'e']) map.add(arrived(pod('a'), pod(name), 1), true)

    const changes = map.changes(0)
    expect(changes?.edges).toHaveLength(2)
    expect(changes?.nodes.length).toBeLessThanOrEqual(3)
    expect(changes?.beyond).toBe(5)
  })
})

describe('an end', () => {
  test.each([
    ['a workload', pod('a'), 'shop/Deployment/a', 'workload'],
    ['a pod without one', {identity: 9, namespace: 'x', pod_name: 'p'}, 'x/Pod/p', 'workload'],
    ['the world in IPv6', {identity: 10}, 'world', 'world'],
    ['a prefix', {identity: 0x01000005, labels: ['cidr:10.0.0.0/8']}, 'world', 'world'],
    ['the host', {identity: 1}, 'host', 'host'],
    ['a node known by its labels', {identity: 0x02000005, labels: ['node:app=x']}, 'remote-node', 'remote-node'],
    [
      'one where the API server runs',
      {identity: 0x02000005, labels: ['reserved:kube-apiserver', 'reserved:remote-node']},
      'kube-apiserver',
      'kube-apiserver',
    ],
    ['a pod that is gone', {identity: 7777, namespace: 'x', labels: ['k8s:app=old']}, 'x//old', 'workload'],
    [
      'one known by its identity alone',
      {identity: 7777, labels: ['k8s:app=old', 'k8s:io.kubernetes.pod.namespace=y']},
      'y//old',
      'workload',
    ],
    ['nobody known', {identity: 7777}, '//identity 7777', 'other'],
  ] as const)('%s has a place on the map', (_, end, id, kind) => {
    expect(nodeOf(end as unknown as Endpoint)).toMatchObject({id, kind})
  })

  test('with controls and marks of direction in its name shows them', () => {
    const {name} = nodeOf({namespace: 'x', workloads: [{name: 'a\u001b[31m\u202eb\u200b', kind: 'Pod'}]})

    expect(name).toBe('a\ufffd[31m\ufffdb\ufffd')
  })
})
