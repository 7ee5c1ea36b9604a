/** No chain of calls takes more stack than the oldest promised kernel gives it, whichever kernel this machine has. */
import {resolve} from 'node:path'
import {beforeAll, describe, expect, test} from 'vitest'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {callLimit, stackChains, stackLimit} from '../support/verifier/stack.ts'
import {objects} from '../support/verifier/verify.ts'

const root = resolve(import.meta.dirname, '../..')

beforeAll(async () => {
  await buildBpf({from: `${root}/bpf`, to: `${root}/dist/bpf`})
})

describe.each(objects)('%s.o', (object) => {
  test('calls no deeper than the stack of Linux 6.1 reaches', () => {
    const chains = [...stackChains(`${root}/dist/bpf/${object}.o`)]

    expect(chains.length).toBeGreaterThan(0)
    for (const [program, {bytes, frames}] of chains) {
      expect(bytes, `${program}: ${frames.join(' → ')}`).toBeLessThanOrEqual(stackLimit)
      expect(frames.length, frames.join(' → ')).toBeLessThanOrEqual(callLimit)
    }
    expect(Math.max(...chains.map(([, {bytes}]) => bytes))).toBeGreaterThan(0)
  })
})

test('the longest chain is known frame by frame', () => {
  const {frames} = stackChains(`${root}/dist/bpf/pod.o`).get('cil_from_container')!

  expect(frames[0]).toMatch(/^cil_from_container \(\d+\)$/)
  expect(frames.length).toBeGreaterThan(2)
})
