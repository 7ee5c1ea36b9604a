import {expect, test} from 'vitest'
import {mergeConfigs} from '../../../src/lab/kubeconfig-merge.ts'

const entry = (name: string, extra = '') => ({name, extra})

test('the lab is added, replaces an entry of its own name, and leaves the others', () => {
  const theirs = {
    clusters: [entry('prod'), entry('lab', 'old')],
    users: [entry('me')],
    contexts: [],
    'current-context': 'prod',
  }
  const ours = {
    clusters: [entry('lab', 'new')],
    users: [entry('admin')],
    contexts: [entry('lab')],
    'current-context': 'lab',
  }

  expect(mergeConfigs(theirs, ours)).toEqual({
    clusters: [entry('prod'), entry('lab', 'new')],
    users: [entry('me'), entry('admin')],
    contexts: [entry('lab')],
    'current-context': 'lab',
  })
})
