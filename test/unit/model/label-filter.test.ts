import {expect, test} from 'vitest'
import {LabelFilter} from '../../../src/model/label-filter.ts'
import {Label, LabelSet} from '../../../src/model/labels.ts'

const kept = (userList: string, labels: string[]) =>
  LabelFilter.parse(userList).filter.apply(LabelSet.parse(labels, 'k8s')).toStrings()

test.each([
  'reserved:host',
  'k8s:app=web',
  'k8s:tier=front',
  'k8s:app.kubernetes.io/name=web',
  'k8s:io.kubernetes.pod.namespace=shop',
  'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop',
  'k8s:io.cilium.k8s.policy.cluster=one',
  'k8s:io.cilium.k8s.policy.serviceaccount=default',
  'k8s:my.kubernetes.io/x=y', // excludes match at the start of the key only
])('by default %s counts', (text) => {
  expect(kept('', [text])).toEqual([text])
})

test.each([
  'k8s:io.kubernetes.pod.uid=1',
  'k8s:kubernetes.io/os=linux',
  'k8s:statefulset.kubernetes.io/pod-name=db-0',
  'k8s:apps.kubernetes.io/pod-index=0',
  'k8s:batch.kubernetes.io/controller-uid=1',
  'k8s:batch.kubernetes.io/job-completion-index=1',
  'k8s:beta.kubernetes.io/arch=amd64',
  'k8s:node.beta.kubernetes.io/arch=amd64',
  'k8s:k8s.io/x=y',
  'k8s:pod-template-generation=1',
  'k8s:pod-template-hash=abc',
  'k8s:controller-revision-hash=abc',
  'k8s:controller-uid=1',
  'k8s:annotation.x=y',
  'k8s:etcd_node=1',
  'k8s:topology.kubernetes.io/zone=a',
])('by default %s does not count', (text) => {
  expect(kept('', [text])).toEqual([])
})

test('listing an include keeps only what is listed, next to the built-in ones', () => {
  expect(kept('k8s:app', ['app=web', 'tier=front', 'io.kubernetes.pod.namespace=shop', 'cni:app=x'])).toEqual([
    'k8s:app=web',
    'k8s:io.kubernetes.pod.namespace=shop',
  ])
})

test('listing excludes only keeps the rest', () => {
  expect(kept('!tier !k8s:job-.* k8s:!zone', ['app=web', 'tier=front', 'job-id=1', 'cni:job-id=1', 'zone=a'])).toEqual([
    'k8s:app=web',
    'cni:job-id=1',
  ])
})

test('of nodes every label counts, unless a list says which', () => {
  const labels = LabelSet.parse(['node:kubernetes.io/hostname=n1', 'node:role=x', 'node:beta.kubernetes.io/os=linux'])
  const keptOf = (list: string) => LabelFilter.parseForNodes(list).filter.apply(labels).toStrings()

  expect(keptOf('')).toEqual(labels.toStrings())
  expect(keptOf('role kubernetes\\.io/host')).toEqual(['node:kubernetes.io/hostname=n1', 'node:role=x'])
  expect(keptOf('!beta')).toEqual(['node:kubernetes.io/hostname=n1', 'node:role=x'])
})

test('the longer include beats the shorter exclude', () => {
  expect(kept('kubernetes\\.io/os', ['kubernetes.io/os=linux', 'kubernetes.io/arch=amd64'])).toEqual([
    'k8s:kubernetes.io/os=linux',
  ])
  // the shortest exclude that matches (io.kubernetes) is what an include is compared with
  expect(kept('!io\\.kubernetes\\.pod\\.namespace\\.more', ['io.kubernetes.pod.namespace.more=x'])).toHaveLength(1)
})

test('entries that are not understood are left out and reported', () => {
  const {filter, problems} = LabelFilter.parse('[ (a+)+ !  k8s: a*b*c*d* \\1 app')
  expect(problems).toEqual([
    'label expression "[" is not a regular expression',
    'label expression "(a+)+" uses groups, back references or too many wildcards',
    'label expression "!" is empty',
    'label expression "k8s:" is empty',
    'label expression "a*b*c*d*" uses groups, back references or too many wildcards',
    'label expression "\\\\1" uses groups, back references or too many wildcards',
  ])
  expect(filter.accepts(Label.make('k8s', 'app'))).toBe(true)
})

test('answers stay right when more keys are seen than are remembered', () => {
  const {filter} = LabelFilter.parse('!n-1.*')
  for (let i = 0; i < 10_000; i++) expect(filter.accepts(Label.make('k8s', `n-${i}`))).toBe(!String(i).startsWith('1'))
  expect(filter.accepts(Label.make('k8s', 'n-1'))).toBe(false)
})
