/** Every object with the extremes of its configuration is accepted by this kernel, with room to grow. */
import {resolve} from 'node:path'
import {beforeAll, describe, expect, test} from 'vitest'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {allowed, instructionLimit, objects, verify} from '../support/verifier/verify.ts'

const root = resolve(import.meta.dirname, '../..')

beforeAll(async () => {
  await buildBpf({from: `${root}/bpf`, to: `${root}/dist/bpf`})
})

describe.each(objects)('%s.o', (object) => {
  test('passes the verifier with every extreme of the configuration', () => {
    for (const {program, instructions, with: name} of verify(object)) {
      const share = ((100 * instructions) / instructionLimit).toFixed(1)
      console.log(
        `${program.padEnd(24)} ${String(instructions).padStart(8)} instructions  ${share.padStart(5)} %  (${name})`,
      )
      expect(instructions, program).toBeGreaterThan(0)
      expect(instructions, program).toBeLessThan(allowed)
    }
  })
})
