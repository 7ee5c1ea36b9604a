/** Addresses sorted into classes by what is asked about them. */
import {expect, test} from 'vitest'
import {Cidr} from '../../../src/model/cidr.ts'
import {Ip} from '../../../src/model/ip.ts'
import {CidrClasses, CountedNumbers} from '../../../src/policy/cidr-classes.ts'
import {cidrSelector} from '../../../src/policy/cidr-selector.ts'

const item = (cidr: string, ...except: string[]) => ({cidr: Cidr.of(cidr), except: except.map((text) => Cidr.of(text))})
const block = cidrSelector([item('10.0.0.0/8', '10.1.0.0/16')], 'everywhere')
const outside = cidrSelector([item('10.0.0.0/8'), item('2001:db8::/32')], 'outside')
const ip = (text: string) => Ip.of(text)

test('addresses of which the same holds share a class, others do not', () => {
  const classes = new CidrClasses([block, outside])

  expect(classes.at(ip('10.2.0.1'), 'outside')).toBe(classes.at(ip('10.3.0.1'), 'outside'))
  expect(classes.at(ip('10.1.0.1'), 'outside')).not.toBe(classes.at(ip('10.2.0.1'), 'outside'))
  expect(classes.at(ip('10.1.0.1'), 'outside')).toBe(classes.at(ip('2001:db8::1'), 'outside'))
  expect(classes.at(ip('11.0.0.1'), 'outside')).toBe(0)
})

test('pods and nodes are asked by those selectors alone that mean everybody', () => {
  const classes = new CidrClasses([block, outside])

  const pod = classes.at(ip('10.2.0.1'), 'inside')

  expect(classes.all.find(({number}) => number === pod)?.selectors).toEqual(new Set([block.key]))
  expect(classes.at(ip('10.1.0.1'), 'inside')).toBe(0)
})

test('a thousand prefixes of one question are one class', () => {
  const many = Array.from({length: 1000}, (_, i) => item(`10.${i >> 8}.${i & 255}.0/24`))

  const classes = new CidrClasses([cidrSelector(many, 'outside')])

  expect(classes.all).toHaveLength(1)
  expect(classes.outsideRows()).toHaveLength(1000)
})

test('the rows of the prefix map say where a class begins and ends', () => {
  const rows = new CidrClasses([block]).outsideRows().map(([cidr, number]) => `${cidr} ${number}`)

  expect(rows).toEqual(['10.0.0.0/8 1', '10.1.0.0/16 0'])
})

test('a class keeps its number when other questions come and go', () => {
  const numbers = new CountedNumbers()
  const before = new CidrClasses([block], numbers).at(ip('10.2.0.1'), 'outside')

  new CidrClasses([block, outside], numbers).at(ip('10.2.0.1'), 'outside')

  expect(new CidrClasses([block], numbers).at(ip('10.2.0.1'), 'outside')).toBe(before)
})

test('equal questions have one name', () => {
  const [a, b] = [item('10.0.0.0/8'), item('172.16.0.0/12')]

  expect(cidrSelector([a, b], 'outside').key).toBe(cidrSelector([b, a, a], 'outside').key)
  expect(cidrSelector([a], 'outside').key).not.toBe(cidrSelector([a], 'everywhere').key)
})
