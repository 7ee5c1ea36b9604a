import {expect, test} from 'vitest'
import * as trace from '../../../src/model/trace.ts'

test('trace points have the flow API numbers, to-endpoint being 101', () => {
  expect(trace.tracePoints.map((_, point) => trace.tracePointProto(point).number)).toEqual([
    101, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
  ])
  expect(trace.tracePointProto(0).name).toBe('TO_ENDPOINT')
  expect(trace.tracePointProto(99)).toEqual({name: 'UNKNOWN_POINT', number: 0})
  expect(trace.tracePointNumber('to-overlay')).toBe(4)
  expect(trace.tracePointNumber('nowhere')).toBeUndefined()
})

test('trace reasons ignore the encryption bit', () => {
  expect(trace.traceReason(2)).toEqual({name: 'reply', proto: 'REPLY', number: 3})
  expect(trace.traceReason(trace.traceEncrypted | 1).proto).toBe('ESTABLISHED')
  expect(trace.traceReason(42).name).toBe('unknown')
})

test('a policy verdict event becomes a flow verdict', () => {
  expect(trace.verdictOfPolicy(-133, false)).toBe('DROPPED')
  expect(trace.verdictOfPolicy(10001, false)).toBe('REDIRECTED')
  expect(trace.verdictOfPolicy(0, true)).toBe('AUDIT')
  expect(trace.verdictOfPolicy(0, false)).toBe('FORWARDED')
})
