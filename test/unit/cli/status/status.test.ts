import {expect, test} from 'vitest'
import type {ClusterView} from '../../../../src/cli/status/cluster-view.ts'
import {watchStatus} from '../../../../src/cli/status/status.ts'
import {daemonSet, fakeCluster} from './fake-cluster.ts'

const base = {
  wait: true,
  waitMs: 60_000,
  pauseMs: 1,
  ignoreWarnings: false,
  workerCount: 1,
  verbose: false,
  signal: new AbortController().signal,
}

function becomingReady(afterLooks: number): ClusterView & {looks: () => number} {
  let looks = 0
  const view = fakeCluster()
  return {
    ...view,
    looks: () => looks,
    daemonSet: async (name) => {
      if (name !== 'cilium') return undefined
      return ++looks >= afterLooks ? daemonSet(2) : daemonSet(2, 1)
    },
  }
}

test('waiting ends with the first look that finds all well', async () => {
  const view = becomingReady(2)

  const {report, gaveUp} = await watchStatus(view, base)

  expect(report.verdict).toBe('ok')
  expect(gaveUp).toBeUndefined()
  expect(view.looks()).toBe(2)
})

test('only the first look shows answer by answer', async () => {
  const seen: number[] = []

  await watchStatus(becomingReady(3), {...base, onProgress: ({pending}) => seen.push(pending.length)})

  expect(seen[0]).toBeGreaterThan(0)
  expect(seen.slice(seen.indexOf(0))).toEqual(seen.slice(seen.indexOf(0)).map(() => 0))
})

test('waiting ends when its time is over and says so', async () => {
  const {report, gaveUp} = await watchStatus(becomingReady(1000), {...base, waitMs: 0})

  expect(report.verdict).toBe('degraded')
  expect(gaveUp).toBe('after waiting for 0 s')
})

test('warnings keep the wait waiting unless they are ignored', async () => {
  const view = fakeCluster({endpoints: {a: [{id: 1, status: {state: 'restoring'}}]}})

  const strict = await watchStatus(view, {...base, waitMs: 0})
  const lenient = await watchStatus(view, {...base, waitMs: 0, ignoreWarnings: true})

  expect(strict.gaveUp).toBeDefined()
  expect(lenient.gaveUp).toBeUndefined()
})

test('a look that is interrupted ends at once', async () => {
  const controller = new AbortController()
  const waiting = watchStatus(becomingReady(1000), {...base, signal: controller.signal})
  controller.abort(new Error('stop'))

  await expect(waiting).rejects.toThrow()
})
