/** Which steps of a change of layout a test lets an agent end at. */
import {switchSteps} from '../../../src/datapath/layout-change.ts'

export const failpoints = [...switchSteps, 'between-hooks'] as const

/** All of them with CILIUM_TEST_STEPS=all, or those it names; else three, by CILIUM_TEST_SEED or the day. */
export function seededSteps(): string[] {
  const wanted = process.env['CILIUM_TEST_STEPS'] ?? ''
  if (wanted === 'all') return [...failpoints]
  if (wanted !== '') return wanted.split(',')
  const seed = Number(process.env['CILIUM_TEST_SEED'] ?? Math.floor(Date.now() / 86_400_000))
  return [0, 3, 6].map((offset) => failpoints[(seed + offset) % failpoints.length]!)
}
