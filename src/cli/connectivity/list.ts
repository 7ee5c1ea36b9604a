import {table} from '../render/table.ts'
import type {ConnectivityOptions} from './options.ts'
import {selectTests} from './selection.ts'
import {suite} from './suite.ts'

/** The tests that --test leaves, with what each proves and its scenarios. */
export function testList({tests}: Pick<ConnectivityOptions, 'tests'>): string {
  const rows = selectTests(suite, tests).flatMap(({name, summary, scenarios}) => [
    [name, summary],
    ...scenarios.map((scenario) => [`  /${scenario.name}`, '']),
  ])
  return table(rows, {gap: 3}).replace(/ +$/gm, '')
}
