import {readdirSync} from 'node:fs'
import {release} from 'node:os'
import {expect, test} from 'vitest'
import {kernelFeatures, probeFibFlags, probeHelper, probeKernel} from '../../../src/kernel/bpf/probe.ts'

test('every feature is answered, and those that the datapath cannot do without are here', () => {
  const probe = probeKernel()

  expect(probe.release).toBe(release())
  expect(Object.keys(probe.has).sort()).toEqual(Object.keys(kernelFeatures).sort())
  expect(probe.has).toMatchObject({
    jit: true,
    ringBuffer: true,
    lpmTrie: true,
    mapInMap: true,
    timer: true,
    redirectPeer: true,
    fibLookup: true,
    veth: true,
    vxlan: true,
    clsact: true,
  })
})

test('what does not exist is found missing: the probes can say no', () => {
  expect(probeHelper('sched_cls', 60_000)).toBe(false)
  // bpf_msg_redirect_map, for other types of programs
  expect(probeHelper('sched_cls', 60)).toBe(false)
  expect(probeHelper('sched_cls', 1)).toBe(true)
  expect(probeFibFlags(1 << 25)).toBe(false)
  expect(probeFibFlags(0)).toBe(true)
})

test('probing leaves no descriptor open', () => {
  probeKernel()
  const before = readdirSync('/proc/self/fd').length

  probeKernel()

  expect(readdirSync('/proc/self/fd').length).toBe(before)
})
