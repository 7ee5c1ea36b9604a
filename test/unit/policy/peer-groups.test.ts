/** Groups of peers: rows that follow identities, classes and rules, whatever comes first. */
import {expect, test} from 'vitest'
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {LabelSet} from '../../../src/model/labels.ts'
import {type LabelSelectorObject, parseSelector} from '../../../src/model/selector.ts'
import {CidrClasses, type NamedPorts} from '../../../src/policy/cidr-classes.ts'
import {cidrSelector} from '../../../src/policy/cidr-selector.ts'
import type {ExpandedPeers} from '../../../src/policy/expand.ts'
import {groupsMax, isMember, PeerGroups} from '../../../src/policy/peer-groups.ts'
import type {PolicyLimit} from '../../../src/policy/rule-set.ts'
import type {PeerIdentity} from '../../../src/policy/universe.ts'
import {Random} from '../../support/policy-reference/random.ts'

function about(...selectors: LabelSelectorObject[]): ExpandedPeers {
  const parsed = selectors.map((object) => parseSelector(object))
  return {any: false, cidrs: [], selectors: parsed.flatMap((one) => ('selector' in one ? [one.selector] : []))}
}
const app = (value: string) => about({matchLabels: {app: value}})
const prefix = (text: string) => cidrSelector([{cidr: Cidr.of(text), except: []}], 'outside')
const inside = (...selectors: ReturnType<typeof prefix>[]): ExpandedPeers => ({
  any: false,
  selectors: [],
  cidrs: selectors,
})
const ports = (http: number): NamedPorts => new Map([['http', [{protocol: 6, port: http}]]])

function identity(id: number, labels: Record<string, string>, namedPorts: PeerIdentity['namedPorts'] = new Map()) {
  return {id, labels: LabelSet.fromRecord(labels), namedPorts}
}
const members = (groups: PeerGroups, group: number) =>
  [...groups.allRows()].filter(({groups: row}) => isMember(row, group)).map(({kind, number}) => `${kind} ${number}`)

test('a rule has one number for all whom it is about, and an identity that comes later is in it', () => {
  const groups = new PeerGroups()
  for (let id = 300; id < 1300; id++) groups.setIdentity(identity(id, {app: id % 2 ? 'web' : 'db', n: String(id)}))
  const web = groups.numberOf(app('web'))

  groups.takeChanges()
  groups.setIdentity(identity(5001, {app: 'web'}))

  expect(groups.takeChanges().rows.map(({number}) => number)).toEqual([5001])
  expect(members(groups, web)).toHaveLength(501)
  expect(groups.numberOf(app('web'))).toBe(web)
})

test('a new rule changes the rows of those alone whom it is about', () => {
  const groups = new PeerGroups()
  for (const [id, name] of [
    [300, 'web'],
    [301, 'db'],
  ] as const)
    groups.setIdentity(identity(id, {app: name}))
  groups.takeChanges()

  groups.numberOf(app('db'))

  expect(groups.takeChanges().rows).toMatchObject([{kind: 'identity', number: 301}])
})

test('an identity that is gone takes its row with it', () => {
  const groups = new PeerGroups()
  groups.setIdentity(identity(300, {app: 'web'}))
  groups.takeChanges()

  groups.deleteIdentity(300)

  expect(groups.takeChanges().rows).toEqual([{kind: 'identity', number: 300, groups: undefined}])
})

test('prefixes are asked of classes, and the classes of what groups ask for are kept', () => {
  const groups = new PeerGroups()
  const [lab, all] = [prefix('10.0.0.0/8'), prefix('0.0.0.0/0')]
  const group = groups.numberOf(inside(lab))
  const classes = new CidrClasses([all, ...groups.cidrSelectors()])

  groups.setClasses(classes.all)

  expect(members(groups, group)).toEqual([`class ${classes.at(Ip.of('10.1.2.3'), 'outside')}`])
})

test('a port name makes groups of peers that mean the same by it', () => {
  const groups = new PeerGroups()
  groups.setIdentity(identity(300, {app: 'web'}, ports(80)))
  groups.setIdentity(identity(301, {app: 'web'}, ports(8080)))
  groups.setIdentity(identity(302, {app: 'db'}, ports(80)))

  expect(groups.portNumbers('http', 6)).toEqual([80, 8080])
  expect(members(groups, groups.numberOf(app('web'), {name: 'http', protocol: 6, port: 80}))).toEqual(['identity 300'])
})

test('a port name that gets another number is told, so that sets which rest on it are made anew', () => {
  const groups = new PeerGroups()
  groups.setIdentity(identity(300, {app: 'web'}, ports(80)))
  groups.takeChanges()

  groups.setIdentity(identity(301, {app: 'web'}, ports(80)))
  expect([...groups.takeChanges().portNames]).toEqual([])
  groups.setIdentity(identity(301, {app: 'web'}, ports(81)))

  expect([...groups.takeChanges().portNames]).toEqual(['http/6'])
})

test('pods of one identity whose ports differ are told by their classes', () => {
  const groups = new PeerGroups()
  const classes = new CidrClasses([])
  const at80 = classes.at(Ip.of('10.0.0.1'), 'inside', {identity: 300, namedPorts: ports(80)})
  classes.at(Ip.of('10.0.0.2'), 'inside', {identity: 300, namedPorts: ports(81)})
  groups.setIdentity(identity(300, {app: 'web'}, 'differ'))
  groups.setClasses(classes.all)

  const group = groups.numberOf(app('web'), {name: 'http', protocol: 6, port: 80})

  expect(members(groups, group)).toEqual([`class ${at80}`])
})

test('a number is given away again only when all are used, and brings nobody from before', () => {
  const groups = new PeerGroups()
  groups.setIdentity(identity(300, {app: 'web'}))
  groups.setIdentity(identity(301, {app: 'db'}))
  const web = groups.numberOf(app('web'))
  groups.retain([])
  for (let n = 1; n < groupsMax - 1; n++) groups.numberOf(app(`other${n}`))

  const again = groups.numberOf(app('db'))

  expect(again).toBe(web)
  expect(members(groups, again)).toEqual(['identity 301'])
  expect(() => groups.numberOf(app('one more'))).toThrow(
    expect.objectContaining({name: 'PolicyLimit'} satisfies Partial<PolicyLimit>),
  )
})

test('after a restart groups have the numbers and members they had, also those that no policy asks for', () => {
  const before = new PeerGroups()
  before.setIdentity(identity(300, {app: 'web'}))
  before.setIdentity(identity(301, {app: 'db'}))
  const [, db, web] = [before.numberOf(app('gone')), before.numberOf(app('db')), before.numberOf(app('web'))]
  before.retain([db, web])
  const after = new PeerGroups()

  after.restore(before.list())
  after.setIdentity(identity(300, {app: 'web'}))
  after.setIdentity(identity(302, {app: 'db'}))

  expect([after.numberOf(app('web')), after.numberOf(app('db'))]).toEqual([web, db])
  expect(members(after, web)).toEqual(['identity 300'])
  expect(members(after, db)).toEqual(['identity 302'])
  expect([web, db]).not.toContain(after.numberOf(app('cache')))
})

test('what came step by step is what would have come at once', () => {
  const random = new Random(7)
  const some = ['a', 'b', 'c']
  const labels = () => ({app: random.pick(some), ...(random.chance(0.5) ? {tier: random.pick(some)} : {})})
  const selectors: LabelSelectorObject[] = [
    {},
    ...some.map((value) => ({matchLabels: {app: value}})),
    {
      matchExpressions: [
        {key: 'app', operator: 'In', values: ['a', 'b']},
        {key: 'tier', operator: 'Exists'},
      ],
    },
    {matchExpressions: [{key: 'tier', operator: 'NotIn', values: ['a']}]},
    {matchExpressions: [{key: 'tier', operator: 'DoesNotExist'}], matchLabels: {'k8s:app': 'c'}},
  ]
  for (let round = 0; round < 40; round++) {
    const grown = new PeerGroups()
    const last = new Map<number, PeerIdentity>()
    const rules = new Map<number, ExpandedPeers>()
    for (let step = 0; step < 60; step++) {
      const id = 300 + random.below(8)
      const one = identity(id, labels())
      const peers = about(...random.some(selectors, 1, 2))
      const kept = [...rules.keys()].filter(() => random.chance(0.7))
      random.choose<void>(
        [3, () => void rules.set(grown.numberOf(peers), peers)],
        [
          1,
          () => {
            for (const number of rules.keys()) if (!kept.includes(number)) rules.delete(number)
            grown.retain(kept)
          },
        ],
        [
          2,
          () => {
            grown.deleteIdentity(id)
            last.delete(id)
          },
        ],
        [
          4,
          () => {
            grown.setIdentity(one)
            last.set(id, one)
          },
        ],
      )
    }

    const fresh = new PeerGroups()
    for (const one of last.values()) fresh.setIdentity(one)

    for (const [number, peers] of rules) {
      expect(members(grown, number).sort()).toEqual(members(fresh, fresh.numberOf(peers)).sort())
    }
  }
})
