import {describe, expect, test} from 'vitest'
import {agentCapabilities, missingCapabilities} from '../../../src/kernel/capabilities.ts'

const all = Object.keys(agentCapabilities)
const statusWith = (...names: string[]) => {
  const mask = names.reduce((sum, name) => sum | (1n << BigInt(agentCapabilities[name]!.bit)), 0n)
  return `Name:\tnode\nCapEff:\t${mask.toString(16).padStart(16, '0')}\nCapBnd:\t000001ffffffffff\n`
}

describe('capabilities', () => {
  test('those of the chart are enough', () => {
    expect(missingCapabilities(statusWith(...all))).toEqual([])
  })

  test.each(['NET_ADMIN', 'SYS_ADMIN'])('%s cannot be done without', (name) => {
    expect(missingCapabilities(statusWith(...all.filter((one) => one !== name)))).toEqual([name])
  })

  test('SYS_ADMIN holds BPF and PERFMON; without any of the three all are missing', () => {
    expect(missingCapabilities(statusWith('NET_ADMIN', 'SYS_ADMIN'))).toEqual([])
    expect(missingCapabilities(statusWith('NET_ADMIN'))).toEqual(['SYS_ADMIN', 'PERFMON', 'BPF'])
  })

  test('a process without any lacks them all', () => {
    expect(missingCapabilities('CapEff:\t0000000000000000\n')).toEqual(all)
  })
})
