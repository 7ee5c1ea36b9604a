import {expect, test} from 'vitest'
import {busiestLabel, candidateNumbers, labelsSha256} from '../../../../src/agent/identity/identity-number.ts'
import {clusterIdentities} from '../../../../src/model/identity.ts'
import {LabelSet} from '../../../../src/model/labels.ts'

const range = clusterIdentities(0)

test('every number of the range is tried once', () => {
  const numbers = [...candidateNumbers(LabelSet.parse(['k8s:app=web']), range)]

  expect(numbers).toHaveLength(65_280)
  expect(new Set(numbers).size).toBe(65_280)
  expect(Math.min(...numbers)).toBe(256)
  expect(Math.max(...numbers)).toBe(65_535)
})

test('the same labels begin at the same number, in whatever order they are listed', () => {
  const [a] = candidateNumbers(LabelSet.parse(['k8s:app=web', 'k8s:tier=front']), range)
  const [b] = candidateNumbers(LabelSet.parse(['k8s:tier=front', 'k8s:app=web']), range)
  const [c] = candidateNumbers(LabelSet.parse(['k8s:app=db']), range)

  expect(a).toBe(b)
  expect(a).not.toBe(c)
})

test('first choices are spread over the range', () => {
  const firsts = new Set<number>()
  for (let i = 0; i < 1000; i++) firsts.add(candidateNumbers(LabelSet.parse([`k8s:app=a${i}`]), range).next().value!)

  expect(firsts.size).toBeGreaterThan(980)
})

test('the label with the most values is named', () => {
  const all = Array.from({length: 9}, (_, i) =>
    LabelSet.parse(['k8s:app=web', `k8s:job-name=j${i}`, `k8s:shard=${i % 3}`]),
  )

  expect(busiestLabel(all)).toEqual({key: 'job-name', values: 9})
  expect(busiestLabel([])).toBeUndefined()
})

test('the hash is hex SHA-256', () => {
  expect(labelsSha256(LabelSet.parse(['k8s:app=web']))).toMatch(/^[0-9a-f]{64}$/)
})
