/** The kernel door's own test programs, compiled when they changed. */
import {resolve} from 'node:path'
import {buildBpf} from '../../../scripts/build-bpf.ts'

const here = resolve(import.meta.dirname, '..')

/** @returns paths of the compiled objects by name */
export async function testPrograms(): Promise<{readonly basic: string; readonly layout: string}> {
  const to = resolve(here, '../../dist/test/kernel')
  await buildBpf({from: resolve(here, 'programs'), to})
  return {basic: resolve(to, 'basic.o'), layout: resolve(to, 'layout.o')}
}
