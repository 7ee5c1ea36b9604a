import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {Cidr} from '../../../src/model/cidr.ts'
import {cidrLabel, Label, LabelSet, podLabels} from '../../../src/model/labels.ts'

const word = fc.stringMatching(/^[a-z][a-z0-9./-]{0,8}$/)
const label = fc
  .tuple(fc.constantFrom('k8s', 'reserved', 'cidr', 'cni'), word, fc.stringMatching(/^[a-zA-Z0-9;\\._-]{0,6}$/))
  .map(([source, key, value]) => Label.make(source, key, value))

describe('one label', () => {
  test.each([
    ['k8s:app=web', ['k8s', 'app', 'web'], 'k8s:app=web'],
    ['k8s:app', ['k8s', 'app', ''], 'k8s:app'],
    ['k8s:app=', ['k8s', 'app', ''], 'k8s:app'],
    ['reserved:host', ['reserved', 'host', ''], 'reserved:host'],
    ['app=a:b=c', ['unspec', 'app', 'a:b=c'], 'unspec:app=a:b=c'],
    ['cidr:2001-db8--0/32', ['cidr', '2001-db8--0/32', ''], 'cidr:2001-db8--0/32'],
  ])('%s', (text, [source, key, value], written) => {
    const parsed = Label.parse(text)
    expect([parsed?.source, parsed?.key, parsed?.value]).toEqual([source, key, value])
    expect(String(parsed)).toBe(written)
  })

  test('without a key or with an empty source it is none', () => {
    expect(['', 'k8s:', '=x', ':app', 'k8s:=x'].map((text) => Label.parse(text))).toEqual(Array(5).fill(undefined))
  })

  test('the source of a selector key can be given', () => {
    expect(String(Label.parse('app=web', 'any'))).toBe('any:app=web')
  })

  test('text goes round', () => {
    fc.assert(
      fc.property(label, (one) => {
        expect(Label.parse(one.toString())).toEqual(one)
      }),
    )
  })
})

describe('sets', () => {
  test('the canonical text does not depend on the order', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(label, {selector: (one) => one.name}),
        fc.infiniteStream(fc.nat()),
        (labels, random) => {
          const shuffled = labels.map((one) => ({one, at: random.next().value as number})).sort((a, b) => a.at - b.at)
          const [a, b] = [LabelSet.of(labels), LabelSet.of(shuffled.map(({one}) => one))]
          expect(a.canonical).toBe(b.canonical)
          expect(a.equals(b)).toBe(true)
          expect(LabelSet.fromSecurityLabels(a.toSecurityLabels()).equals(a)).toBe(true)
        },
      ),
    )
  })

  test('two different sets never share a canonical text', () => {
    const tricky = LabelSet.of([Label.make('k8s', 'a', 'b;k8s:c=d')])
    expect(tricky.canonical).not.toBe(LabelSet.parse(['k8s:a=b', 'k8s:c=d']).canonical)
    fc.assert(
      fc.property(fc.array(label), fc.array(label), (a, b) => {
        const [left, right] = [LabelSet.of(a), LabelSet.of(b)]
        expect(left.canonical === right.canonical).toBe(
          JSON.stringify(left.toSecurityLabels()) === JSON.stringify(right.toSecurityLabels()),
        )
      }),
    )
  })

  test('labels are found by source and key, or by key in any source', () => {
    const set = LabelSet.parse(['k8s:app=web', 'cni:app=other', 'reserved:host', '='])
    expect(set.get('k8s', 'app')).toBe('web')
    expect(set.get('any', 'app')).toBe('other')
    expect(set.get('reserved', 'app')).toBeUndefined()
    expect(set.has('any', 'host')).toBe(true)
    expect(set.has('any', 'zzz')).toBe(false)
    expect(set.withKey('app').map(String)).toEqual(['cni:app=other', 'k8s:app=web'])
    expect([set.size, [...set].length, LabelSet.empty.size]).toEqual([3, 3, 0])
  })

  test('the later of two values wins', () => {
    const set = LabelSet.parse(['k8s:app=web']).with(LabelSet.parse(['k8s:app=db', 'k8s:tier=back']))
    expect(String(set)).toBe('k8s:app=db,k8s:tier=back')
    expect(JSON.stringify(set)).toBe('["k8s:app=db","k8s:tier=back"]')
    expect(String(set.filter((one) => one.key === 'tier'))).toBe('k8s:tier=back')
  })

  test('security labels of an identity without a source or a key do not get in the way', () => {
    const set = LabelSet.fromSecurityLabels({app: 'web', 'k8s:': 'x', ':y': 'z', 'k8s:a:b': 'c'})
    expect(set.toStrings()).toEqual(['k8s:a:b=c', 'unspec:app=web', 'unspec:y=z'])
    expect(LabelSet.fromSecurityLabels(undefined).size).toBe(0)
    expect(LabelSet.fromRecord(undefined).size).toBe(0)
  })
})

describe('labels of pods', () => {
  const pod = {
    labels: {app: 'web'},
    namespace: 'shop',
    namespaceLabels: {'kubernetes.io/metadata.name': 'shop'},
    serviceAccount: 'default',
    cluster: 'one',
  }

  test('own and derived labels', () => {
    expect(podLabels(pod).toStrings()).toEqual([
      'k8s:app=web',
      'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop',
      'k8s:io.cilium.k8s.policy.cluster=one',
      'k8s:io.cilium.k8s.policy.serviceaccount=default',
      'k8s:io.kubernetes.pod.namespace=shop',
    ])
  })

  test('a pod cannot claim another namespace, service account or cluster by its own labels', () => {
    const forged = podLabels({
      ...pod,
      serviceAccount: undefined,
      labels: {
        'io.kubernetes.pod.namespace': 'kube-system',
        'io.cilium.k8s.policy.serviceaccount': 'admin',
        'io.cilium.k8s.policy.cluster': 'other',
        'io.cilium.k8s.namespace.labels.trusted': 'yes',
      },
    })
    expect(forged.toStrings()).toEqual([
      'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop',
      'k8s:io.cilium.k8s.policy.cluster=one',
      'k8s:io.kubernetes.pod.namespace=shop',
    ])
  })

  test('a pod without labels has the derived ones', () => {
    expect(podLabels({...pod, labels: undefined, namespaceLabels: undefined}).size).toBe(3)
  })
})

test.each([
  ['10.0.0.0/8', 'cidr:10.0.0.0/8'],
  ['2001:db8::/32', 'cidr:2001-db8--0/32'],
  ['::/0', 'cidr:0--0/0'],
  ['fd00::1/128', 'cidr:fd00--1/128'],
])('the label of %s is %s', (cidr, text) => {
  expect(String(cidrLabel(Cidr.of(cidr)))).toBe(text)
})
