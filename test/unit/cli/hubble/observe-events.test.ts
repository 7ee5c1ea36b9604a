import {expect, test} from 'vitest'
import {debugText} from '../../../../src/cli/hubble/observe-events.ts'

test('a debug message says whose it is, what, and where', () => {
  const source = {ID: 7, namespace: 'shop', pod_name: 'web'}

  expect(debugText({type: 6, source, hash: 0xabc, cpu: 3, message: 'src=1\u001b[2J'})).toBe(
    'shop/web (ID: 7) DBG_CT_LOOKUP MARK: 0xabc CPU: 03 (src=1[2J)',
  )
  expect(debugText({type: 99, message: 'x'})).toBe('(ID: 0) 99 MARK: <nil> CPU: <nil> (x)')
})
